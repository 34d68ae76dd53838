import { join } from "node:path";
import { expect, test } from "vitest";
import { findCases } from "./case.ts";
import { replay } from "./replay.ts";

const cases = findCases(join(import.meta.dirname, "../../../test/golden"));

// Whole runs on several ranks take several processes: test/ranks.test.ts replays them.
const unsupported = /^train\/.*-w2/;

test.each(cases)("golden $name", (golden) => {
  const verdict = replay(golden);
  if (verdict.status === "failed")
    throw new Error(`${verdict.case}: ${verdict.failures.join(", ")}; max rel ${verdict.maxRel}`);
  expect(verdict.status).toBe(unsupported.test(golden.name) ? "unsupported" : "ok");
});
