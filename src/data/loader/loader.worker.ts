// A thread of the loader: fills batches on request.
import { parentPort, workerData } from "node:worker_threads";
import { type BadSample, Filler, type FillJob, type FillSetup } from "./fill.ts";

/** What the loader sends. */
export type WorkerRequest = { kind: "fill"; job: FillJob } | { kind: "close" };

/** What a thread sends back. Threads run ahead on their own; these messages wait for no answer. */
export type WorkerReport =
  | { kind: "ready"; ticket: number; bad: BadSample[] }
  | { kind: "idle" }
  | { kind: "failed"; message: string };

const port = parentPort!;
const filler = new Filler(workerData as FillSetup);

port.on("message", (request: WorkerRequest) => {
  if (request.kind === "close") {
    filler.close();
    port.close();
    return;
  }
  filler
    .run(request.job, (ticket, bad) => report({ kind: "ready", ticket, bad }))
    .then(() => report({ kind: "idle" }))
    .catch((error: Error) => report({ kind: "failed", message: error.message }));
});

function report(message: WorkerReport): void {
  port.postMessage(message);
}
