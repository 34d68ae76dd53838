// The frozen configuration of a run, as the rest of the code reads it. The schema says what each setting means and its default;
// the compiler checks that what it gives has these types.

/** Everything that a run is told. Sections have the names and the order of the YAML file. */
export interface Config {
  readonly model: ModelConfig;
  readonly data: DataConfig;
  readonly run: RunConfig;
  readonly loss: LossConfig;
  readonly optim: OptimConfig;
  readonly distributed: DistributedConfig;
  readonly eval: EvalConfig;
}

export interface ModelConfig {
  readonly name: string;
  readonly pretrained?: string;
  readonly precision: "auto" | "amp_bf16" | "fp32";
  readonly patchDropout?: number;
  readonly gradCheckpointing: boolean;
  readonly textMultiple: number;
  readonly lock: {
    readonly image: boolean;
    readonly imageUnlockedGroups: number;
    readonly imageFreezeBnStats: boolean;
    readonly text: boolean;
    readonly textUnlockedLayers: number;
  };
}

export interface DataConfig {
  readonly train: readonly string[];
  readonly val?: readonly string[];
  readonly upsampling?: readonly number[];
  readonly shuffle: "auto" | "global" | "window";
  readonly shuffleWindow: number;
  readonly captionKey?: readonly string[];
  readonly imageColumn?: string;
  readonly captionColumn?: string;
  readonly trainSize?: number;
  readonly workers: number;
  readonly maxBadRate: number;
  readonly cacheDir?: string;
  readonly cacheSize: number;
  readonly aug: AugConfig;
}

/** Two ends of an interval, the lower one first. */
export type Interval = readonly [number, number];
/** One number for red, green and blue, in this order. */
type Rgb = readonly [number, number, number];

/** With the names of the data loader's image settings. */
interface AugConfig {
  readonly scale: Interval;
  readonly ratio: Interval;
  readonly affine?: {
    readonly degrees: number;
    readonly translate: readonly [across: number, down: number];
    readonly scale: Interval;
    readonly fill: number;
  };
  readonly colorJitter?: {
    readonly brightness: number;
    readonly contrast: number;
    readonly saturation: number;
    readonly hue: number;
    readonly probability: number;
  };
  readonly grayscale: number;
  readonly horizontalFlip: number;
  readonly mean: Rgb;
  readonly std: Rgb;
}

export interface RunConfig {
  readonly logs: string;
  readonly name?: string;
  readonly resume?: string;
  readonly remoteSync?: string;
  readonly seed: number;
  readonly threads: number | "auto";
  readonly batchSize: number;
  readonly microBatch?: number | "auto";
  readonly accumFreq?: number;
  readonly epochs: number;
  readonly logEvery: number;
  readonly saveFrequency: number;
  readonly saveSteps?: number;
  readonly saveMinutes?: number;
  readonly keepLast: number;
  readonly keepBest?: string;
  readonly evalFrequency: number;
  readonly maxSkipped: number;
}

/** The estimator's weight by epoch. "auto" is resolved where the schedule is made, from the number of epochs. */
type GammaConfig =
  | { readonly kind: "constant"; readonly gamma: number }
  | { readonly kind: "cosine"; readonly gammaMin: number | "auto"; readonly decayEpochs: number | "auto" };

/** A temperature that is trained; `lr` "auto" is the learning rate of the model. */
interface LearnedTemperature {
  readonly init: number;
  readonly lr: number | "auto";
}

/** The rule of a temperature that all pairs share. */
export type TemperatureRule =
  /** It is not trained. */
  | { readonly kind: "constant"; readonly init: number }
  /** It is trained, and its learning rate follows the model's schedule. */
  | ({ readonly kind: "scheduled" } & LearnedTemperature)
  /** It is trained, and its learning rate is the same all along, cut to a third once tau <= `decayAt`. */
  | ({ readonly kind: "stepped"; readonly decayAt: number } & LearnedTemperature);

export type LossConfig =
  | { readonly kind: "openclip"; readonly temperature: LearnedTemperature }
  | { readonly kind: "siglip"; readonly temperature: LearnedTemperature; readonly bias: { readonly init: number } }
  | {
      readonly kind: "fastclip-v0";
      readonly eps: number;
      readonly gamma: GammaConfig;
      readonly tauGradient: "reference" | "exact";
      readonly temperature: LearnedTemperature;
    }
  | {
      readonly kind: "fastclip-v1";
      readonly eps: number;
      readonly gamma: GammaConfig;
      readonly temperature: { readonly init: number };
    }
  | {
      readonly kind: "fastclip-v2";
      readonly eps: number;
      readonly rho: number;
      readonly gamma: GammaConfig;
      readonly temperature: {
        readonly init: number;
        readonly lr: number;
        readonly beta1: number;
        readonly beta2: number;
        readonly eps: number;
      };
    }
  | {
      readonly kind: "fastclip-v3";
      readonly eps: number;
      readonly rho: number;
      readonly gamma: GammaConfig;
      readonly tauGradient: "reference" | "exact";
      readonly temperature: LearnedTemperature & { readonly decayAt: number };
    }
  | {
      readonly kind: "fastclip-global";
      readonly eps: number;
      readonly gamma: GammaConfig;
      readonly tauGradient: "reference" | "exact";
      readonly temperature: TemperatureRule;
    }
  | {
      readonly kind: "fastclip-robust";
      readonly eps: number;
      readonly rho: number;
      readonly gamma: GammaConfig;
      readonly tauGradient: "reference" | "exact";
      readonly temperature: TemperatureRule;
    };

/** The course of the learning rate after the warm-up, with OpenCLIP's names. */
type ScheduleConfig =
  | { readonly kind: "cosine"; readonly lrMin: number }
  | { readonly kind: "const" }
  | {
      readonly kind: "const-cooldown";
      readonly epochsCooldown: number;
      readonly cooldownPower: number;
      readonly cooldownEnd: number;
    };

/** What every optimizer is told. */
interface CommonOptimConfig {
  readonly lr: number;
  readonly schedule: ScheduleConfig;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly layerDecay?: number;
  readonly gradClipNorm?: number;
  readonly emaDecay?: number;
  readonly emaWarmup: boolean;
}

export type OptimConfig = CommonOptimConfig &
  (
    | { readonly kind: "adamw" | "lamb"; readonly beta1: number; readonly beta2: number; readonly eps: number }
    | { readonly kind: "lion"; readonly beta1: number; readonly beta2: number }
    | { readonly kind: "sgd"; readonly momentum: number; readonly nesterov: boolean }
  );

export interface DistributedConfig {
  readonly gradientReduction: "scalars" | "features";
  readonly featurePrecision: "fp32" | "bf16";
  readonly syncBatchNorm: boolean;
  readonly joinTimeout: number;
  readonly timeout: number;
}

export interface EvalConfig {
  readonly zeroShot: { readonly classes?: string; readonly templates?: readonly string[] };
  readonly split: string;
  readonly retrieval: boolean;
}
