// A run's metrics: one JSON object a line, appended while the run goes on.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, truncateSync, writeSync } from "node:fs";

/** One figure of an evaluation. */
export interface EvalResult {
  /** The data it was measured on, "held-out style". */
  readonly split: string;
  /** What was measured, "zero-shot top-1". */
  readonly metric: string;
  /** Share of right answers, 0..1. */
  readonly value: number;
  /** The share that guessing reaches, 0..1. */
  readonly chance: number;
  /** Samples that were judged. */
  readonly count: number;
}

/**
 * What a process sent in one kind of exchange. The milliseconds of one on CUDA tensors are the host's alone, which only queues it: how
 * long the GPU then sends is not in them.
 */
export interface Traffic {
  calls: number;
  /** The size of what every process holds afterwards (of a reduce-scatter, before), summed over calls. */
  bytes: number;
  /** From the start to the end of each call. */
  milliseconds: number;
  /** The part of it that nothing else was computed in. */
  exposedMilliseconds: number;
}

export interface TrainRecord {
  readonly kind: "train";
  /** Finished optimizer steps, so 1 after the first. */
  readonly step: number;
  /** The epoch that the step belongs to; the first is 0. */
  readonly epoch: number;
  /** Pairs seen so far, all ranks together. */
  readonly samples: number;
  /** The method's own loss. */
  readonly loss: number;
  /** InfoNCE of the same batches, which compares methods. */
  readonly infoNce: number;
  /** What InfoNCE is without any information: ln(batch size). */
  readonly noInformation: number;
  /** The temperature; the mean where every sample has its own. */
  readonly tau: number;
  /** Weight of the newest inner function in u; absent for losses that keep no u. */
  readonly gamma?: number | undefined;
  readonly lr: number;
  readonly samplesPerSecond: number;
  /** Share of the time spent waiting for data, 0..1. */
  readonly dataWait: number;
  readonly residentBytes: number;
  readonly liveTensors: number;
  readonly gradNorm?: number | undefined;
  /** Mean cosine between the features of different pictures of the last batch; at 1 they are all alike and tell nothing apart. */
  readonly imageLikeness?: number | undefined;
  /** The same of its captions. */
  readonly textLikeness?: number | undefined;
  /** Share of the last batch's captions that another pair has word by word, 0..1; of several processes the mean of their parts'. */
  readonly repeatedCaptions?: number | undefined;
  /** What rank 0 exchanged with the others since the last record, by collective; absent for one process. */
  readonly traffic?: Readonly<Record<string, Readonly<Traffic>>> | undefined;
  /** Milliseconds since 1970. */
  readonly time: number;
}

export interface EvalRecord {
  readonly kind: "eval";
  readonly step: number;
  readonly epoch: number;
  readonly results: readonly EvalResult[];
}

export interface EventRecord {
  readonly kind: "event";
  readonly level: "info" | "warning" | "error";
  readonly message: string;
  readonly step?: number | undefined;
}

export type MetricsRecord = TrainRecord | EvalRecord | EventRecord;

const kinds: ReadonlySet<unknown> = new Set<MetricsRecord["kind"]>(["train", "eval", "event"]);
const textFields: ReadonlySet<string> = new Set(["kind", "level", "message", "split", "metric"]);
const nonFinite: ReadonlyMap<unknown, number> = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

/** Where records go. */
export interface Metrics {
  write(record: MetricsRecord): void;
}

/** Of processes that are not the first: what they measure is in the first one's records. */
export const noMetrics: Metrics = { write: () => {} };

/**
 * Appends records to a metrics file. A record is one write, so a killed run leaves at most one cut-off line, which the next writer
 * on that file removes.
 *
 * JSON has no NaN and no infinity, and a diverged run is just the one whose metrics are read: such numbers are written as the
 * strings "NaN", "Infinity" and "-Infinity", and {@link readMetrics} turns them into numbers again.
 */
export class MetricsWriter implements Metrics {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    dropCutOffLine(path);
    this.#path = path;
    this.#file = openSync(path, "a");
  }

  write(record: MetricsRecord): void {
    if (this.#file === undefined) throw new Error(`${this.#path}: a metrics record came after the file was closed`);
    writeAll(this.#file, toLine(record));
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/**
 * All records of a metrics file, in the order they were written. A last line without its line end is left out: a run is writing it,
 * or was killed while it did.
 * @throws Error that names the line when another line is not a record.
 */
export function readMetrics(path: string): MetricsRecord[] {
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.flatMap((line, index) => (line.trim() === "" ? [] : [parseLine(line, `${path}:${index + 1}`)]));
}

/**
 * Drops what came after `step`, so that a run resumed from that step's checkpoint does not draw a part of its curves twice. Events
 * that belong to no step stay. A run without metrics has none to drop. The file is replaced in one piece.
 */
export function truncateMetrics(path: string, step: number): void {
  if (!existsSync(path)) return;
  const kept = readMetrics(path).filter((record) => record.step === undefined || record.step <= step);
  const partial = `${path}.${process.pid}.partial`;
  const file = openSync(partial, "w");
  try {
    writeAll(file, kept.map(toLine).join(""));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}

function toLine(record: MetricsRecord): string {
  return `${JSON.stringify(record, (_key, value) => (isNonFinite(value) ? String(value) : value))}\n`;
}

function isNonFinite(value: unknown): boolean {
  return typeof value === "number" && !Number.isFinite(value);
}

function parseLine(line: string, where: string): MetricsRecord {
  let record: unknown;
  try {
    record = JSON.parse(line, (key, value) => (textFields.has(key) ? value : (nonFinite.get(value) ?? value)));
  } catch {
    throw new Error(`${where}: expected one JSON object, got ${JSON.stringify(line.slice(0, 60))}`);
  }
  if (typeof record !== "object" || record === null || !("kind" in record) || !kinds.has(record.kind)) {
    throw new Error(`${where}: expected a record of kind ${[...kinds].join(", ")}, got ${line.slice(0, 60)}`);
  }
  return record as MetricsRecord;
}

function dropCutOffLine(path: string): void {
  if (!existsSync(path)) return;
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf("\n") + 1;
  if (end < bytes.length) truncateSync(path, end);
}

/** writeSync may take a part only, on a nearly full disk or a pipe. */
function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
