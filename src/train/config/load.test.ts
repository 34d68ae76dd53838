import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createTransform, type ImageSettings } from "../../data/image/transform.ts";
import { ConfigError } from "./errors.ts";
import type { FlagValues } from "./layers.ts";
import { type ConfigSources, loadConfig } from "./load.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-config-"));

function yaml(text: string): string {
  const file = join(folder, "config.yaml");
  writeFileSync(file, text);
  return file;
}

/** The problems of a configuration that must not load, without the folder. */
function problems(sources: ConfigSources): readonly string[] {
  try {
    loadConfig(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((line) => line.replaceAll(`${folder}/`, ""));
    throw error;
  }
  throw new Error("the configuration was accepted");
}

const data = { "train-data": "a.tar" };
const withData = (flags: FlagValues): ConfigSources => ({ flags: { ...data, ...flags } });

test("the defaults are OpenCLIP's and FastCLIP-v3's, and frozen", () => {
  const config = loadConfig({ flags: data });
  expect(config.loss).toEqual({
    kind: "fastclip-v3",
    eps: 1e-14,
    rho: 6.5,
    tauGradient: "reference",
    gamma: { kind: "cosine", gammaMin: "auto", decayEpochs: "auto" },
    temperature: { init: 0.07, lr: 2e-4, decayAt: 0.03 },
  });
  expect(config.optim).toEqual({
    kind: "adamw",
    lr: 5e-4,
    schedule: { kind: "cosine", lrMin: 0 },
    warmup: 10_000,
    weightDecay: 0.2,
    emaWarmup: false,
    beta1: 0.9,
    beta2: 0.98,
    eps: 1e-6,
  });
  expect(config.data.train).toEqual(["a.tar"]);
  expect(() => Object.assign(config.loss.temperature, { init: 1 })).toThrow(TypeError);
  expect(() => Object.assign(config.data.aug.scale, [1])).toThrow(TypeError);
});

test("flags win over the file, the file over the command's own defaults, and those over the schema's", () => {
  const file = yaml("run: { batchSize: 8, epochs: 3 }\ndata: { train: [b.tar, c.tar] }\n");
  const overrides = { run: { batchSize: 4, epochs: 4, seed: 4 }, data: { train: "d.tar" } };
  const config = loadConfig({ file, flags: { "batch-size": "16" }, overrides });
  expect(config.run).toMatchObject({ batchSize: 16, epochs: 3, seed: 4, logEvery: 100 });
  expect(config.data.train).toEqual(["b.tar", "c.tar"]);
});

test("flags are read by the type of their setting", () => {
  const flags = {
    lr: "1e-3",
    "gamma-min": "auto",
    "aug-scale": ["0.5,1"],
    "image-mean": ["0", ".5", "1"],
    model: "50",
  };
  const config = loadConfig(withData({ ...flags, retrieval: false }));
  expect(config.optim.lr).toBe(0.001);
  expect(config.data.aug).toMatchObject({ scale: [0.5, 1], mean: [0, 0.5, 1] });
  expect(config.model.name).toBe("50");
  expect(config.eval.retrieval).toBe(false);
});

test("the augmentation is what the image transform takes; what is not named stays off", () => {
  const plain: ImageSettings = { mode: "train", size: 8, ...loadConfig({ flags: data }).data.aug };
  expect(createTransform(plain)).toBeTypeOf("function");
  expect(plain).not.toHaveProperty("affine");
  const turned: ImageSettings = { ...plain, ...loadConfig(withData({ "aug-affine-degrees": "10" })).data.aug };
  expect(createTransform(turned)).toBeTypeOf("function");
  expect(turned.affine).toEqual({ degrees: 10, translate: [0, 0], scale: [1, 1], fill: 255 });
});

test("a flag for another kind keeps what both kinds have and leaves what only the file's kind has", () => {
  const file = yaml(
    "loss: { kind: fastclip-v3, rho: 8, gamma: { gammaMin: 0.3 }, temperature: { init: 0.05, decayAt: 0.02 } }",
  );
  const v1 = loadConfig({ file, flags: { ...data, loss: "fastclip-v1" } });
  expect(v1.loss).toEqual({
    kind: "fastclip-v1",
    eps: 1e-14,
    gamma: { kind: "cosine", gammaMin: 0.3, decayEpochs: "auto" },
    temperature: { init: 0.05 },
  });
  const openclip = loadConfig({ file, flags: { ...data, loss: "openclip" } });
  expect(openclip.loss).toEqual({ kind: "openclip", temperature: { init: 0.05, lr: "auto" } });
});

test("a flag for another rule of the temperature leaves the file's learning rate for it behind", () => {
  const file = yaml("loss: { kind: fastclip-v3, temperature: { init: 0.05, lr: 1e-3, decayAt: 0.02 } }");
  const temperature = (loss: string): unknown => loadConfig({ file, flags: { ...data, loss } }).loss.temperature;
  expect(temperature("openclip")).toEqual({ init: 0.05, lr: "auto" });
  expect(temperature("fastclip-v2")).toMatchObject({ init: 0.05, lr: 0.0133 });
  expect(temperature("fastclip-robust")).toEqual({ kind: "stepped", init: 0.05, lr: 1e-3, decayAt: 0.02 });
});

test("each optimizer has settings of its own beside what all have", () => {
  const file = yaml("optim: { kind: lamb, eps: 1e-8, lr: 2e-3, schedule: { lrMin: 1e-5 } }");
  const common = { lr: 2e-3, warmup: 10_000, weightDecay: 0.2, emaWarmup: false };
  const { optim } = loadConfig({ file, flags: { ...data, opt: "lion", "lr-scheduler": "const" } });
  expect(optim).toEqual({ kind: "lion", ...common, schedule: { kind: "const" }, beta1: 0.9, beta2: 0.99 });
  const cooldown = { "lr-scheduler": "const-cooldown", "epochs-cooldown": "2", "layer-decay": "0.7" };
  const sgd = loadConfig({ file, flags: { ...data, ...cooldown, opt: "sgd", nesterov: true } });
  expect(sgd.optim).toEqual({
    kind: "sgd",
    ...common,
    schedule: { kind: "const-cooldown", epochsCooldown: 2, cooldownPower: 1, cooldownEnd: 0 },
    layerDecay: 0.7,
    momentum: 0.9,
    nesterov: true,
  });
});

test.each<[FlagValues, string]>([
  [{ rho: "-1" }, "--rho: expected a number of at least 0, got -1"],
  [{ rho: "0x10" }, '--rho: expected a number of at least 0, got "0x10"'],
  [{ rho: "NaN" }, '--rho: expected a number of at least 0, got "NaN"'],
  [{ lr: "1e999" }, "--lr: expected a number above 0, got Infinity"],
  [{ "layer-decay": "1.1" }, "--layer-decay: expected a number above 0 and of at most 1, got 1.1"],
  [{ opt: "sgd", momentum: "1" }, "--momentum: expected a number of at least 0 and below 1, got 1"],
  [{ "batch-size": "1" }, "--batch-size: expected a whole number of at least 2, got 1"],
  [{ "batch-size": "2.5" }, "--batch-size: expected a whole number of at least 2, got 2.5"],
  [{ warmup: "-1" }, "--warmup: expected a whole number of at least 0, got -1"],
  [{ temperature: "0.001" }, "--temperature: expected a number from 0.01 to 1, got 0.001"],
  [{ "gamma-min": "x" }, '--gamma-min: expected a number above 0 and of at most 1 or "auto", got "x"'],
  [{ "aug-scale": ["1"] }, "--aug-scale: expected a list of 2 numbers, got a list of 1"],
  [{ name: "../x" }, '--name: expected the name of a folder, without / in it, got "../x"'],
  [{ "train-data": "" }, '--train-data: expected a pattern or a list of patterns, got ""'],
  [
    { loss: "fastclip-v9" },
    '--loss: expected one of "openclip", "siglip", "fastclip-v0", "fastclip-v1", "fastclip-v2", "fastclip-v3", "fastclip-global", "fastclip-robust", got "fastclip-v9"',
  ],
  // Settings of a kind that was not chosen.
  [
    { loss: "openclip", rho: "1" },
    "--rho: belongs to loss fastclip-v2, fastclip-v3, fastclip-robust, but the loss chosen is openclip",
  ],
  [
    { loss: "fastclip-v1", "lr-tau": "1e-4" },
    "--lr-tau: belongs to loss openclip, siglip, fastclip-v0, fastclip-v2, fastclip-v3, fastclip-global, fastclip-robust, but the loss chosen is fastclip-v1",
  ],
  // v2 has no temperature of all pairs, and so no learning rate for one.
  [{ loss: "fastclip-v2", "lr-tau": "auto" }, '--lr-tau: expected a number of at least 0, got "auto"'],
  [
    { loss: "fastclip-v2", "lr-tau-decay-at": "0.03" },
    "--lr-tau-decay-at: belongs to loss fastclip-v3, fastclip-global, fastclip-robust, but the loss chosen is fastclip-v2",
  ],
  [
    { loss: "fastclip-v2", "temperature-rule": "stepped" },
    "--temperature-rule: belongs to loss fastclip-global, fastclip-robust, but the loss chosen is fastclip-v2",
  ],
  [
    { loss: "fastclip-robust", "temperature-rule": "constant", "lr-tau": "1" },
    "--lr-tau: belongs to loss.temperature scheduled, stepped, but the loss.temperature chosen is constant",
  ],
  [{ gamma: "0.5" }, "--gamma: belongs to loss.gamma constant, but the loss.gamma chosen is cosine"],
  [
    { loss: "openclip", "gamma-min": "0.5" },
    "--gamma-min: belongs to loss fastclip-v0, fastclip-v1, fastclip-v2, fastclip-v3, fastclip-global, fastclip-robust, but the loss chosen is openclip",
  ],
  [{ momentum: "0.9" }, "--momentum: belongs to optim sgd, but the optim chosen is adamw"],
  [{ opt: "lion", eps: "1" }, "--eps: belongs to optim adamw, lamb, but the optim chosen is lion"],
  [
    { "lr-scheduler": "const", "lr-min": "0" },
    "--lr-min: belongs to optim.schedule cosine, but the optim.schedule chosen is const",
  ],
  [
    { "lr-scheduler": "const-cooldown" },
    "optim.schedule.epochsCooldown (--epochs-cooldown): is missing; expected a whole number of at least 0",
  ],
  // Settings that contradict each other.
  [{ "micro-batch": "48" }, "--micro-batch: expected a divisor of the batch size 64, got 48"],
  [{ "micro-batch": "128" }, "--micro-batch: expected a divisor of the batch size 64, got 128"],
  [
    { "micro-batch": "16", "accum-freq": "4" },
    "--micro-batch: the micro-batch is set twice, as 16 and by an accum-freq of 4",
  ],
  [
    { "micro-batch": "auto", "accum-freq": "4" },
    "--micro-batch: the micro-batch is set twice, as auto and by an accum-freq of 4",
  ],
  [
    { "gamma-decay-epochs": "9", epochs: "8" },
    "--gamma-decay-epochs: gamma would end its decay after 9 epochs, but the run has 8",
  ],
  [{ "lr-min": "1" }, "--lr-min: the lowest learning rate 1 is above the highest, 0.0005"],
  [
    { "lr-scheduler": "const-cooldown", "epochs-cooldown": "1", "lr-cooldown-end": "1" },
    "--lr-cooldown-end: the lowest learning rate 1 is above the highest, 0.0005",
  ],
  [
    { "lr-scheduler": "const-cooldown", "epochs-cooldown": "9", epochs: "8" },
    "--epochs-cooldown: the learning rate would go down for 9 epochs, but the run has 8",
  ],
  [
    { opt: "sgd", nesterov: true, momentum: "0" },
    "--nesterov: Nesterov's step looks ahead along the momentum, but the momentum is 0",
  ],
  [{ "aug-ratio": "2 1" }, "--aug-ratio: expected the smaller number first, got 2 1"],
  [
    { "zeroshot-classes": "c.json" },
    "--zeroshot-classes: class names are given, but no evaluation data (data.val, --val-data)",
  ],
])("%j is refused by the name of the flag", (flags, problem) => expect(problems(withData(flags))).toEqual([problem]));

test("a setting that has no default is asked for", () => {
  expect(problems({})).toEqual(["data.train (--train-data): is missing; expected a pattern or a list of patterns"]);
});

test("every problem is told at once, with its line, an unknown key with the nearest known one", () => {
  const file = yaml(
    [
      "data: { train: a.tar, val: }",
      "run:",
      "  batchSize: 1",
      "  epoch: 3",
      "  epochs: 2",
      "loss:",
      "    gama: 1",
      "    gamma: { decayEpochs: 3 }",
      "los: 1",
      "optim:",
      "  rho: 1",
      "  constructor: 1",
      "  __proto__: 1",
      "  lrMin: 1",
    ].join("\n"),
  );
  expect([...problems({ file, flags: { workers: "none" } })].sort()).toEqual([
    '--workers: expected a whole number from 1 to 1024, got "none"',
    'config.yaml:11:3 optim: unknown key "rho"; did you mean loss.rho?',
    'config.yaml:12:3 optim: unknown key "constructor"; known here: kind, lr, schedule, warmup, weightDecay, layerDecay, gradClipNorm, emaDecay, emaWarmup, beta1, beta2, eps',
    'config.yaml:13:3 optim: unknown key "__proto__"; known here: kind, lr, schedule, warmup, weightDecay, layerDecay, gradClipNorm, emaDecay, emaWarmup, beta1, beta2, eps',
    'config.yaml:14:3 optim: unknown key "lrMin"; did you mean optim.schedule.lrMin?',
    "config.yaml:1:23 data.val: expected a pattern or a list of patterns, got nothing",
    "config.yaml:3:3 run.batchSize: expected a whole number of at least 2, got 1",
    'config.yaml:4:3 run: unknown key "epoch"; did you mean "epochs"?',
    'config.yaml:7:5 loss: unknown key "gama"; did you mean "gamma"?',
    "config.yaml:8:14 loss.gamma.decayEpochs: gamma would end its decay after 3 epochs, but the run has 2",
    'config.yaml:9:1: unknown key "los"; did you mean "loss"?',
  ]);
});

test("contradictions among sound sections are told beside what is wrong elsewhere", () => {
  const file = yaml("run: { epochs: 2 }\nloss: { gamma: { decayEpochs: 3 } }\noptim: { lr: fast }\n");
  expect(problems({ file })).toEqual([
    "data.train (--train-data): is missing; expected a pattern or a list of patterns",
    'config.yaml:3:10 optim.lr: expected a number above 0, got "fast"',
    "config.yaml:2:18 loss.gamma.decayEpochs: gamma would end its decay after 3 epochs, but the run has 2",
  ]);
});

test("a setting that is wrong by itself does not hide what others contradict", () => {
  const file = yaml(
    [
      "data: { train: a.tar }",
      "run:",
      "  batchSize: 96",
      "  microBatch: 36",
      "  epochs: 8",
      "  seed: -1",
      "loss:",
      "  kind: fastclip-v2",
      "  rho: -1",
      "  gamma: { gammaMin: 2, decayEpochs: 9 }",
      "  temperature:",
      "    decayAt: 0.03",
    ].join("\n"),
  );
  expect([...problems({ file })].sort()).toEqual([
    'config.yaml:10:12 loss.gamma.gammaMin: expected a number above 0 and of at most 1 or "auto", got 2',
    "config.yaml:10:25 loss.gamma.decayEpochs: gamma would end its decay after 9 epochs, but the run has 8",
    "config.yaml:12:5 loss.temperature.decayAt: belongs to loss fastclip-v3, fastclip-global, fastclip-robust, but the loss chosen is fastclip-v2",
    "config.yaml:4:3 run.microBatch: expected a divisor of the batch size 96, got 36",
    "config.yaml:6:3 run.seed: expected a whole number of at least 0, got -1",
    "config.yaml:9:3 loss.rho: expected a number of at least 0, got -1",
  ]);
  // A broken batch size takes part in no contradiction: what it should have been is not known.
  expect(problems({ file: yaml("data: { train: a.tar }\nrun: { batchSize: 1, microBatch: 7 }\n") })).toEqual([
    "config.yaml:2:8 run.batchSize: expected a whole number of at least 2, got 1",
  ]);
});

test("a section of the wrong type is told at its own place, whatever flags lie over it", () => {
  expect(problems({ file: yaml("loss: 5\n"), flags: { ...data, rho: "2" } })).toEqual([
    "config.yaml:1:1 loss: expected a map of settings, got 5",
  ]);
  expect(problems({ file: yaml("run:\nmodel: []\n"), flags: data })).toEqual([
    "config.yaml:2:1 model: expected a map of settings, got a list of 0",
    "config.yaml:1:1 run: expected a map of settings, got nothing",
  ]);
});

test("several problems make one message of one line each", () => {
  const error = new ConfigError(["a: b", "c: d"]);
  expect(error.message).toBe("2 problems in the settings:\n  a: b\n  c: d");
  expect(new ConfigError(["a: b"]).message).toBe("a: b");
});
