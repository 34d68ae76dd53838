import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { ConfigError } from "../config/errors.ts";
import type { FlagValues } from "../config/layers.ts";
import { loadConfig } from "../config/load.ts";
import { formatPlan } from "./format.ts";
import { type Corner, createPlan, type RunPlan } from "./plan.ts";

const root = resolve(import.meta.dirname, "../../..");
const recipe = (name: string): string => join(root, "recipes", name);

interface Planned {
  readonly file?: string;
  readonly flags?: FlagValues;
  readonly size?: number;
  readonly processes?: number;
}

function planned({ file, flags = {}, size, processes }: Planned): RunPlan {
  const config = loadConfig(file === undefined ? { flags: { "train-data": "none.tar", ...flags } } : { file, flags });
  const data = { size: size ?? config.data.trainSize!, source: "a test" };
  return createPlan(config, { data, available: 16e9, ...(processes === undefined ? {} : { processes }) });
}

const valuesOf = (corners: readonly Corner[] | undefined): (readonly [number, number])[] =>
  (corners ?? []).map(({ at, value }) => [at, Number(value.toPrecision(6))]);

test("the medium recipe's plan is what its numbers come to", () => {
  const plan = planned({ file: recipe("medium-cc3m/fastclip-v3.yaml"), processes: 8 });
  expect(plan.batch).toEqual({ size: 1024, local: 128, microBatch: 128 });
  expect(plan.steps).toEqual({ perEpoch: 2660, all: 98_420 }); // 2,723,840 / 1024, times 37
  // 1e-3 / 10,000 in the first step; half way the half cosine has done 39,210 of its 88,420 steps.
  const middle = 0.5e-3 * (1 + Math.cos((Math.PI * 39_210) / 88_420));
  expect(valuesOf(plan.learningRate).slice(0, 3)).toEqual([
    [0, 1e-7],
    [9_999, 1e-3],
    [49_210, Number(middle.toPrecision(6))],
  ]);
  expect(plan.learningRate.at(-1)).toMatchObject({ at: 98_419, name: "last step" });
  // 1, then a half cosine to 0.2 in 18 epochs, half of it after 9.
  expect(valuesOf(plan.gamma).filter(([epoch]) => epoch !== 1)).toEqual([
    [0, 1],
    [9, 0.6],
    [18, 0.2],
    [36, 0.2],
  ]);
  expect(plan.temperature.words).toBe(
    "tau starts at 0.07 and learns at 0.0002, and at 0.00006667 once it is 0.03 or less",
  );
  expect(plan.parameters).toEqual({ image: 38_316_896, text: 63_690_240, all: 102_007_137, trained: 102_007_137 });
  expect(plan.pairBytes).toBe(2 * 4 * 2_723_840);
  // B = 1024, d = 1024.
  expect(plan.collectives.map(({ bytes }) => bytes)).toEqual([8_388_608 + 8_192, 8_192, 4 * 102_007_137]);
  expect(plan.notSent.bytes).toBe(8_388_608);
});

test("v2 keeps ten numbers of a pair and sends four scalars for each side", () => {
  const plan = planned({ file: recipe("medium-cc3m/fastclip-v2.yaml") });
  expect(plan.pairBytes).toBe(10 * 4 * 2_723_840);
  expect(plan.collectives[1]).toMatchObject({ formula: "4 * 2 B * 4", bytes: 32_768 });
  expect(plan.temperature.words).toContain("for each picture and each text, which learn at 0.0133");
});

test("the baselines keep nothing of a pair and have no gamma; SigLIP sends no scalars", () => {
  const openclip = planned({ flags: { loss: "openclip", lr: "1e-3", warmup: "10" }, size: 6400 });
  expect([openclip.pairBytes, openclip.gamma]).toEqual([0, undefined]);
  // The temperature learns as the model does.
  expect(openclip.temperature.corners).toEqual(openclip.learningRate);
  const siglip = planned({ flags: { loss: "siglip" }, size: 6400 });
  expect(siglip.collectives.map(({ name }) => name)).toEqual(["features", "gradients"]);
  expect(siglip.parameters.all).toBe(openclip.parameters.all + 1);
});

