// What a checkpoint's small files may have become since they were written.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { addEvaluation, pruneCheckpoints } from "./kept.ts";
import { readState } from "./run-files.ts";
import { findDamage, seal } from "./seal.ts";

let run: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), "fastclip-checkpoint-"));
});
afterEach(() => rmSync(run, { recursive: true }));

const state = { step: 7, epoch: 1, stepOfEpoch: 3, dataset: { size: 24, fingerprint: "0123456789abcdef" } };

function checkpoint(step: number): string {
  const path = join(run, "checkpoints", `step-${String(step).padStart(9, "0")}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "state.json"), JSON.stringify({ ...state, step }));
  seal(path);
  return path;
}

test.each([
  ["", "it is no JSON object"],
  ["[]", "it is no JSON object"],
  ["null", "it is no JSON object"],
  [JSON.stringify({ ...state, step: -1 }), "it has no valid step"],
  [JSON.stringify({ ...state, epoch: 1.5 }), "it has no valid epoch"],
  [JSON.stringify({ ...state, dataset: { size: 24 } }), "it has no valid dataset.fingerprint"],
])("the state %s is refused", (text, what) => {
  const path = checkpoint(7);
  expect(readState(path)).toEqual(state);
  writeFileSync(join(path, "state.json"), text);
  expect(() => readState(path)).toThrow(`${join(path, "state.json")} is damaged: ${what}`);
});

test.each(["", "null", "[]", "1", '{"state.json":1}', '{"../x":"0"}', '{".":"0"}', '{"":"0"}', '{"a\\u0000":"0"}'])(
  "the seal %s is damage",
  (text) => {
    const path = checkpoint(7);
    expect(findDamage(path)).toBeUndefined();
    writeFileSync(join(path, "sha256.json"), text);
    expect(findDamage(path)).toBe("sha256.json is damaged");
  },
);

test.each(["", "null", "{}", "[null]", '[{"metric":"top-1","value":"2"}]'])(
  "the evaluation %s rates no checkpoint",
  (text) => {
    const [first, second, last] = [checkpoint(1), checkpoint(2), checkpoint(3)];
    addEvaluation(first!, [{ split: "all", metric: "top-1", value: 0.5, chance: 0.1, count: 8 }]);
    writeFileSync(join(second!, "evaluation.json"), text);
    pruneCheckpoints(run, { keepLast: 1, keepBest: "top-1", saveFrequency: 0, except: new Set() });
    expect([first, second, last].map((path) => existsSync(path!))).toEqual([true, false, true]);
  },
);

test("the seal takes the hashes that it is given, and computes the others", () => {
  const path = checkpoint(7);
  const computed = JSON.parse(readFileSync(join(path, "sha256.json"), "utf8"));
  rmSync(join(path, "sha256.json"));
  writeFileSync(join(path, "weights"), "");
  const given = "0".repeat(64);
  seal(path, { weights: given });
  expect(JSON.parse(readFileSync(join(path, "sha256.json"), "utf8"))).toEqual({ ...computed, weights: given });
  expect(findDamage(path)).toBe("weights is not what was saved (its SHA-256 differs)");
});
