// Settings that are sound one by one and contradict each other.
import type { Config, Interval } from "./types.ts";

export interface Contradiction {
  /** The settings that take part; the message stands at the first of them that the user wrote. */
  readonly paths: readonly (readonly string[])[];
  readonly text: string;
}

/** The sections that were read without a problem: a rule about a broken section is not asked. */
type SoundSections = { readonly [Name in keyof Config]?: Config[Name] | undefined };

function intervalRules({ data }: SoundSections): Contradiction[] {
  if (!data) return [];
  const { scale, ratio, affine } = data.aug;
  const intervals: readonly (readonly [readonly string[], Interval])[] = [
    [["data", "aug", "scale"], scale],
    [["data", "aug", "ratio"], ratio],
    [["data", "aug", "affine", "scale"], affine?.scale ?? [1, 1]],
  ];
  return intervals
    .filter(([, [low, high]]) => low > high)
    .map(([path, [low, high]]) => ({ paths: [path], text: `expected the smaller number first, got ${low} ${high}` }));
}

function gammaRules({ loss, run }: SoundSections): Contradiction[] {
  if (!loss || !run || loss.kind === "openclip" || loss.gamma.kind !== "cosine") return [];
  const { decayEpochs } = loss.gamma;
  if (decayEpochs === "auto" || decayEpochs <= run.epochs) return [];
  return [
    {
      paths: [
        ["loss", "gamma", "decayEpochs"],
        ["run", "epochs"],
      ],
      text: `gamma would end its decay after ${decayEpochs} epochs, but the run has ${run.epochs}`,
    },
  ];
}

function learningRateRules({ optim }: SoundSections): Contradiction[] {
  if (!optim || optim.lrMin <= optim.lr) return [];
  return [
    {
      paths: [
        ["optim", "lrMin"],
        ["optim", "lr"],
      ],
      text: `the lowest learning rate ${optim.lrMin} is above the highest, ${optim.lr}`,
    },
  ];
}

function evaluationRules({ data, eval: evaluation }: SoundSections): Contradiction[] {
  if (!data || evaluation?.zeroShot.classes === undefined || data.val !== undefined) return [];
  return [
    {
      paths: [["eval", "zeroShot", "classes"]],
      text: "class names are given, but no evaluation data (data.val, --val-data)",
    },
  ];
}

/** Every contradiction among the sections given. */
export function contradictions(sections: SoundSections): Contradiction[] {
  return [intervalRules, gammaRules, learningRateRules, evaluationRules].flatMap((rule) => rule(sections));
}
