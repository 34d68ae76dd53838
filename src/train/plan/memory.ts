// How much memory a training step takes, before it is taken.
import type { ModelConfig } from "../../models/config.ts";
import { modelConfig } from "../../models/presets.ts";
import { elementsTogether } from "../../optim/optimizer.ts";
import { formatBytes } from "../../telemetry/format.ts";
import { resolveBatch } from "../batch.ts";
import type { Config, OptimConfig } from "../config/types.ts";
import { matrixGradientType } from "../gradient-type.ts";
import { resolvePrecision } from "../precision.ts";
import { type StageSize, towerSizes } from "./tower-size.ts";

/** Bytes of one process. */
export interface MemoryEstimate {
  readonly weights: number;
  /** The moving average of the weights, where there is one. */
  readonly average: number;
  readonly gradients: number;
  /** What the optimizer keeps of every parameter. */
  readonly moments: number;
  /** What the towers keep of a micro-batch for the way back, and take for a moment beside it. */
  readonly activations: number;
  /** Features of the whole batch, their gradients, and a few bands of the similarities. */
  readonly loss: number;
  /** Pictures and token ids that wait for their step. */
  readonly batches: number;
  /** Node, libtorch and the loader's threads. */
  readonly program: number;
  /** At the largest moment of a step; less than the sum, because the loss and the way back do not meet, nor all activations and all gradients. */
  readonly total: number;
}

export interface MemoryOptions {
  /** Pairs that go through the towers at once. */
  readonly microBatch: number;
  /** Processes that share the batch; 1 if absent. */
  readonly processes?: number;
}

/** The model's configuration with what the run's own sets over it. */
export function configuredModel({ name, patchDropout }: Config["model"]): ModelConfig {
  const built = modelConfig(name);
  if (patchDropout === undefined) return built;
  return { ...built, vision_cfg: { ...built.vision_cfg, patch_dropout: patchDropout } };
}

// Blocks are somewhat larger than their tensors: whole pages, and of small ones a few sizes.
const blockShare = 1.03;

// Resident before a model is made, on Linux x86-64 with libtorch 2.15's CPU library, and for each of the loader's threads.
const programBytes = 300e6;
const workerBytes = 80e6;

/**
 * The sum of what is counted one by one. Texts are taken to be as long as the model allows; shorter ones take less. Against measured
 * peaks it is right within a fifth (`memory.test.ts`).
 */
export function memoryEstimate(config: Config, { microBatch, processes = 1 }: MemoryOptions): MemoryEstimate {
  const model = configuredModel(config.model);
  const towers = towersOf(config, model);
  const sizes = { microBatch, group: { size: processes } };
  const short = matrixGradientType(config, sizes) === "float32" ? 0 : towers.image.products + towers.text.products;
  const count = (key: "parameters" | "trained"): number => scalars(config) + towers.image[key] + towers.text[key];
  const { batchSize } = resolveBatch(config);
  const local = batchSize / processes;
  const tensors = mapValues(
    {
      weights: 4 * count("parameters"),
      average: config.optim.emaDecay === undefined ? 0 : 4 * count("trained"),
      gradients: 4 * count("trained") - 2 * short,
      moments: 4 * momentsOf(config.optim) * count("trained"),
      update: updateBytes(config.optim, { trained: count("trained"), short }),
      loss: lossBytes({ batchSize, local, width: model.embed_dim }),
      ...activationBytes(towers, { microBatch, local }),
    },
    (bytes) => bytes * blockShare,
  );
  const { held, activations, loss, weights, average, gradients, moments, update } = tensors;
  const rest = { batches: batchBytes(model) * local, program: programBytes + workerBytes * config.data.workers };
  // A step begins without gradients: they come as the activations of a whole batch go, but stay from one micro-batch to the next.
  const way = microBatch < local ? activations + gradients : Math.max(activations, gradients);
  const working = Math.max(way, held + loss, gradients + update);
  const total = weights + average + moments + working + rest.batches + rest.program;
  return { weights, average, gradients, moments, activations, loss, ...rest, total };
}

function mapValues<Key extends string>(
  values: Readonly<Record<Key, number>>,
  change: (value: number) => number,
): Record<Key, number> {
  const entries = Object.entries<number>(values).map(([key, value]) => [key, change(value)]);
  return Object.fromEntries(entries) as Record<Key, number>;
}

/** logit_scale, and SigLIP's bias. */
const scalars = ({ loss }: Config): number => (loss.kind === "siglip" ? 2 : 1);

/** Numbers that an optimizer keeps of each parameter. */
function momentsOf(optim: OptimConfig): number {
  switch (optim.kind) {
    case "adamw":
    case "lamb":
      return 2;
    case "lion":
      return 1;
    case "sgd":
      return optim.momentum > 0 ? 1 : 0;
  }
}

/** What an optimizer makes on the way, of as many parameters as are updated together: gradients in float32, LAMB's and Lion's directions. */
function updateBytes({ kind }: OptimConfig, { trained, short }: { trained: number; short: number }): number {
  const makes = (count: number): number => 4 * Math.min(count, elementsTogether);
  return makes(short) + (kind === "lamb" || kind === "lion" ? makes(trained) : 0);
}

