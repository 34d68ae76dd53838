// A thread that checks samples on request.
import { parentPort, workerData } from "node:worker_threads";
import type { Fault } from "../faults.ts";
import { Measurer, type MeasureSetup, type Span } from "./measure.ts";

/** What is sent to a thread. */
export type MeasureRequest = { readonly kind: "measure"; readonly span: Span } | { readonly kind: "close" };

/** What it answers to each span, in the order of the requests. */
export type MeasureReport =
  | { readonly kind: "measured"; readonly faults: Fault[] }
  | { readonly kind: "failed"; readonly message: string };

const port = parentPort!;
const measurer = Measurer.create(workerData as MeasureSetup);
let work: Promise<unknown> = measurer;

port.on("message", (request: MeasureRequest) => {
  work = work.then(() => (request.kind === "close" ? close() : answer(request.span)));
});

async function answer(span: Span): Promise<void> {
  const report = await (await measurer).measure(span).then(
    (faults): MeasureReport => ({ kind: "measured", faults }),
    (error: Error): MeasureReport => ({ kind: "failed", message: error.message }),
  );
  port.postMessage(report);
}

async function close(): Promise<void> {
  (await measurer).close();
  port.close();
}
