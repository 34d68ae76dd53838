import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError } from "./errors.ts";
import { readConfigFile } from "./file.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-file-"));

function written(content: string | Uint8Array): string {
  const file = join(folder, "c.yaml");
  writeFileSync(file, content);
  return file;
}

function refusal(file: string): readonly string[] {
  try {
    readConfigFile(file);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((line) => line.replaceAll(`${folder}/`, ""));
    throw error;
  }
  throw new Error("the file was accepted");
}

// Nine levels of nine aliases each: 9^9 values, were they expanded.
const bomb = Array.from({ length: 9 }, (_, i) => `k${i}: &k${i} [${Array(9).fill(i === 0 ? "x" : `*k${i - 1}`)}]`).join(
  "\n",
);

test.each<[string, string | Uint8Array, string]>([
  ["nothing", "", 'c.yaml: is empty; expected sections such as "data:"'],
  ["comments only", "# run:\n", 'c.yaml: is empty; expected sections such as "data:"'],
  ["a list", "- run\n", 'c.yaml: expected a map of sections such as "data:", got a list'],
  ["a single word", "run\n", 'c.yaml: expected a map of sections such as "data:", got a single text'],
  ["a key twice", "run:\n  seed: 1\n  seed: 2\n", "c.yaml:3:3 this key was already given above"],
  ["10 MB", " ".repeat(10 << 20), "c.yaml: has 10.0 MB; a settings file may have at most 1 MB"],
  ["no UTF-8", Uint8Array.of(0xff, 0xfe, 0x00), "c.yaml: is not UTF-8 text"],
  ["aliases that multiply", bomb, "c.yaml: Excessive alias count indicates a resource exhaustion attack"],
  ["an alias to nothing", "run: *x\n", "c.yaml: Unresolved alias (the anchor must be set before the alias): x"],
  ["deep nesting", "[".repeat(200_000), "c.yaml: is nested too deeply"],
])("%s is refused in one sentence", (_, content, sentence) => expect(refusal(written(content))).toEqual([sentence]));

test("a broken line is told with its place", () => {
  expect(refusal(written("run:\n  seed: [1\n"))[0]).toMatch(/^c\.yaml:3:1 \S.*$/);
});

test("a file that is not there and a folder are refused", () => {
  expect(refusal(join(folder, "none.yaml"))).toEqual(["none.yaml: no such file"]);
  mkdirSync(join(folder, "dir"));
  expect(refusal(join(folder, "dir"))).toEqual(["dir: expected a YAML file, got a folder or a device"]);
});

test("a path is found in the file, through aliases too", () => {
  const file = written("base: &b\n  lr: 1e-3\noptim: *b\n");
  const { value, where } = readConfigFile(file);
  expect(value).toEqual({ base: { lr: 0.001 }, optim: { lr: 0.001 } });
  expect(where(["optim", "lr"])).toBe(`${file}:2:3`);
  expect(where(["optim", "none"])).toBe(`${file}:3:1`);
  expect(where(["none"])).toBe(`${file}:1:1`);
});
