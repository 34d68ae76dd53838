// What the processes of a run do together at its start: they find their place, see that they were started alike, and begin with the same numbers.
import { readFileSync } from "node:fs";
import type { Dataset } from "../data/dataset.ts";
import { agree } from "../distributed/agree.ts";
import { type Place, readPlace } from "../distributed/environment.ts";
import type { GroupOptions, ProcessGroup } from "../distributed/process-group.ts";
import type { CLIP } from "../models/index.ts";
import { engineInfo, scope, type Tensor } from "../tensor/index.ts";
import type { Training } from "./checkpoint.ts";
import type { Config } from "./config/types.ts";

/** Which process this is, by what a launcher has set, and how long it waits for the others. */
export function placeOf({
  distributed: { joinTimeout, timeout },
}: Pick<Config, "distributed">): GroupOptions & { place: Place } {
  const milliseconds = (seconds: number): number => Math.max(1, Math.round(seconds * 1000));
  return { place: readPlace(process.env), joinTimeoutMs: milliseconds(joinTimeout), timeoutMs: milliseconds(timeout) };
}

export interface Started {
  readonly config: Config;
  readonly data: Dataset;
  readonly validation: Dataset | undefined;
  readonly model: CLIP;
}

/** Throws on every rank, in a sentence that names the rank and the difference, where one was started otherwise than rank 0. */
export function agreeOnRun(group: ProcessGroup, { config, data, validation, model }: Started): void {
  const shapes = [...model.stateDict()].map(([name, { shape }]) => [name, shape]);
  agree(group, {
    fastclip: ownVersion(),
    torch: engineInfo().version,
    configuration: config,
    shapes: Object.fromEntries(shapes),
    data: { pairs: data.size, fingerprint: data.fingerprint },
    validation: validation && { pairs: validation.size, fingerprint: validation.fingerprint },
  });
}

/** Gives every rank rank 0's weights, buffers, moments and averages. */
export function beginAlike(group: ProcessGroup, { trainer, ema }: Training): void {
  const { model, optimizer } = trainer;
  const states = [model.stateDict(), optimizer.state(), ema?.state() ?? new Map<string, Tensor>()];
  scope(() => {
    const tensors = states.flatMap((state) => [...state.values()].map((tensor) => tensor.detach()));
    group.broadcast_(tensors, { name: "start" });
  });
}

function ownVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
