// Whole runs of the command: what they leave, that a killed one goes on as if nothing had happened, and what damaged data does.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readMetrics, type TrainRecord } from "../src/telemetry/metrics.ts";
import { readSafetensors } from "../src/tensor/index.ts";
import { listCheckpoints } from "../src/train/run-files.ts";
import { cutOff, writeClasses, writeModel, writeShards } from "./support/shards.ts";

const main = join(import.meta.dirname, "../src/cli/main.ts");
let folder: string;
let model: string;
let data: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-train-"));
  model = writeModel(folder);
  data = await writeShards(folder, 4);
});
afterAll(() => rmSync(folder, { recursive: true }));

const common = (): string[] => [
  "--model",
  model,
  "--precision",
  "fp32",
  "--batch-size",
  "16",
  "--lr",
  "2e-3",
  "--warmup",
  "5",
  "--log-every-n-steps",
  "1",
  "--logs",
  folder,
];

function start(...flags: string[]): ChildProcess {
  return spawn(process.execPath, ["--import", "tsx", main, "train", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
}

async function run(...flags: string[]): Promise<{ code: number | null; out: string; error: string }> {
  const child = start(...flags);
  const output = { out: "", error: "" };
  child.stdout?.on("data", (text) => (output.out += text));
  child.stderr?.on("data", (text) => (output.error += text));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, ...output };
}

function trainRecords(name: string): TrainRecord[] {
  return readMetrics(join(folder, name, "metrics.jsonl")).filter((record) => record.kind === "train");
}

/** Warnings that belong to a step. */
function warnings(name: string): string[] {
  const records = readMetrics(join(folder, name, "metrics.jsonl"));
  return records.flatMap((record) => (record.kind === "event" && record.step !== undefined ? [record.message] : []));
}

/** Everything that a checkpoint holds, as bytes by file. */
function finalFiles(name: string): Map<string, Buffer> {
  const last = listCheckpoints(join(folder, name)).at(-1)!;
  return new Map(readdirSync(last).map((file) => [file, readFileSync(join(last, file))]));
}

describe.each(["fastclip-v3", "openclip"])("a run with %s", (loss) => {
  test("learns, and leaves its figures, its report and a checkpoint", async () => {
    const classes = writeClasses(folder);
    const name = `whole-${loss}`;
    const flags = ["--name", name, "--loss", loss, "--epochs", "20", "--train-data", data, "--val-data", data];
    const { code, out, error } = await run(
      ...common(),
      ...flags,
      "--val-frequency",
      "0",
      "--zeroshot-classes",
      classes,
    );
    expect(error).toBe("");
    expect(code).toBe(0);
    expect(out).toContain("zero-shot top-1");

    const records = trainRecords(name);
    expect(records).toHaveLength(120);
    expect(records[0]!.infoNce).toBeGreaterThan(0.8 * Math.log(16));
    expect(records.at(-1)!.infoNce).toBeLessThan(0.5 * records[0]!.infoNce);
    // A step leaves nothing behind: as many tensors are alive after it as after the first one.
    expect(new Set(records.map((record) => record.liveTensors)).size).toBe(1);

    // What was near each other at first, as untrained features are, is apart; four pictures share each caption.
    expect(records.at(-1)!.textLikeness).toBeLessThan(0.5);
    expect(records.at(-1)!.textLikeness).toBeLessThan(records[0]!.textLikeness!);
    expect(warnings(name)).toEqual([
      expect.stringMatching(/^step 63: [34]\d % of the captions stand in their batch more than once/),
    ]);

    const results = JSON.parse(readFileSync(join(folder, name, "results.json"), "utf8"));
    const top1 = results.results.find((result: { metric: string }) => result.metric === "zero-shot top-1");
    expect(top1.value).toBeGreaterThan(10 * top1.chance);
    expect(readFileSync(join(folder, name, "report.html"), "utf8")).toContain("zero-shot top-1");
    expect([...finalFiles(name).keys()]).toContain("open_clip_model.safetensors");
  });
});

test.each(["fastclip-v3", "fastclip-v2"])(
  "a %s run that is killed goes on as if it had never stopped",
  async (loss) => {
    const flags = [...common(), "--loss", loss, "--epochs", "6", "--train-data", data];
    const [whole, killed] = [`undisturbed-${loss}`, `killed-${loss}`];
    expect((await run(...flags, "--name", whole)).code).toBe(0);

    const child = start(...flags, "--name", killed);
    const ended = new Promise((resolve) => child.on("close", resolve));
    while (listCheckpoints(join(folder, killed)).length < 2 && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await ended;
    expect(trainRecords(killed).length).toBeLessThan(36);
    const resumed = await run("--resume", join(folder, killed));
    expect(resumed.error).toBe("");

    const figures = (name: string) =>
      trainRecords(name).map(({ step, loss: value, tau, gamma, lr }) => ({ step, value, tau, gamma, lr }));
    expect(figures(killed)).toEqual(figures(whole));
    const [a, b] = [finalFiles(whole), finalFiles(killed)];
    expect([...b.keys()]).toEqual([...a.keys()]);
    for (const [file, bytes] of a) expect(b.get(file)!.equals(bytes), file).toBe(true);
  },
);

test("a shard that is cut off is named and left out, and the run goes on", async () => {
  const damaged = mkdtempSync(join(folder, "damaged-"));
  const pattern = await writeShards(damaged, 3);
  // Headers and contents take 512 bytes each, in turns: this is within the contents of the 21st entry.
  cutOff(join(damaged, "shard-1.tar"), 40 * 512 + 20 + 512 * 2);
  const { code, out } = await run(...common(), "--name", "damaged", "--epochs", "2", "--train-data", pattern);
  expect(code).toBe(0);
  expect(out).toMatch(/shard-1\.tar: .*cut off at byte \d+/);
  const events = readMetrics(join(folder, "damaged", "metrics.jsonl")).filter((record) => record.kind === "event");
  expect(events.some(({ message }) => message.includes("shard-1.tar"))).toBe(true);
});

describe("what cannot be trained is refused in one sentence", () => {
  const cases: { name: string; flags: () => string[]; says: RegExp; code: number }[] = [
    {
      name: "no such shard",
      flags: () => ["--train-data", join(folder, "none-{0..1}.tar")],
      says: /none-\{0\.\.1\}\.tar/,
      code: 1,
    },
    {
      name: "too few pairs for a batch",
      flags: () => ["--train-data", data, "--batch-size", "200"],
      says: /96 pairs, fewer than one batch of 200/,
      code: 1,
    },
    {
      name: "no pretrained weights",
      flags: () => ["--train-data", data, "--pretrained", join(folder, "none")],
      says: /none \(--pretrained\) do not exist/,
      code: 1,
    },
    { name: "an unknown model", flags: () => ["--train-data", data, "--model", "ViT-B-23"], says: /ViT-B-32/, code: 1 },
    { name: "no run to resume", flags: () => ["--resume", join(folder, "nothing")], says: /nothing/, code: 2 },
    {
      name: "settings out of range",
      flags: () => ["--train-data", data, "--rho", "-1"],
      says: /--rho: expected/,
      code: 2,
    },
  ];

  test.each(cases)("$name", async ({ flags, says, code }) => {
    const result = await run(...common(), ...flags());
    expect(result.error.trim().split("\n")).toHaveLength(1);
    expect(result.error).toMatch(says);
    expect(result.code).toBe(code);
  });
});

test("a run whose steps are no longer finite names them and stops", async () => {
  const flags = [
    "--name",
    "diverged",
    "--train-data",
    data,
    "--epochs",
    "3",
    "--opt",
    "sgd",
    "--lr",
    "1e38",
    "--warmup",
    "0",
  ];
  const { code, out, error } = await run(...common(), ...flags, "--max-skipped-steps", "3");
  expect(code).toBe(1);
  expect(out).toMatch(
    /step 2 changed nothing: the image features of samples .* are not finite \(1 of at most 3 in a row\)/,
  );
  expect(error).toMatch(/^fastclip: 3 steps in a row were not finite.*try a lower --lr/);
  expect(trainRecords("diverged")).toHaveLength(1);
});

test("features that collapse are told, with the figure", async () => {
  const flags = ["--name", "collapsed", "--train-data", data, "--epochs", "8", "--lr", "0.3", "--warmup", "0"];
  const { code, out } = await run(...common(), ...flags);
  expect(code).toBe(0);
  const [sentence] = warnings("collapsed");
  expect(sentence).toMatch(
    /^step \d+: the mean cosine between the features of different \w+ is (1\.000|0\.99\d), and was 0\.\d+: /,
  );
  expect(out).toContain(sentence);
  expect(trainRecords("collapsed").at(-1)!.infoNce).toBeGreaterThan(0.9 * Math.log(16));
});

test("a run is not written over another one", async () => {
  const flags = [...common(), "--name", "once", "--epochs", "1", "--train-data", data];
  expect((await run(...flags)).code).toBe(0);
  const again = await run(...flags);
  expect(again.code).toBe(2);
  expect(again.error).toMatch(/holds a run already/);
});

test("another data set is refused on resume", async () => {
  const flags = [...common(), "--name", "bound", "--epochs", "2", "--train-data", data];
  expect((await run(...flags)).code).toBe(0);
  const other = await writeShards(mkdtempSync(join(folder, "other-")), 3);
  const { code, error } = await run("--resume", join(folder, "bound"), "--train-data", other, "--epochs", "3");
  expect(code).toBe(1);
  expect(error).toMatch(/another data set \(96 pairs/);
  // The refused settings are not taken over.
  expect(readFileSync(join(folder, "bound", "config.yaml"), "utf8")).toContain("epochs: 2");
});

test("a run begins with pretrained weights, and a locked tower keeps them", async () => {
  const weights = listCheckpoints(join(folder, "whole-fastclip-v3")).at(-1)!;
  const flags = ["--name", "tuned", "--epochs", "2", "--train-data", data, "--pretrained", weights, "--lock-image"];
  expect((await run(...common(), ...flags, "--lock-image-freeze-bn-stats")).error).toBe("");
  // Untrained, the first step of the same data is at ln 16.
  expect(trainRecords("tuned")[0]!.infoNce).toBeLessThan(0.8 * Math.log(16));
  const [before, after] = [weights, listCheckpoints(join(folder, "tuned")).at(-1)!].map(
    (path) => readSafetensors(join(path, "open_clip_model.safetensors")).tensors,
  );
  const values = (tensors: typeof before, name: string) => tensors!.get(name)!.toArray();
  expect(values(after, "visual.conv1.weight")).toEqual(values(before, "visual.conv1.weight"));
  expect(values(after, "text_projection")).not.toEqual(values(before, "text_projection"));
});

test("the trained weights are read back as they were written", () => {
  const last = listCheckpoints(join(folder, "once")).at(-1)!;
  const { tensors } = readSafetensors(join(last, "open_clip_model.safetensors"));
  expect(tensors.get("logit_scale")?.shape).toEqual([]);
  expect(existsSync(join(last, "pairs.f32"))).toBe(true);
});
