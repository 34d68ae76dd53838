/** Why something was left out of the data. */
export type FaultCause =
  /** The shard ends inside an entry, or before its end mark. */
  | "tar-cut"
  /** A header of the shard is damaged, or the file is no tar at all, or cannot be unpacked. */
  | "tar-header"
  /** The sample has no picture, or an empty one. */
  | "no-picture"
  /** The sample has no caption, or an empty one. */
  | "no-caption"
  /** The shard has an earlier sample of the same key. */
  | "duplicate-key"
  /** The picture cannot be decoded, or is larger than allowed. */
  | "bad-picture"
  /** The caption or the JSON is not what it should be. */
  | "bad-caption";

/** One thing left out. */
export interface Fault {
  readonly cause: FaultCause;
  /** File name of the shard. */
  readonly shard: string;
  /** Key of the sample; undefined when the fault is the shard's. */
  readonly key: string | undefined;
  /** One sentence that names shard and sample. */
  readonly message: string;
}

/** How many faults there were of each cause; causes that did not occur are absent. */
export type FaultCounts = Partial<Record<FaultCause, number>>;

/** Thrown where a sample turns out to be bad; carries what a worker can send on. */
export class SampleError extends Error {
  override readonly name = "SampleError";
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}
