// The copying of a run from its start to its end.
import type { Config } from "../config/types.ts";
import { pruneCheckpoints } from "../kept.ts";
import type { Run } from "../open.ts";
import type { Resources } from "../resources.ts";
import { noCopy, type RunCopy, startCopy } from "./copy.ts";
import { remoteRoot } from "./remote-run.ts";

/** Rank 0 alone copies: it has all that is saved. `resources` are those that close when the training is over. */
export function openCopy(
  { config, group, folder, display, metrics }: Run,
  { resources }: { resources: Resources },
): RunCopy {
  const { remoteSync, keepLast, keepBest, saveFrequency } = config.run;
  if (remoteSync === undefined || group.rank !== 0) return noCopy;
  const keeping = { keepLast, saveFrequency, ...(keepBest !== undefined && { keepBest }) };
  let isTraining = true;
  resources.add({ close: () => (isTraining = false) });
  const onProblem = (message: string): void => {
    if (!isTraining) return; // what goes wrong in the end, `finishCopy` tells
    display.line(message);
    metrics.write({ kind: "event", level: "warning", message });
  };
  return startCopy({ folder, root: remoteRoot(remoteSync, folder), keeping, onProblem });
}

export interface FinishOptions {
  readonly config: Config;
  readonly folder: string;
  readonly stream: NodeJS.WriteStream;
}

/** Has the last of a run copied, and says so, since a large checkpoint takes its time. */
export async function finishCopy(copy: RunCopy, { config, folder, stream }: FinishOptions): Promise<void> {
  if (copy === noCopy) return;
  const root = remoteRoot(config.run.remoteSync!, folder);
  stream.write(`copying the last of the run to ${root}\n`);
  const problem = await copy.finish();
  await copy.close();
  stream.write(`${problem ?? `the copy in ${root} is complete`}\n`);
  // What had to stay while it was on its way.
  pruneCheckpoints(folder, { ...config.run, except: copy.underway });
}
