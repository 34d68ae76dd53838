// One process of a group that evaluates; its place comes from the environment, the task and its data from the command line. Prints one
// line of JSON: what the task returns, or the error. See src/eval/processes.test.ts.
import { createHash } from "node:crypto";
import { openDataset } from "../../src/data/dataset.ts";
import { readPlace } from "../../src/distributed/environment.ts";
import { PeerError } from "../../src/distributed/failure.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import type { Encoder } from "../../src/eval/encode.ts";
import { type EvaluateOptions, evaluate } from "../../src/eval/evaluate.ts";
import { encodeDataset } from "../../src/eval/features.ts";
import { rankTargets } from "../../src/eval/ranks.ts";
import { buildClassifier } from "../../src/eval/zeroshot.ts";
import { createModel } from "../../src/models/index.ts";
import { liveTensors, manualSeed, noGrad, randn, scope, type Tensor } from "../../src/tensor/index.ts";

/** Patterns of shards, and class names. */
interface Argument {
  readonly data: string;
  readonly few: string;
  readonly names: readonly string[];
}

const [task = "", argument = "{}"] = process.argv.slice(2);
const { data, few, names } = JSON.parse(argument) as Argument;
const options = JSON.parse(process.env["GROUP_OPTIONS"] ?? "{}") as { timeoutMs?: number };

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

/** Features of a model that begins are nearly all the same; these differ, so that the order of everything counts. */
const clip = createModel("RN-Ti-64", { seed: 1 });
manualSeed(2);
scope(() =>
  noGrad(() => {
    for (const weight of clip.parameters().values()) weight.add_(randn(weight.shape).mul_(0.1));
  }),
);

const classes = {
  templates: ["{}", "a photo of a {}.", "the {c}", "one more {}"],
  classes: names.map((name) => ({ name })),
};

/** CLIP with other pictures' features where `change` says so. */
function changed(change: (features: Tensor) => Tensor): Encoder {
  return {
    training: false,
    train: (training) => clip.train(training),
    encodeImage: (images) => change(clip.encodeImage(images)),
    encodeText: (tokens) => clip.encodeText(tokens),
  };
}

async function settings(group: ProcessGroup, shards: string): Promise<EvaluateOptions> {
  const image = { size: 64, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
  const dataset = await openDataset({ shards });
  return { group, model: clip, dataset, classes, contextLength: 32, image, batchSize: 4, workers: 1 };
}

const digest = (tensor: Tensor): string => createHash("sha256").update(tensor.data()).digest("hex");

/** Figures, faults and the bits of all features. */
async function figures(group: ProcessGroup): Promise<unknown> {
  const faults: string[] = [];
  const whole = {
    ...(await settings(group, data)),
    onFault: ({ message }: { message: string }) => faults.push(message),
  };
  const before = liveTensors();
  const { results, gallery } = await evaluate(whole);
  // Less when garbage of before was collected meanwhile.
  const leftOver = Math.max(0, liveTensors() - before);
  const traffic = [...group.traffic].map(([name, { calls }]) => [name, calls]);
  const fewResults = (await evaluate(await settings(group, few))).results;
  const { ids, images, texts } = await encodeDataset({ ...whole, onFault: undefined });
  const { weights } = await buildClassifier({ ...whole, classes: manyNames(), onProgress: undefined });
  const bits = [images, texts!, weights].map(digest);
  // Five queries at a time, so that every process ranks some.
  const ranking = { queries: images, candidates: texts!, targets: ids.map((_, i) => i), held: 5 * ids.length, group };
  const above = [...rankTargets(ranking).above];
  return {
    results,
    gallery: gallery.map(({ query }) => query),
    faults,
    fewResults,
    ids,
    bits,
    above,
    leftOver,
    traffic,
  };
}

/** Enough texts for two parts. */
function manyNames(): EvaluateOptions["classes"] & object {
  const list = Array.from({ length: 140 }, (_, i) => ({ name: `thing ${i} of ${"many ".repeat(i % 5)}things` }));
  return { ...classes, classes: list };
}

/** What each evaluation throws, one after the other in one group. */
async function errors(group: ProcessGroup): Promise<unknown> {
  const base = await settings(group, data);
  const messageOf = (more: Partial<EvaluateOptions>): Promise<string> =>
    evaluate({ ...base, ...more }).then(
      () => "none",
      ({ message }: Error) => message,
    );
  const last = group.rank === group.size - 1;
  const nonFinite = (features: Tensor): Tensor => features.mul(Number.NaN);
  return {
    nonFinite: await messageOf({ model: changed(nonFinite) }),
    lastNonFinite: await messageOf({ model: changed((features) => (last ? nonFinite(features) : features)) }),
    tooMany: await messageOf({ maxBadRate: 0.001 }),
    none: await messageOf({ maxBadRate: 0 }),
    unknownClass: await messageOf({ classes: { ...classes, classes: classes.classes.slice(0, 3) } }),
    fine: await messageOf({}),
  };
}

/** Rank 1 stops for good in the middle of its pictures, when its heart has told where it is. */
async function stall(group: ProcessGroup): Promise<unknown> {
  const sleep = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  const model = changed((features) => {
    if (group.rank !== 1) return features;
    sleep(1500);
    print("stalled");
    sleep(60_000);
    return features;
  });
  return (await evaluate({ ...(await settings(group, data)), model })).results;
}

const tasks: Record<string, (group: ProcessGroup) => Promise<unknown>> = { figures, errors, stall };

try {
  const group = await ProcessGroup.open(readPlace(process.env), options);
  try {
    print({ result: (await tasks[task]!(group)) ?? null });
  } finally {
    group.close();
  }
} catch (error) {
  const { message } = error as Error;
  print({ error: message, ...(error instanceof PeerError ? { lost: error.lost } : {}) });
}
