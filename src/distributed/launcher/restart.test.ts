import { expect, test } from "vitest";
import { restartProblem } from "./restart.ts";

test("a run that is started again needs a name", () => {
  const torchrun = { TORCHELASTIC_MAX_RESTARTS: "3" };
  expect(restartProblem(torchrun, {})).toMatch(/TORCHELASTIC_MAX_RESTARTS=3.*give --name$/);
  expect(restartProblem(torchrun, { name: "first" })).toBeUndefined();
  expect(restartProblem(torchrun, { resume: "runs/first" })).toBeUndefined();
  expect(restartProblem({ TORCHELASTIC_MAX_RESTARTS: "0" }, {})).toBeUndefined();
  expect(restartProblem({}, {})).toBeUndefined();
});
