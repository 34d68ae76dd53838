import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder, writeShards } from "../../data/shards.fixture.ts";

const root = resolve(import.meta.dirname, "../../..");

function fastclip(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const args = ["--import", "tsx", join(root, "src/cli/main.ts"), ...words];
  return spawnSync(process.execPath, args, { encoding: "utf8", cwd: root });
}

test("fastclip data check: settings from a run's file, flags over it, and status 1 for data that training refuses", async () => {
  const folder = temporaryFolder();
  const spoilt = (seed: number): boolean => seed === 2;
  const pattern = await writeShards({
    folder,
    count: 2,
    samples: 3,
    change: ([image, ...others], seed) => [spoilt(seed) ? { ...image!, data: Buffer.from("-") } : image!, ...others],
  });
  const config = join(folder, "config.yaml");
  const settings = {
    data: { train: pattern, captionKey: "caption" },
    model: { name: "RN-Ti-64" },
    run: { batchSize: 4 },
  };
  writeFileSync(config, JSON.stringify(settings));
  const [list, json] = [join(folder, "list.jsonl"), join(folder, "report.json")];
  // Standard error may hold progress, where the machine is slow.
  const fine = fastclip("data", "check", "--config", config, "--list", list, "--json", json);
  expect(fine.status).toBe(0);
  expect(fine.stdout).toMatch(/^samples +5 in 2 shards.*^cut at 32 tokens +none$.*^The data can be trained on\.\n$/ms);
  const fault = { cause: "bad-picture", shard: "shard-0.tar", key: "000002" };
  const message = expect.stringMatching(/^shard-0\.tar: 000002\.png is not a picture of a supported kind/);
  expect(JSON.parse(readFileSync(list, "utf8"))).toEqual({ ...fault, message });
  const figures = JSON.parse(readFileSync(json, "utf8"));
  expect(figures).toMatchObject({ samples: 5, problems: [], content: { batch: { size: 4 } } });
  // The length of "json caption 0": the caption came from the JSON.
  expect(figures.content.captions.characters.max).toBe(14);

  const refused = fastclip("data", "check", pattern, "--max-bad-rate", "0", "--batch-size", "8");
  expect(refused.status).toBe(1);
  expect(refused.stdout.split("\n").slice(-3)).toEqual([
    "The data cannot be trained on: too many bad samples: 1 of 6 cannot be read, and --max-bad-rate 0 allows 0.",
    "The data cannot be trained on: there are 6 pairs, fewer than one batch of 8 (--batch-size).",
    "",
  ]);
});

test("without shards it says what is missing", () => {
  expect(fastclip("data", "check")).toMatchObject({
    status: 2,
    stderr: "fastclip: data.train (--train-data): is missing; expected a pattern or a list of patterns\n",
  });
});
