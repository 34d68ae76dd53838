// One point of a curve: steps of a model on a batch, or on ids of a data set of some size.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PairState } from "../../src/losses/pair-state.ts";
import type { ModelConfig } from "../../src/models/index.ts";
import type { Pairs } from "../../src/train/overfit-batch.ts";
import type { LineProcess } from "../peer.ts";
import type { Case, Timed } from "../step/messages.ts";
import { startOurs, startPeer } from "../step/sides.ts";
import { type Captions, readBatches, writeBatches } from "../support/batches.ts";
import { median } from "../support/measure.ts";
import { openTrainer, stepOn } from "../support/trainer.ts";

/** Milliseconds of CPU time of a step, medians of turns. */
export interface Point {
  readonly at: number;
  readonly ours: number;
  readonly peer?: number;
}

export interface PointOptions {
  readonly at: number;
  readonly model: ModelConfig;
  readonly batch: number;
  readonly captions: Captions;
  readonly threads: number;
  readonly turns: number;
}

/** Both sides in turns, with OpenCLIP's loss in float32. */
export async function stepCost({ at, model, turns, ...options }: PointOptions): Promise<Point> {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  writeBatches(folder, { model, count: 1, batchSize: options.batch, captions: options.captions });
  const path = join(folder, "bench-model.json");
  const step: Case = { ...options, model: path, precision: "fp32", loss: "openclip" };
  const sides = [startOurs(folder, step), startPeer(folder, { name: "tcmalloc+fused", ...step })] as const;
  const time = async (side: LineProcess): Promise<number> => (await side.ask<Timed>({ step: true })).cpuMilliseconds;
  try {
    const measured: { ours: number; peer: number }[] = [];
    for (let turn = 0; turn <= turns; turn++) measured.push({ ours: await time(sides[0]), peer: await time(sides[1]) });
    const counted = measured.slice(1); // the first makes the moments
    return { at, ours: median(counted.map(({ ours }) => ours)), peer: median(counted.map(({ peer }) => peer)) };
  } finally {
    for (const side of sides) side.close();
    rmSync(folder, { recursive: true });
  }
}

export interface IdsOptions {
  readonly model: ModelConfig;
  readonly batch: number;
  readonly dataSize: number;
  readonly turns: number;
}

/** FastCLIP-v3 with its table of pairs in a file, as in a run; each step has ids from all over the data set. */
export function idsCost({ model, batch, dataSize, turns }: IdsOptions): Point {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  try {
    writeBatches(folder, { model, count: 1, batchSize: batch, captions: "short" });
    const path = join(folder, "pairs.f32");
    const trainer = openTrainer({
      model: join(folder, "bench-model.json"),
      precision: "fp32",
      loss: "fastclip-v3",
      createPairs: (columns) => PairState.inFile(columns, { size: dataSize, path }),
    });
    const [pairs] = readBatches(folder) as [Pairs];
    const times = Array.from({ length: turns + 1 }, (_, turn) => {
      const start = process.cpuUsage();
      stepOn(trainer, { ...pairs, ids: spread(batch, { dataSize, turn }) }, turn);
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    });
    trainer.method.pairs?.close();
    trainer.model.free();
    return { at: dataSize, ours: median(times.slice(1)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Different ids at equal distances, others in every turn. */
function spread(batch: number, { dataSize, turn }: { dataSize: number; turn: number }): BigInt64Array {
  const distance = Math.floor(dataSize / batch);
  return BigInt64Array.from({ length: batch }, (_, i) => BigInt(i * distance + (turn % distance)));
}
