// Whole runs of the command on what people have: tables, folders and shards mixed, compressed shards, shards in S3.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readMetrics, type TrainRecord } from "../src/telemetry/metrics.ts";
import { listCheckpoints } from "../src/train/run-files.ts";
import { S3Server } from "./support/s3.ts";
import { writeModel, writeShards } from "./support/shards.ts";

// Whole runs, several at a time: a machine with other work takes long for them.
vi.setConfig({ testTimeout: 240_000 });

const main = join(import.meta.dirname, "../src/cli/main.ts");
let folder: string;
let model: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-sources-"));
  model = writeModel(folder);
  await writeShards(folder, 3);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function fastclip(
  words: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ code: number | null; out: string; error: string }> {
  const env = { ...process.env, ...environment };
  const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", main, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
  const output = { out: "", error: "" };
  child.stdout?.on("data", (text) => (output.out += text));
  child.stderr?.on("data", (text) => (output.error += text));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, ...output };
}

async function train(
  name: string,
  flags: readonly string[],
  environment?: Record<string, string>,
): Promise<{ out: string; losses: number[] }> {
  const settings = ["--model", model, "--precision", "fp32", "--batch-size", "16", "--log-every-n-steps", "1"];
  const place = ["--logs", folder, "--name", name];
  const { code, out, error } = await fastclip(["train", ...settings, ...place, ...flags], environment);
  expect([code, error]).toEqual([0, ""]);
  const records = readMetrics(join(folder, name, "metrics.jsonl"));
  return { out, losses: records.filter((one): one is TrainRecord => one.kind === "train").map(({ loss }) => loss) };
}

async function writePicture(path: string, color: string): Promise<void> {
  const created = { width: 40, height: 30, channels: 3, background: color } as const;
  writeFileSync(path, await sharp({ create: created }).jpeg().toBuffer());
}

test("a folder, a table and shards are mixed by factors; a run of them goes on", async () => {
  const pictures = join(folder, "pictures");
  mkdirSync(join(pictures, "blue_sea"), { recursive: true });
  const rows = ["filepath\ttitle"];
  for (let i = 0; i < 10; i++) {
    await writePicture(join(pictures, "blue_sea", `${i}.jpg`), "navy");
    await writePicture(join(folder, `row-${i}.jpg`), "maroon");
    rows.push(`row-${i}.jpg\ta red wall, number ${i}`);
  }
  writeFileSync(join(folder, "rows.tsv"), rows.join("\n"));
  const data = [pictures, join(folder, "rows.tsv"), join(folder, "shard-{0..2}.tar")];
  // 20 of the folder, 5 of the table, 72 of the shards: 6 batches of 16.
  const flags = ["--train-data", ...data, "--train-data-upsampling-factors", "2", "0.5", "1", "--loss", "fastclip-v3"];
  const whole = await train("mixed", [...flags, "--epochs", "2"]);
  expect(whole.out).toContain("92 pairs");
  expect(whole.losses).toHaveLength(12);
  const first = await train("halved", [...flags, "--epochs", "2", "--save-every-n-steps", "5"]);
  expect(first.losses).toEqual(whole.losses);
  rmSync(listCheckpoints(join(folder, "halved")).at(-1)!, { recursive: true });
  const { code } = await fastclip(["train", "--resume", join(folder, "halved")]);
  expect(code).toBe(0);
  const files = ["mixed", "halved"].map((name) => {
    const checkpoint = listCheckpoints(join(folder, name)).at(-1)!;
    return ["open_clip_model.safetensors", "pairs.f32"].map((file) => readFileSync(join(checkpoint, file)));
  });
  expect(files[1]).toEqual(files[0]);
});

test("compressed shards train as the plain ones do, by windows; a copy that is not there is made", async () => {
  for (let i = 0; i < 3; i++)
    writeFileSync(join(folder, `packed-${i}.tar.gz`), gzipSync(readFileSync(join(folder, `shard-${i}.tar`))));
  const cache = ["--cache-dir", join(folder, "cache")];
  const window = ["--epochs", "2", "--shuffle-window", "2", "--loss", "openclip", ...cache];
  const plain = await train("plain", ["--train-data", join(folder, "shard-*.tar"), "--shuffle", "window", ...window]);
  const packed = await train("packed", ["--train-data", join(folder, "packed-*.tar.gz"), ...window]);
  expect(packed.losses).toEqual(plain.losses);
  rmSync(join(folder, "cache/shards"), { recursive: true });
  const again = await train("again", ["--train-data", join(folder, "packed-*.tar.gz"), ...window]);
  expect(again.losses).toEqual(plain.losses);
});

test("shards in S3 train as those on disk do, on two processes, though one request in nine fails", async () => {
  const server = await new S3Server().listen();
  try {
    for (let i = 0; i < 3; i++) server.put(`s3://bucket/set/${i}.tar`, readFileSync(join(folder, `shard-${i}.tar`)));
    let asked = 0;
    server.faultOf = () => (++asked % 9 === 0 ? { kind: "reset", after: 200 } : undefined);
    const flags = ["--epochs", "1", "--loss", "fastclip-v1", "--nproc-per-node", "2"];
    const local = await train("local", ["--train-data", join(folder, "shard-*.tar"), ...flags]);
    const cache = ["--cache-dir", join(folder, "s3-cache")];
    const remote = await train(
      "remote",
      ["--train-data", "s3://bucket/set/*.tar", ...cache, ...flags],
      server.variables(),
    );
    expect(remote.losses).toEqual(local.losses);
    expect(asked).toBeGreaterThan(72);
  } finally {
    await server.close();
  }
});

test("data index notes where samples lie, once", async () => {
  const words = ["data", "index", join(folder, "shard-{0..2}.tar"), "--cache-dir", join(folder, "index-cache")];
  const first = await fastclip(words);
  expect([first.code, first.error]).toEqual([0, ""]);
  expect(first.out).toMatch(/^72 samples in 3 shards; 3 indexed now, 0 before$/m);
  expect((await fastclip(words)).out).toMatch(/^72 samples in 3 shards; 0 indexed now, 3 before$/m);
  expect(await fastclip([...words.slice(0, 2), join(folder, "none.tar")])).toMatchObject({
    code: 1,
    error: expect.stringMatching(/^fastclip: shard .*none\.tar does not exist\n$/),
  });
});

test("what contradicts itself is refused before anything is read", async () => {
  const data = ["--train-data", "a.tar", "b.tar"];
  const few = await fastclip(["train", ...data, "--train-data-upsampling-factors", "1"]);
  expect(few.code).toBe(2);
  expect(few.error).toContain("expected one factor for each of the 2 patterns, got 1");
  const window = await fastclip(["train", ...data, "--train-data-upsampling-factors", "1", "2", "--shuffle", "window"]);
  expect(window.error).toContain("patterns are mixed in the global order only, not by window");
});
