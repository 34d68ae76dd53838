// A training process that is killed at any moment, writing checkpoints included, goes on exactly where it was.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createRandom } from "../src/data/random.ts";
import { readMetrics } from "../src/telemetry/metrics.ts";
import { listCheckpoints } from "../src/train/run-files.ts";
import { findDamage } from "../src/train/seal.ts";
import { type Ended, endAll, startTrain, trainRecords } from "./support/processes.ts";
import { writeClasses, writeShards, writeViT } from "./support/shards.ts";

let folder: string;
let flags: string[];
const settings: Record<string, string | number> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-kills-"));
  Object.assign(settings, {
    model: writeViT(folder),
    "train-data": await writeShards(folder, 2),
    logs: folder,
    precision: "fp32",
    "batch-size": 8,
    epochs: 30,
    lr: 2e-3,
    "force-patch-dropout": 0.3,
    "log-every-n-steps": 1,
    "save-every-n-steps": 2,
  });
  flags = flagsOf(settings);
});
afterEach(endAll);
afterAll(() => rmSync(folder, { recursive: true }));

const flagsOf = (values: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(values).flatMap(([name, value]) => [`--${name}`, `${value}`]);

const run = (...more: string[]): Promise<Ended> => startTrain([...flags, ...more]).end;

const figures = (name: string) =>
  trainRecords(join(folder, name)).map(({ step, loss, tau, gradNorm }) => ({ step, loss, tau, gradNorm }));

/** What a checkpoint holds, as bytes by file. */
function filesOf(checkpoint: string): Map<string, Buffer> {
  return new Map(readdirSync(checkpoint).map((file) => [file, readFileSync(join(checkpoint, file))]));
}

test("killed at thirty random moments, a run ends with the losses and the weights of one that was not", async () => {
  expect(await run("--name", "whole")).toMatchObject({ code: 0, error: "" });
  const random = createRandom([30]);
  let kills = 0;
  for (let end: Ended | undefined; end?.code !== 0; ) {
    const child = startTrain([...flags, "--name", "killed", "--resume", "auto"]);
    // Most of a second to start, and then so few steps that the thirtieth kill comes before the run's end.
    const timer = setTimeout(() => child.process.kill("SIGKILL"), kills < 30 ? 700 + random() * 900 : 120_000);
    end = await child.end;
    clearTimeout(timer);
    if (end.signal === "SIGKILL") kills++;
    else expect(end).toMatchObject({ code: 0, error: "" });
  }
  expect(kills).toBe(30);
  expect(figures("killed")).toEqual(figures("whole"));
  const [a, b] = ["whole", "killed"].map((name) => filesOf(listCheckpoints(join(folder, name)).at(-1)!));
  expect([...b!.keys()]).toEqual([...a!.keys()]);
  for (const [file, bytes] of a!) expect(b!.get(file)!.equals(bytes), file).toBe(true);
});

test("a damaged checkpoint is named, and the one before it taken; without one the run is refused", async () => {
  cpSync(join(folder, "whole"), join(folder, "damaged"), { recursive: true });
  const [before, last] = listCheckpoints(join(folder, "damaged")).slice(-2) as [string, string];
  const weights = join(last, "training.safetensors");
  const bytes = readFileSync(weights);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(weights, bytes);
  const resumed = await run("--resume", join(folder, "damaged"), "--epochs", "31", "--keep-checkpoints", "3");
  expect(resumed).toMatchObject({ code: 0, error: "" });
  expect(resumed.out).toContain(
    `${last}: training.safetensors is not what was saved (its SHA-256 differs); the checkpoint before it is taken`,
  );
  expect(resumed.out).toContain(`from step ${Number(before.slice(-9))} on`);

  for (const checkpoint of listCheckpoints(join(folder, "damaged")))
    truncateSync(join(checkpoint, "open_clip_model.safetensors"), 10);
  const refused = await run("--resume", join(folder, "damaged"), "--epochs", "31");
  expect(refused.error).toMatch(
    /^fastclip: .*: open_clip_model\.safetensors is not what was saved .*, and there is no other\n$/,
  );
  expect(refused.code).toBe(1);
});

test.each([
  { flag: "batch-size", value: "4", says: "run.batch: 4 now, 8 before" },
  { flag: "loss", value: "openclip", says: 'loss.kind: "openclip" now, "fastclip-v3" before' },
  { flag: "seed", value: "7", says: "run.seed: 7 now, 0 before" },
])("another --$flag is refused when a run goes on", async ({ flag, value, says }) => {
  const { code, error } = await run("--resume", join(folder, "whole"), `--${flag}`, value);
  expect(error).toBe(`fastclip: whole cannot go on with another ${says}\n`);
  expect(code).toBe(2);
});

test("what may change is listed, with what it does to the schedule", async () => {
  const { code, out } = await run(
    "--resume",
    join(folder, "whole"),
    "--epochs",
    "31",
    "--lr",
    "1e-3",
    "--workers",
    "2",
  );
  expect(code).toBe(0);
  expect(out).toContain(
    "changed since the run was stopped: data.workers: 2 now, 1 before; optim.lr: 0.001 now, 0.002 before; run.epochs: 31 now, 30 before; the learning rate follows the new schedule from here on",
  );
  const events = readMetrics(join(folder, "whole", "metrics.jsonl")).filter(({ kind }) => kind === "event");
  expect(events.some((event) => "message" in event && event.message.startsWith("changed since"))).toBe(true);
});

test("the last checkpoints, every Nth epoch's and the best one stay", async () => {
  const kept = {
    ...settings,
    epochs: 6,
    name: "kept",
    "save-frequency": 2,
    "keep-checkpoints": 1,
    "keep-best": "zero-shot top-1",
  };
  const evaluated = { "val-data": settings["train-data"]!, "zeroshot-classes": writeClasses(folder) };
  expect(await startTrain(flagsOf({ ...kept, ...evaluated })).end).toMatchObject({ code: 0, error: "" });
  const rates = readMetrics(join(folder, "kept", "metrics.jsonl")).flatMap((record) =>
    record.kind === "eval"
      ? [{ step: record.step, value: record.results.find(({ metric }) => metric === "zero-shot top-1")!.value }]
      : [],
  );
  const best = rates.reduce((most, rate) => (rate.value >= most.value ? rate : most));
  // Six steps an epoch: the ends of epochs 2, 4 and 6.
  const steps = [...new Set([12, 24, 36, best.step])].sort((a, b) => a - b);
  expect(listCheckpoints(join(folder, "kept")).map((path) => Number(path.slice(-9)))).toEqual(steps);
});

test("a figure that no evaluation has is named", async () => {
  const { out, code } = await run(
    ...["--name", "unknown", "--epochs", "1", "--val-data", `${settings["train-data"]}`, "--keep-best", "top-1"],
  );
  expect(code).toBe(0);
  expect(out).toContain(
    "--keep-best top-1: the evaluation has no such figure, so no checkpoint is kept for it; it has image-to-text",
  );
});

test("a run folder that is gone ends the run in one sentence", async () => {
  const child = startTrain([...flags, "--name", "gone", "--epochs", "100000"]);
  while (listCheckpoints(join(folder, "gone")).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  while (statSync(join(folder, "gone"), { throwIfNoEntry: false }) !== undefined) {
    try {
      rmSync(join(folder, "gone"), { recursive: true });
    } catch {
      // It was being written to.
    }
  }
  const { code, error } = await child.end;
  expect(error).toMatch(/^fastclip: step \d+ cannot be saved: .*gone.*\n$/);
  expect(code).toBe(1);
});

// A file system of a set size can be made by root alone.
test.skipIf(process.getuid?.() !== 0)(
  "a full disk ends the run in one sentence, and the last checkpoint is whole",
  async () => {
    const [disk, saved] = [join(folder, "disk"), join(folder, "saved")];
    mkdirSync(disk);
    // A checkpoint takes some 20 MB: there is room for one and a half.
    const script = `mount -t tmpfs -o size=32m none ${disk} && "$@"; status=$?; cp -r ${disk}/full ${saved}; exit $status`;
    const inside = ["unshare", "-m", "sh", "-c", script, "sh"];
    const { code, error } = await startTrain([...flags, "--logs", disk, "--name", "full"], { inside }).end;
    expect(error).toMatch(
      /^fastclip: step \d+ cannot be saved: ENOSPC: no space left on device, \w+; the last checkpoint is .*step-000000002\n$/,
    );
    expect(code).toBe(1);
    const checkpoints = listCheckpoints(saved);
    expect(checkpoints.map(findDamage)).toEqual([undefined]);
    expect(readdirSync(join(saved, "checkpoints"))).toHaveLength(1);
  },
);

test.skipIf(process.getuid?.() !== 0)(
  "a read-only place for runs, or for the cache, is named before anything is lost",
  async () => {
    const disk = join(folder, "read-only");
    mkdirSync(disk);
    const script = `mount -t tmpfs none ${disk} && cp "$0" ${disk}/data.tar && mount -o remount,ro ${disk} && "$@"`;
    const inside = ["unshare", "-m", "sh", "-c", script, join(folder, "shard-0.tar")];
    const start = (...more: string[]) =>
      startTrain([...flags, "--name", "inside", "--train-data", join(disk, "data.tar"), ...more], { inside }).end;
    expect(await start("--logs", disk)).toMatchObject({
      code: 1,
      error: `fastclip: ${disk}/inside cannot be made or written (EROFS): name another place for runs (--logs)\n`,
    });
    expect(await start("--cache-dir", join(disk, "cache"))).toMatchObject({
      code: 1,
      error: expect.stringContaining(`${disk}/cache/index cannot be made or written (EROFS): name another folder`),
    });
    // Data may lie where nothing can be written.
    expect(await start("--epochs", "1")).toMatchObject({ code: 0, error: "" });
  },
);
