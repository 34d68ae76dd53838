// What a run says of itself when it starts.
import type { Dataset } from "../../data/dataset.ts";
import type { ProcessGroup } from "../../distributed/process-group.ts";
import { formatCount } from "../../telemetry/format.ts";
import { threads } from "../../tensor/index.ts";
import { resolveBatch } from "../batch.ts";
import type { Config } from "../config/types.ts";
import { resolvePrecision } from "../precision.ts";

export interface StartingRun {
  readonly config: Config;
  readonly data: Dataset;
  readonly group: ProcessGroup;
  readonly totalSteps: number;
  readonly folder: string;
  readonly startStep: number;
}

export function formatStart({ config, data, group, totalSteps, folder, startStep }: StartingRun): string {
  const { model, loss, run, optim } = config;
  const { batchSize } = resolveBatch(config);
  const parts = [
    `${model.name}, ${loss.kind}, ${describeData(data)}, batch ${batchSize}`,
    ...(group.size === 1 ? [] : [describeShares(group, { config, batchSize, steps: totalSteps / run.epochs })]),
    `${run.epochs} epochs, ${totalSteps} steps, ${resolvePrecision(model.precision)}, ${threads()} threads`,
    ...(optim.emaDecay === undefined ? [] : [`evaluated with the average of its weights (EMA ${optim.emaDecay})`]),
    startStep > 0 ? `${folder}, from step ${startStep} on` : folder,
  ];
  return parts.join("; ");
}

function describeData({ size, shards, table }: Dataset): string {
  const counts = table.starts.slice(1).map((end, i) => end - table.starts[i]!);
  const [least, most] = [Math.min(...counts), Math.max(...counts)].map(formatCount);
  const each = least === most ? `${most}` : `${least} to ${most}`;
  return `${size} pairs (${shards.length} ${shards.length === 1 ? "shard" : `shards of ${each}`})`;
}

/** Every process takes as many steps, whatever the shards: a batch is shared by its rows, and not the shards by processes. */
function describeShares(
  { size, severalMachines }: ProcessGroup,
  { config, batchSize, steps }: { config: Config; batchSize: number; steps: number },
): string {
  const where = severalMachines ? "on several machines" : "on this machine";
  const share = `each ${batchSize / size} pairs of every batch, ${steps} steps an epoch`;
  return `${size} processes ${where}, ${share}, gradient reduction by ${config.distributed.gradientReduction}`;
}
