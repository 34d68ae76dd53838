// What the sides of the benchmark are told and asked.
import type { Captions } from "../support/batches.ts";

/** One training step that is measured. */
export interface Case {
  /** A name that both projects know, or a configuration file. */
  readonly model: string;
  readonly batch: number;
  readonly precision: "amp_bf16" | "fp32";
  readonly captions: Captions;
  /** Of ours; OpenCLIP has its own. */
  readonly loss: "openclip" | "fastclip-v3";
  readonly threads: number;
}

export type Request = { check: true } | { step: true } | { matmul: true } | { peak: true };

/** The first step on new weights. */
export interface Checked {
  /** InfoNCE. */
  readonly loss: number;
  /** Of each parameter's gradient. */
  readonly norms: Readonly<Record<string, number>>;
}

export interface Timed {
  readonly milliseconds: number;
  /** Of all the process' threads: what other programs take of the cores is not in it. */
  readonly cpuMilliseconds: number;
  /** Minor ones: pages of memory that the kernel had to give, cleared, before they could be written. */
  readonly pageFaults: number;
  /** Resident memory after it. */
  readonly residentBytes: number;
}

export interface Peak {
  /** The most memory that was resident. */
  readonly bytes: number;
  /** The tokens of a text that our tower works on, in the mean; OpenCLIP's has all positions. */
  readonly textTokens?: number;
}
