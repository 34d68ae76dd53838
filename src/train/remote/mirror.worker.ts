// The thread that copies a run's folder elsewhere while the run trains.
import { parentPort, workerData } from "node:worker_threads";
import { Mirror, type MirrorSetup } from "./mirror.ts";

/** What the run sends: the names of the checkpoints that will stay until the answer. */
export type MirrorRequest = readonly string[];

/** The answer: what went wrong, if anything did. */
export interface MirrorReport {
  readonly problem?: string;
}

const port = parentPort!;
const mirror = new Mirror(workerData as MirrorSetup);

port.on("message", (names: MirrorRequest) => {
  const report = (answer: MirrorReport): void => port.postMessage(answer);
  mirror.update(names).then(
    () => report({}),
    (error: Error) => report({ problem: error.message }),
  );
});
