// Looks at a run's figures as they come, and says once what is wrong with them and what may be the cause.
import type { TrainRecord } from "../telemetry/metrics.ts";
import { Collapse, describeAlike } from "./collapse.ts";
import { RepeatCount } from "./repeats.ts";

/** What every log interval tells of it. */
export type Figures = Pick<
  TrainRecord,
  "step" | "infoNce" | "tau" | "gradNorm" | "noInformation" | "imageLikeness" | "textLikeness" | "repeatedCaptions"
>;

interface Sign {
  readonly name: string;
  /** A sentence where the sign is there. */
  look(figures: Figures): string | undefined;
}

/** A loss so near to that of guessing has learned nothing yet. */
const nothingLearned = 0.98;
/** By then a run that learns has begun to, also with a long warm-up; counted from where it started. */
const patience = 500; // steps
/** OpenCLIP's clamp of logit_scale to ln 100. */
const tauMin = 0.01;

export class Watch {
  readonly #start: number;
  readonly #told = new Set<string>();
  readonly #signs: readonly Sign[];

  /** `start` are the steps that were finished when this process began. */
  constructor({ start, learnsTau }: { start: number; learnsTau: boolean }) {
    this.#start = start;
    const [images, texts, repeats] = [new Collapse("image"), new Collapse("text"), new RepeatCount()];
    this.#signs = [
      { name: "still", look: (figures) => this.#stillGuessing(figures) },
      ...(learnsTau ? [{ name: "bound", look: temperatureAtBound }] : []),
      { name: "images alike", look: (figures) => images.look(figures) },
      { name: "texts alike", look: (figures) => texts.look(figures) },
      { name: "repeats", look: (figures) => repeats.look(figures) },
    ];
  }

  /** Warnings that were not given before. */
  look(figures: Figures): string[] {
    return this.#signs.flatMap(({ name, look }) => {
      const sentence = this.#told.has(name) ? undefined : look(figures);
      if (sentence === undefined) return [];
      this.#told.add(name);
      return [`step ${figures.step}: ${sentence}`];
    });
  }

  #stillGuessing(figures: Figures): string | undefined {
    const { step, infoNce, noInformation } = figures;
    if (step - this.#start < patience || infoNce < nothingLearned * noInformation) return undefined;
    const level = `InfoNCE is ${infoNce.toFixed(3)}, where guessing has ${noInformation.toFixed(3)}`;
    return `nothing is learned: ${level}; ${causeOf(figures)}`;
  }
}

function causeOf(figures: Figures): string {
  const { gradNorm = Number.NaN } = figures;
  const alike = describeAlike(figures);
  if (alike !== undefined)
    return `${alike}: are they alike themselves, or is the learning rate too high or too low (--lr)?`;
  if (gradNorm < 1e-4)
    return `the gradients are next to nothing (norm ${gradNorm.toExponential(1)}): is the model locked as it should be (--lock-image, --lock-text)?`;
  return "do captions belong to their pictures (fastclip data), is the learning rate too high or too low (--lr)?";
}

function temperatureAtBound({ tau }: Figures): string | undefined {
  if (tau > tauMin * 1.0001) return undefined;
  return `tau sits at its bound ${tauMin}: its learning rate (--lr-tau) may be too high, or the pairs are learned by heart`;
}
