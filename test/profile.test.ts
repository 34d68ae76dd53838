// `fastclip train --profile`: what it tells of a run, and that the run is the same with it.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finalWeights, runRanks, startTrain } from "./support/processes.ts";
import { writeModel, writeShards } from "./support/shards.ts";

let folder: string;
let flags: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-profile-"));
  const settings = {
    model: writeModel(folder),
    "train-data": await writeShards(folder, 2),
    logs: folder,
    precision: "fp32",
    "batch-size": 8,
    // 6 steps each
    epochs: 3,
    "ema-decay": 0.9,
    warmup: 0,
  };
  flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Trace {
  readonly traceEvents: readonly { name: string; cat: string; ts: number; dur: number }[];
  readonly otherData: {
    readonly steps: number;
    readonly milliseconds: number;
    readonly phases: readonly { name: string; milliseconds: number; calls: number }[];
    readonly operators: readonly { name: string; calls: number }[];
    readonly flop: number;
  };
}

const traceOf = (name: string): Trace => JSON.parse(readFileSync(join(folder, name, "profile.json"), "utf8"));

const own = ["encode image", "encode text", "loss", "backward image", "backward text", "update", "ema", "data"];

test("tells where the time of some steps went, and changes nothing", async () => {
  const plain = await startTrain([...flags, "--name", "plain"]).end;
  const looked = await startTrain([...flags, "--name", "looked", "--profile", "4"]).end;
  for (const { code, error } of [plain, looked]) expect({ code, error }).toEqual({ code: 0, error: "" });
  expect(looked.out).toMatch(/^profile of 4 steps: [\d.]+ ms a step$/m);
  expect(looked.out).toMatch(/^aten::\S+ +[\d.]+ +[\d.]+ % +\d+/m);
  expect(looked.out).toMatch(/a product of \[\d+, \d+\] and \[\d+, \d+\] in float32, .* reaches [\d.]+ GFLOP\/s/);
  expect(looked.out).toContain(`: ${join(folder, "looked", "profile.json")}`);
  expect(existsSync(join(folder, "plain", "profile.json"))).toBe(false);
  const weights = finalWeights(join(folder, "looked"));
  for (const [name, tensor] of finalWeights(join(folder, "plain")))
    expect(weights.get(name)!.toArray(), name).toEqual(tensor.toArray());

  const { traceEvents, otherData } = traceOf("looked");
  const phases = new Map(otherData.phases.map((phase) => [phase.name, phase]));
  expect([...phases.keys()]).toEqual(expect.arrayContaining(own));
  for (const name of own.slice(0, -1)) expect(phases.get(name), name).toMatchObject({ calls: 1 });
  const whole = otherData.phases.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  expect(whole).toBeCloseTo(otherData.milliseconds, 6);
  expect(otherData.operators.find(({ name }) => name === "aten::_fused_adamw_")).toBeDefined();
  expect(otherData.flop).toBeGreaterThan(0);
  // Steps 11 to 14: from batch to batch, and the fifteenth ended them.
  expect(traceEvents.filter(({ name }) => name === "step")).toHaveLength(4);
  expect(traceEvents.every(({ ts, dur }) => ts >= 0 && dur >= 0)).toBe(true);
});

test("of several processes it tells of the first, and what it waited for the others", async () => {
  const ends = await runRanks(2, { flags: [...flags, "--name", "two", "--profile"] });
  for (const { code, error } of ends) expect({ code, error }).toEqual({ code: 0, error: "" });
  // The run has fewer steps than are usually looked at.
  expect(ends[0]!.out).toContain("profile of 8 steps");
  expect(ends[1]!.out).not.toContain("profile of");
  const names = traceOf("two").otherData.phases.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["exchange features", "exchange scalars", "exchange gradients"]));
  const { phases, milliseconds } = traceOf("two").otherData;
  expect(phases.reduce((sum, phase) => sum + phase.milliseconds, 0)).toBeCloseTo(milliseconds, 6);
});

test("a run that is over before its first steps are has no profile and says so", async () => {
  const { code, out } = await startTrain([...flags, "--epochs", "1", "--name", "short", "--profile"]).end;
  expect(code).toBe(0);
  expect(out).toContain("no profile: the run is over, and the first 10 steps are not looked at");
  expect(existsSync(join(folder, "short", "profile.json"))).toBe(false);
});

test("a plan has no steps to look at", async () => {
  const { code, error } = await startTrain([...flags, "--dry-run", "--profile"]).end;
  expect(code).not.toBe(0);
  expect(error).toContain("--profile: takes its figures from steps, and --dry-run makes none");
});