test("OpenCLIP's reduction sends feature gradients in the place of scalars, and bfloat16 halves the features", () => {
  const flags = { "gradient-reduction": "features", "feature-precision": "bf16" };
  const plan = planned({ file: recipe("medium-cc3m/fastclip-v3.yaml"), flags });
  expect(plan.collectives.map(({ name, bytes }) => [name, bytes]).slice(0, 2)).toEqual([
    ["features", 4_194_304 + 8_192],
    ["featureGradients", 8_388_608],
  ]);
  expect(plan.notSent).toEqual({ name: "scalars", formula: "2 B * 4", bytes: 8_192 });
});

test("other schedules have corners of their own", () => {
  const cooldown = { "lr-scheduler": "const-cooldown", "epochs-cooldown": "2", "lr-cooldown-end": "1e-5", lr: "1e-3" };
  const flags = { ...cooldown, warmup: "0", epochs: "10", "gamma-schedule": "constant", gamma: "0.5" };
  const plan = planned({ flags: { ...flags, loss: "fastclip-v1" }, size: 640 });
  expect(valuesOf(plan.learningRate).slice(0, 3)).toEqual([
    [0, 1e-3],
    [50, 1e-3],
    [80, 1e-3],
  ]);
  expect(plan.learningRate.map(({ name }) => name)).toContain("start of the cooldown");
  expect(valuesOf(plan.gamma)).toEqual([
    [0, 1],
    [1, 0.5],
    [9, 0.5],
  ]);
  expect(plan.temperature.words).toBe("tau stays at 0.07");
});

test("locked towers are neither trained nor reduced", () => {
  const all = planned({ size: 6400 });
  const locked = planned({ flags: { "lock-image": true }, size: 6400 });
  expect(locked.parameters).toEqual({ ...all.parameters, trained: all.parameters.text + 1 });
  expect(locked.collectives.at(-1)!.bytes).toBe(4 * locked.parameters.trained);
});

test.each<[Planned, string]>([
  [{ size: 6400, processes: 3 }, "a batch of 64 pairs cannot be shared by 3 processes evenly"],
  [{ size: 63 }, "the training data has 63 pairs, fewer than one batch of 64"],
  [
    { size: 6400, processes: 4, flags: { "batch-size": "48", "micro-batch": "8" } },
    "a process's 12 pairs cannot be cut into micro-batches of 8 evenly",
  ],
])("%j is refused", (options, message) => expect(() => planned(options)).toThrow(new ConfigError([message])));

test("the plan as text holds every part, and the settings as they load again", () => {
  const text = formatPlan(planned({ file: recipe("large-cc12m/fastclip-v3.yaml"), processes: 8 }));
  for (const heading of ["plan", "learning rate: cosine", "gamma", "temperature: tau", "memory of one process"])
    expect(text).toMatch(new RegExp(`^${heading}`, "m"));
  expect(text).toMatch(/steps +4,486 in an epoch, 148,038 in 33 epochs/);
  expect(text).toMatch(/scalars +2 B \* 4 +16,384 bytes/);
  expect(text).toMatch(/^configuration\n {2}model:\n {4}name: ViT-B-32$/m);
  expect(formatPlan(planned({ size: 6400 }))).toContain("communication: none, one process");
});

test("--dry-run prints the plan and leaves nothing behind", () => {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-plan-"));
  const run = (...words: string[]) =>
    spawnSync(process.execPath, ["--import", "tsx", join(root, "src/cli/main.ts"), "train", ...words], {
      encoding: "utf8",
      cwd: root,
    });
  const logs = join(folder, "runs");
  const dry = run(
    "--config",
    recipe("xlarge-laion/fastclip-v3.yaml"),
    "--logs",
    logs,
    "--dry-run",
    "--world-size",
    "16",
  );
  expect(dry).toMatchObject({ status: 0, stderr: "" });
  expect(dry.stdout).toMatch(/batch +5,120 pairs, 320 in each process/);
  expect(dry.stdout).toContain("315,658,316 pairs (as set; not counted, because no shard matches laion/*.tar)");
  expect(existsSync(logs)).toBe(false);
  const alone = run("--train-data", "none.tar", "--world-size", "2");
  expect(alone).toMatchObject({ status: 2, stderr: "fastclip: --world-size: belongs to --dry-run\n" });
});
