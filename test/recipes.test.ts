// The recipes load, say what the paper's table says, and differ from their baseline in the loss alone.
import { readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { demoSettings } from "../src/cli/quickstart.ts";
import type { DemoSummary } from "../src/data/demo/build.ts";
import { resolveBatch } from "../src/train/batch.ts";
import { loadConfig } from "../src/train/config/load.ts";
import type { Config } from "../src/train/config/types.ts";
import { createPlan } from "../src/train/plan/index.ts";

const folder = resolve(import.meta.dirname, "../recipes");
const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".yaml"));
const load = (name: string): Config => loadConfig({ file: join(folder, name) });

test.each(names)("%s loads, is of the loss that it is named after, and can be planned", (name) => {
  const config = load(name);
  expect(config.loss.kind).toBe(basename(name, ".yaml"));
  const size = config.data.trainSize ?? 100_000;
  const plan = createPlan(config, { data: { size, source: "a test" }, available: 64e9 });
  expect(plan.steps.perEpoch).toBe(Math.floor(size / resolveBatch(config).batchSize));
});

/** All that two losses are to have in common. */
const beside = ({ loss: _, ...rest }: Config): unknown => rest;

test.each(names.filter((name) => !name.endsWith("/openclip.yaml")))("%s has its baseline beside it", (name) => {
  expect(beside(load(join(name, "../openclip.yaml")))).toEqual(beside(load(name)));
});

test.each(["medium-cc3m", "large-cc12m", "xlarge-laion", "quickstart", "own-shards"])(
  "--loss openclip over %s is the baseline",
  (name) => {
    const flags = { loss: "openclip" };
    const { loss } = loadConfig({ file: join(folder, name, "fastclip-v3.yaml"), flags });
    expect(loss).toEqual(load(`${name}/openclip.yaml`).loss);
  },
);

// The rows of the FastCLIP paper's settings: arXiv 2407.01445, its appendix, and the commands that the authors published.
const resNet = { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
const transformer = { beta1: 0.9, beta2: 0.98, eps: 1e-6 };
const settings = [
  {
    ...{ folder: "medium-cc3m", size: 2_723_840, model: "RN50", batchSize: 1024, perProcess: 128, epochs: 37 },
    optim: { lr: 1e-3, schedule: { kind: "cosine", lrMin: 0 }, warmup: 10_000, weightDecay: 0.1, ...resNet },
    loss: { rho: 6.5, eps: 1e-14, gamma: { kind: "cosine", gammaMin: 0.2, decayEpochs: 18 } },
    temperature: { init: 0.07, lr: 2e-4, decayAt: 0.03 },
  },
  {
    ...{ folder: "large-cc12m", size: 9_187_328, model: "ViT-B-32", batchSize: 2048, perProcess: 256, epochs: 33 },
    optim: { lr: 4e-4, schedule: { kind: "cosine", lrMin: 0 }, warmup: 10_000, weightDecay: 0.1, ...transformer },
    loss: { rho: 8.5, eps: 1e-14, gamma: { kind: "cosine", gammaMin: 0.2, decayEpochs: 16 } },
    temperature: { init: 0.07, lr: 1e-4, decayAt: 0.03 },
  },
  {
    ...{ folder: "xlarge-laion", size: 315_658_316, model: "ViT-B-16", batchSize: 5120, perProcess: 320, epochs: 42 },
    optim: { lr: 2e-4, schedule: { kind: "cosine", lrMin: 4e-5 }, warmup: 13_200, weightDecay: 0.2, ...transformer },
    loss: { rho: 16, eps: 1e-6, gamma: { kind: "cosine", gammaMin: 0.8, decayEpochs: 10 } },
    temperature: { init: 0.07, lr: 5e-5, decayAt: 0.03 },
  },
];

test.each(settings)("$folder has the paper's numbers", ({ folder: name, model, size, batchSize, ...expected }) => {
  const { perProcess, epochs, optim, loss, temperature } = expected;
  const config = load(`${name}/fastclip-v3.yaml`);
  expect(config.model).toMatchObject({ name: model, precision: "amp_bf16" });
  expect(config.data.trainSize).toBe(size);
  expect(config.run).toMatchObject({ batchSize, microBatch: perProcess, epochs });
  expect(config.optim).toMatchObject({ kind: "adamw", ...optim });
  expect(config.loss).toMatchObject({ kind: "fastclip-v3", tauGradient: "reference", ...loss, temperature });
});

test("the medium setting has the other versions' own numbers", () => {
  const { loss } = settings[0]!;
  const { rho: _, ...common } = loss;
  const version = (name: string): Config["loss"] => load(`medium-cc3m/${name}.yaml`).loss;
  const individual = { init: 0.03, lr: 0.0133, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
  expect(version("fastclip-v0")).toMatchObject({ ...common, temperature: { init: 0.07, lr: "auto" } });
  expect(version("fastclip-v1")).toMatchObject({ ...common, temperature: { init: 0.07 } });
  expect(version("fastclip-v2")).toMatchObject({ ...common, rho: 7, temperature: individual });
});

test("the quickstart's recipe is what the quickstart does", () => {
  const data = {
    train: { pattern: "data/demo/train-*.tar" },
    heldOutStyle: { pattern: "data/demo/heldout-style-*.tar" },
    classes: "data/demo/classes.json",
  };
  expect(load("quickstart/fastclip-v3.yaml")).toEqual(loadConfig({ overrides: demoSettings(data as DemoSummary) }));
});
