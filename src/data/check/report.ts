// What `fastclip data check` says, as figures. The JSON file holds exactly this.

import type { FalseNegatives } from "../falseNegatives.ts";
import type { FaultCause, FaultCounts } from "../faults.ts";
import type { Quantiles } from "./quantiles.ts";

export interface CheckReport {
  readonly shards: number;
  /** Samples that are whole: picture and caption can be read. */
  readonly samples: number;
  readonly faults: FaultReport;
  /** Nothing of these where no sample is whole. */
  readonly content: ContentReport | undefined;
  /** Why training would not begin or not go on; empty where nothing stands against it. */
  readonly problems: readonly string[];
}

/** What training leaves out. */
export interface FaultReport {
  readonly counts: FaultCounts;
  /** The messages of the first few of each cause. */
  readonly examples: Partial<Record<FaultCause, readonly string[]>>;
}

/** Of the whole samples. */
export interface ContentReport {
  readonly duplicates: {
    readonly picture: Duplicates;
    readonly caption: Duplicates;
    readonly both: Duplicates;
    /** Keys that several shards have; counted over damaged samples too. */
    readonly key: Duplicates;
  };
  readonly batch: BatchReport;
  readonly captions: CaptionReport;
  readonly pictures: PictureReport;
}

/** Samples that are equal to another one in something. */
export interface Duplicates {
  /** Samples that have at least one equal. */
  readonly samples: number;
  /** Different contents among these. */
  readonly contents: number;
  /** The largest set of equal samples. */
  readonly largest: number;
  /** Two or three of the largest set. */
  readonly example: readonly SampleName[];
}

export interface SampleName {
  readonly shard: string;
  readonly key: string;
}

/** How often pairs of a random batch have their caption twice, so that right answers count as wrong ones. */
export interface BatchReport extends FalseNegatives {
  readonly size: number;
  /** Probability that a batch holds any caption twice. */
  readonly probability: number;
}

/** Figures for a few samples, with the first of them and its caption. */
export interface Counted {
  readonly samples: number;
  readonly example: (SampleName & { readonly caption: string }) | undefined;
}

export interface CaptionReport {
  readonly contextLength: number;
  /** Tokens before captions are cut, start and end included. */
  readonly tokens: Quantiles;
  /** Captions with more tokens than the context length. */
  readonly cut: Counted;
  readonly characters: Quantiles;
  readonly nearEmpty: Counted;
  readonly fileNames: Counted;
  /** Captions by the script of most of their letters, the most frequent first. */
  readonly scripts: readonly Share[];
  /** Guesses, for captions that are long enough, the most frequent first. */
  readonly languages: {
    readonly guessed: readonly Share[];
    /** The detector was not sure. */
    readonly unclear: number;
    /** Nothing was guessed. */
    readonly tooShort: number;
  };
}

export interface Share {
  readonly name: string;
  readonly samples: number;
}

export interface PictureReport {
  /** Pixels. */
  readonly width: Quantiles;
  readonly height: Quantiles;
  /** Width / height. */
  readonly aspect: Quantiles;
  /** Size of the files. */
  readonly bytes: Quantiles;
  readonly totalBytes: number;
  /** Pictures whose shorter side has fewer pixels than the model's input, and are enlarged. */
  readonly smaller: { readonly than: number; readonly samples: number };
  readonly formats: readonly Share[];
}
