// `--profile`: where the time of a step goes, measured over some steps of a run.
import { pastSpan, recordSpans } from "../../telemetry/spans.ts";
import { type DType, recordOperators } from "../../tensor/index.ts";
import { writeWhole } from "../durable.ts";
import { formatProfile } from "./format.ts";
import { matmulSpeed } from "./reference.ts";
import { type Recording, summarise } from "./summary.ts";
import { formatTrace } from "./trace.ts";

/** The first steps of a process are slower: memory is taken for the first time, and kernels are made. */
const warmUpSteps = 10;

export interface ProfileOptions {
  /** How many steps are looked at. */
  readonly steps: number;
  /** Where the trace goes. */
  readonly path: string;
  /** In what the towers' products of matrices are computed. */
  readonly dtype: DType;
  /** Takes the lines of the tables. */
  readonly say: (line: string) => void;
}

/** Looks at some steps of a run after its first ones. The steps compute what they would without it. */
export class Profile {
  readonly #options: ProfileOptions;
  #seen = 0;
  #stop: (() => Recording) | undefined;

  constructor(options: ProfileOptions) {
    this.#options = options;
  }

  /** To be called when the batch of each step is there, with the milliseconds that were waited for it. A step goes from one to the next. */
  onBatch({ waitMs }: { readonly waitMs: number }): void {
    pastSpan("data", waitMs);
    const { steps } = this.#options;
    if (this.#seen === warmUpSteps + steps) this.finish();
    if (this.#seen === warmUpSteps) this.#stop = record(() => this.#seen - warmUpSteps);
    this.#seen++;
  }

  /** Tells what was seen, where that was not told before. */
  finish(): void {
    const recording = this.#stop?.();
    this.#stop = undefined;
    const { path, dtype, say } = this.#options;
    if (recording === undefined) {
      if (this.#seen <= warmUpSteps)
        say(`no profile: the run is over, and the first ${warmUpSteps} steps are not looked at`);
      return;
    }
    const summary = summarise(recording);
    const { product } = summary;
    const reference = product && { product, dtype, flops: matmulSpeed(product, dtype) };
    writeWhole(path, formatTrace(recording, summary));
    for (const line of formatProfile(summary, reference)) say(line);
    say(`trace, for chrome://tracing or ui.perfetto.dev: ${path}`);
  }

  /** Ends what is being recorded, and tells nothing. */
  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}

/** Begins to record; what this returns ends it. */
function record(steps: () => number): () => Recording {
  const endSpans = recordSpans();
  const start = performance.now();
  const endOperators = recordOperators();
  return () => {
    const runs = endOperators().map((run) => ({ ...run, start: start + run.start }));
    return { steps: steps(), start, duration: performance.now() - start, spans: endSpans(), runs };
  };
}
