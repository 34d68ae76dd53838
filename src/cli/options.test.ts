import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { ConfigError } from "../train/config/errors.ts";
import { addConfigOptions, configOf, givenFlags } from "./options.ts";

function parsed(...words: string[]): Command {
  return addConfigOptions(new Command("train").exitOverride()).parse(words, { from: "user" });
}

test("only flags that were given count", () => {
  const words = [
    "--batch-size",
    "8",
    "--no-retrieval",
    "--aug-scale",
    "0.5",
    "1",
    "--train-data",
    "a",
    "b",
    "--rho",
    "-1",
  ];
  expect(givenFlags(parsed(...words))).toEqual({
    "batch-size": "8",
    retrieval: false,
    "aug-scale": ["0.5", "1"],
    "train-data": ["a", "b"],
    rho: "-1",
  });
  expect(givenFlags(parsed())).toEqual({});
});

test("flags and file make the configuration", () => {
  const file = join(mkdtempSync(join(tmpdir(), "fastclip-options-")), "config.yaml");
  writeFileSync(file, "data: { train: a.tar }\nrun: { epochs: 3 }\n");
  const command = parsed("--config", file, "--loss", "openclip", "--gamma-min", "0.2");
  expect(() => configOf(command)).toThrow(ConfigError);
  const config = configOf(parsed("--config", file, "--loss", "openclip"), { run: { epochs: 9, seed: 7 } });
  expect(config.loss.kind).toBe("openclip");
  expect(config.run).toMatchObject({ epochs: 3, seed: 7 });
});

test("the help groups the flags by section, with defaults, units and choices", () => {
  const help = parsed().helpInformation().replace(/\s+/g, " ");
  for (const heading of [
    "Model:",
    "Data:",
    "Augmentation:",
    "Run:",
    "Loss:",
    "Temperature:",
    "Optimizer:",
    "Evaluation:",
  ]) {
    expect(help).toContain(` ${heading} --`);
  }
  expect(help).toContain("--epochs <number> How often the whole data set is seen (epochs; default: 32)");
  expect(help).toContain("fastclip-v3 | fastclip-global | fastclip-robust; default: fastclip-v3)");
  expect(help).toContain("only with loss fastclip-v3, fastclip-global, fastclip-robust");
});

test("a command can take the flags of some sections", () => {
  const command = addConfigOptions(new Command("eval"), ["data", "eval"]);
  const flags = command.options.map(({ long }) => long);
  expect(flags).toContain("--val-data");
  expect(flags).not.toContain("--lr");
});
