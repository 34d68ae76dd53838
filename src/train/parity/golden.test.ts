import { join } from "node:path";
import { expect, test } from "vitest";
import { findCases } from "./case.ts";
import { replay } from "./replay.ts";

const cases = findCases(join(import.meta.dirname, "../../../test/golden"));

// What the project does not do yet. A case leaves this list when its part is built, never the other way round.
const unsupported = /^loss\/clip-w2-(local0|local1-grad0)|^train\/.*-w2/;

test.each(cases)("golden $name", (golden) => {
  const verdict = replay(golden);
  if (verdict.status === "failed")
    throw new Error(`${verdict.case}: ${verdict.failures.join(", ")}; max rel ${verdict.maxRel}`);
  expect(verdict.status).toBe(unsupported.test(golden.name) ? "unsupported" : "ok");
});
