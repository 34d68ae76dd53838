// Each folder of src/ may import only what docs/design.md names for it.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const mayImport: Record<string, readonly string[]> = {
  native: [],
  telemetry: [],
  tensor: ["native"],
  nn: ["tensor"],
  losses: ["tensor"],
  optim: ["tensor"],
  data: ["native", "tensor", "telemetry"],
  distributed: ["tensor", "telemetry"],
  models: ["nn", "tensor"],
  eval: ["models", "data", "distributed", "tensor"],
  train: ["native", "telemetry", "tensor", "nn", "losses", "optim", "data", "distributed", "models", "eval"],
  cli: ["native", "telemetry", "tensor", "nn", "losses", "optim", "data", "distributed", "models", "eval", "train"],
};

const source = resolve(import.meta.dirname, "../src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) =>
    relative(source, resolve(source, file, "..", match[1]!)),
  );
}

test("every source file lies in a known layer", () => {
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((file) => !(file.split("/")[0]! in mayImport))).toEqual([]);
});

test("a layer imports only the layers below it", () => {
  const broken = files.flatMap((file) => {
    const layer = file.split("/")[0]!;
    return importsOf(file)
      .filter((target) => target.split("/")[0] !== layer && !mayImport[layer]!.includes(target.split("/")[0]!))
      .map((target) => `${file} imports ${target}`);
  });
  expect(broken).toEqual([]);
});
