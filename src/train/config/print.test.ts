import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FlagValues } from "./layers.ts";
import { loadConfig } from "./load.ts";
import { printConfig, saveConfig } from "./print.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-print-"));

// Texts that YAML would read as something else if they were printed bare.
const awkward = ["*.tar", "{a,b}: #1", "- 1e3", "null"];

test.each<FlagValues>([
  { "train-data": awkward, "val-data": "0", "zeroshot-templates": ["a {}: x", "{}"] },
  { "train-data": "x", loss: "openclip", opt: "adamw", "grad-clip-norm": "1" },
  { "train-data": "x", loss: "fastclip-v1", "gamma-schedule": "constant", gamma: "0.3", name: "007" },
  { "train-data": "x", opt: "sgd", "layer-decay": "0.75", "lr-scheduler": "const-cooldown", "epochs-cooldown": "3" },
  { "train-data": "x", loss: "fastclip-v0", "gamma-min": "0.2", retrieval: false, "image-mean": ["0", "0.1", "1e-3"] },
])("a saved configuration loads as the same: %j", (flags) => {
  const config = loadConfig({ flags });
  const file = join(folder, "config.yaml");
  saveConfig(config, file);
  expect(readFileSync(file, "utf8")).toBe(printConfig(config));
  expect(loadConfig({ file })).toEqual(config);
  expect(readdirSync(folder)).toEqual(["config.yaml"]);
});

test("it is printed by sections, lists on one line", () => {
  const text = printConfig(loadConfig({ flags: { "train-data": "a.tar" } }));
  expect(text.split("\n").filter((line) => /^\w/.test(line))).toEqual([
    "model:",
    "data:",
    "run:",
    "loss:",
    "optim:",
    "distributed:",
    "eval:",
  ]);
  expect(text).toContain("\n  train: [a.tar]\n");
  expect(text).toContain("\n    scale: [0.9, 1]\n");
});
