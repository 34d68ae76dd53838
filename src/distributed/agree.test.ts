import { expect, test } from "vitest";
import { outcomes, startGroup } from "./children.fixture.ts";

const facts = {
  code: "1.0.0",
  configuration: { train: { lr: 0.001, seed: 1 } },
  shapes: { weight: [2, 3] },
  data: "ab12",
};

test("processes that were started alike go on", async () => {
  const same = JSON.stringify(facts);
  const results = await outcomes(await startGroup(2, { task: "agree", arguments: [same, same] }));
  expect(results).toEqual([{ result: null }, { result: null }]);
});

test("every rank names the rank that differs, and how", async () => {
  const other = { ...facts, configuration: { train: { lr: 0.01 } }, shapes: { weight: [2, 4] } };
  const args = [facts, facts, other].map((entry) => JSON.stringify(entry));
  const results = await outcomes(await startGroup(3, { task: "agree", arguments: args }));
  const error =
    "rank 2 was not started as rank 0 was: configuration.train.lr is 0.01 there and 0.001 on rank 0; " +
    "configuration.train.seed is missing there and 1 on rank 0; shapes.weight.1 is 4 there and 3 on rank 0";
  expect(results).toEqual([{ error }, { error }, { error }]);
});