/** A tower as its stages are trained. */
interface TowerMemory {
  readonly parameters: number;
  readonly trained: number;
  /** Of those that are trained, the ones whose gradient is a single product. */
  readonly products: number;
  /** Bytes that `size` samples hold between the way forward and the way back. */
  held(size: number): number;
  /** Bytes of the largest moment on the way forward, what is held among them. */
  forward(size: number): number;
  /** The same on the way back; 0 where nothing of the tower is trained. */
  back(size: number): number;
}

interface Towers {
  readonly image: TowerMemory;
  readonly text: TowerMemory;
}

/** Both towers of a run, with its locks, precision and gradient checkpointing. */
export function towersOf({ model: { lock, precision, gradCheckpointing } }: Config, model: ModelConfig): Towers {
  const resolved = resolvePrecision(precision);
  const { image, text } = towerSizes(model, resolved);
  const copyBytes = resolved === "fp32" ? 0 : 2;
  const tower = (stages: readonly StageSize[], unlocked: number | undefined): TowerMemory =>
    towerMemory(stages, { trainedStages: unlocked ?? stages.length, copyBytes, checkpointing: gradCheckpointing });
  return {
    image: tower(image, lock.image ? lock.imageUnlockedGroups : undefined),
    text: tower(text, lock.text ? lock.textUnlockedLayers : undefined),
  };
}

interface TowerOptions {
  /** Counted from the end. */
  readonly trainedStages: number;
  /** Of each weight that autocast copies. */
  readonly copyBytes: number;
  readonly checkpointing: boolean;
}

function towerMemory(
  stages: readonly StageSize[],
  { trainedStages, copyBytes, checkpointing }: TowerOptions,
): TowerMemory {
  const locked = stages.slice(0, Math.max(0, stages.length - trainedStages));
  const trained = stages.slice(locked.length);
  const kept = (stage: StageSize, size: number): number => size * stage.kept + copyBytes * stage.matrices;
  const held = (stage: StageSize, size: number): number => (checkpointing ? size * stage.input : kept(stage, size));
  /** The largest of the stages' moments, each on top of what the stages before it hold. */
  const largest = (size: number, passing: (stage: StageSize) => number): number => {
    let below = 0;
    return trained.reduce((most, stage) => {
      const moment = below + kept(stage, size) + passing(stage);
      below += held(stage, size);
      return Math.max(most, moment);
    }, 0);
  };
  return {
    parameters: sum(stages, ({ parameters }) => parameters),
    trained: sum(trained, ({ parameters }) => parameters),
    products: sum(trained, ({ products }) => products),
    held: (size) => sum(trained, (stage) => held(stage, size)),
    forward: (size) =>
      // Nothing is held of a locked stage, so one of them is there at a time.
      Math.max(
        largest(size, () => 0),
        ...locked.map((stage) => kept(stage, size)),
      ),
    back: (size) => largest(size, (stage) => size * stage.passing + 4 * stage.largest),
  };
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

/** `held` is what waits for the loss, `activations` the most on the ways forward and back. */
function activationBytes(
  { image, text }: Towers,
  { microBatch, local }: { microBatch: number; local: number },
): { held: number; activations: number } {
  const most = (size: number): number => Math.max(image.forward(size), image.back(size), text.back(size));
  // In parts nothing waits: after the loss each tower goes forward again and back, one after the other.
  if (microBatch < local) return { held: 0, activations: Math.max(most(microBatch), text.forward(microBatch)) };
  const held = image.held(local) + text.held(local);
  const beside = Math.max(image.held(local) + text.forward(local), image.back(local) + text.held(local));
  return { held, activations: Math.max(most(local), beside) };
}

// Numbers of similarities in a band (src/losses/features.ts), and how many of such bands are alive at once where no kernel takes them (terms.ts).
const bandElements = 2 ** 22;
const bandsAlive = 7;

function lossBytes({ batchSize, local, width }: { batchSize: number; local: number; width: number }): number {
  const features = 2 * width * (batchSize + 2 * local);
  const rows = Math.max(1, Math.min(local, Math.floor(bandElements / batchSize)));
  return 4 * (features + bandsAlive * rows * batchSize);
}

// The loader makes three batches ahead of the one in use.
const batchesInMemory = 4;

/** Of one pair. */
function batchBytes({ vision_cfg, text_cfg }: ModelConfig): number {
  return batchesInMemory * (12 * vision_cfg.image_size ** 2 + 4 * text_cfg.context_length + 9);
}

/** One line: what a step takes, its largest parts first. */
export function formatMemory(estimate: MemoryEstimate): string {
  const { total, ...parts } = estimate;
  const named = Object.entries(parts)
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, bytes]) => `${name} ${formatBytes(bytes)}`);
  return `memory: about ${formatBytes(total)} (${named.join(", ")})`;
}
