import { expect, test } from "vitest";
import { startLauncher } from "./launcher.fixture.ts";
import { restartProblem } from "./restart.ts";

test("a run that is started again needs a name", () => {
  const torchrun = { TORCHELASTIC_MAX_RESTARTS: "3" };
  expect(restartProblem(torchrun, {})).toMatch(/TORCHELASTIC_MAX_RESTARTS=3.*give --name$/);
  expect(restartProblem(torchrun, { name: "first" })).toBeUndefined();
  expect(restartProblem(torchrun, { resume: "runs/first" })).toBeUndefined();
  expect(restartProblem({ TORCHELASTIC_MAX_RESTARTS: "0" }, {})).toBeUndefined();
  expect(restartProblem({}, {})).toBeUndefined();
});

test("all are started again after a failure, under another number", async () => {
  const launcher = startLauncher({ task: "rank 1 fails at first", processes: 2, maxRestarts: 1 });
  expect(await launcher.end).toBe(0);
  expect([...launcher.stdout].sort()).toEqual(["[rank 0] [0,1,1,1]", "[rank 1] [0,1,1,1]"]);
  expect(launcher.stderr.slice(-2)).toEqual([
    "fastclip: rank 1 ended with status 1",
    "fastclip: all processes start again (restart 1 of 1)",
  ]);
});

test("a failure that another start cannot mend is not tried again", async () => {
  const launcher = startLauncher({ task: "wrong settings", processes: 1, maxRestarts: 5 });
  expect(await launcher.end).toBe(2);
  expect(launcher.stderr).toEqual(["fastclip: rank 0 ended with status 2"]);
});
