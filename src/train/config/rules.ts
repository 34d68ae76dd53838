// Settings that are sound one by one and contradict each other.
import { modelRules } from "./rules-model.ts";
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
  if (!loss || !run || loss.kind === "openclip" || loss.kind === "siglip" || loss.gamma.kind !== "cosine") return [];
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

function batchRules({ run }: SoundSections): Contradiction[] {
  if (!run) return [];
  const { batchSize, microBatch, accumFreq } = run;
  const paths = [
    ["run", "microBatch"],
    ["run", "accumFreq"],
    ["run", "batchSize"],
  ];
  if (microBatch === undefined) return [];
  if (accumFreq !== undefined)
    return [{ paths, text: `the micro-batch is set twice, as ${microBatch} and by an accum-freq of ${accumFreq}` }];
  if (microBatch === "auto" || batchSize % microBatch === 0) return [];
  return [{ paths, text: `expected a divisor of the batch size ${batchSize}, got ${microBatch}` }];
}

function learningRateRules({ optim }: SoundSections): Contradiction[] {
  if (!optim || optim.schedule.kind === "const") return [];
  const { lr, schedule } = optim;
  const [key, lowest] = schedule.kind === "cosine" ? ["lrMin", schedule.lrMin] : ["cooldownEnd", schedule.cooldownEnd];
  if (lowest <= lr) return [];
  return [
    {
      paths: [
        ["optim", "schedule", key],
        ["optim", "lr"],
      ],
      text: `the lowest learning rate ${lowest} is above the highest, ${lr}`,
    },
  ];
}

function cooldownRules({ optim, run }: SoundSections): Contradiction[] {
  if (!optim || !run || optim.schedule.kind !== "const-cooldown") return [];
  const { epochsCooldown } = optim.schedule;
  if (epochsCooldown <= run.epochs) return [];
  return [
    {
      paths: [
        ["optim", "schedule", "epochsCooldown"],
        ["run", "epochs"],
      ],
      text: `the learning rate would go down for ${epochsCooldown} epochs, but the run has ${run.epochs}`,
    },
  ];
}

function momentumRules({ optim }: SoundSections): Contradiction[] {
  if (optim?.kind !== "sgd" || !optim.nesterov || optim.momentum > 0) return [];
  return [
    {
      paths: [
        ["optim", "nesterov"],
        ["optim", "momentum"],
      ],
      text: "Nesterov's step looks ahead along the momentum, but the momentum is 0",
    },
  ];
}

function averageRules({ optim }: SoundSections): Contradiction[] {
  if (!optim?.emaWarmup || optim.emaDecay !== undefined) return [];
  return [
    { paths: [["optim", "emaWarmup"]], text: "there is no moving average to warm up (optim.emaDecay, --ema-decay)" },
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

function reductionRules({ loss, distributed }: SoundSections): Contradiction[] {
  if (loss?.kind !== "siglip" || distributed?.gradientReduction !== "features") return [];
  return [
    {
      paths: [["distributed", "gradientReduction"]],
      text: "a term of SigLIP's loss depends on nothing but its own similarity, so there are no feature gradients to reduce",
    },
  ];
}

function resumeRules({ run }: SoundSections): Contradiction[] {
  if (run?.resume !== "auto" || run.name !== undefined) return [];
  return [{ paths: [["run", "resume"]], text: "auto needs the name of the run (run.name, --name)" }];
}

function bestRules({ run, data }: SoundSections): Contradiction[] {
  if (!run || !data || run.keepBest === undefined || data.val !== undefined) return [];
  return [
    { paths: [["run", "keepBest"]], text: "no checkpoint is evaluated without evaluation data (data.val, --val-data)" },
  ];
}

function mixRules({ data }: SoundSections): Contradiction[] {
  if (data?.upsampling === undefined) return [];
  const { upsampling, train, shuffle } = data;
  const paths = [["data", "upsampling"]];
  if (upsampling.length !== train.length)
    return [{ paths, text: `expected one factor for each of the ${train.length} patterns, got ${upsampling.length}` }];
  return shuffle === "window"
    ? [{ paths: [...paths, ["data", "shuffle"]], text: "patterns are mixed in the global order only, not by window" }]
    : [];
}

const rules = [
  modelRules,
  intervalRules,
  mixRules,
  batchRules,
  gammaRules,
  learningRateRules,
  cooldownRules,
  momentumRules,
  averageRules,
  reductionRules,
  resumeRules,
  bestRules,
  evaluationRules,
];

/** Every contradiction among the sections given. */
export function contradictions(sections: SoundSections): Contradiction[] {
  return rules.flatMap((rule) => rule(sections));
}
