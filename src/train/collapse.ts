// Features that have become all alike, so that they tell nothing apart.
import type { Side } from "../losses/pair.ts";
import type { TrainRecord } from "../telemetry/metrics.ts";

type Likeness = Pick<TrainRecord, "imageLikeness" | "textLikeness">;

/** Above this mean cosine features hardly differ. Untrained towers are often near it: ViT-Ti-8-64 has 0.98 on noise. */
const alike = 0.99;
/** Features have collapsed when so small a part of the widest spread is left. */
const left = 0.1;

const field = { image: "imageLikeness", text: "textLikeness" } as const;
const things = { image: "pictures", text: "captions" } as const;

/** Watches one side. Spread is 1 - the mean cosine; untrained features, which never had any, have not collapsed. */
export class Collapse {
  readonly #side: Side;
  #widest = 0;

  constructor(side: Side) {
    this.#side = side;
  }

  /** A sentence where the features were apart and are no longer. */
  look(figures: Likeness): string | undefined {
    const cosine = figures[field[this.#side]];
    if (cosine === undefined || Number.isNaN(cosine)) return undefined;
    this.#widest = Math.max(this.#widest, 1 - cosine);
    if (cosine < alike || 1 - cosine > left * this.#widest) return undefined;
    return (
      `${describe(this.#side, cosine)}, and was ${(1 - this.#widest).toFixed(3)}: they have collapsed; go back to a checkpoint ` +
      "before that with a lower learning rate (--lr), a longer warm-up (--warmup) or clipped gradients (--grad-clip-norm)"
    );
  }
}

/** Names the side whose features are nearly all alike; undefined where neither is. */
export function describeAlike(figures: Likeness): string | undefined {
  for (const side of ["image", "text"] as const) {
    const cosine = figures[field[side]];
    if (cosine !== undefined && cosine >= alike) return describe(side, cosine);
  }
  return undefined;
}

function describe(side: Side, cosine: number): string {
  return `the mean cosine between the features of different ${things[side]} is ${cosine.toFixed(3)}`;
}
