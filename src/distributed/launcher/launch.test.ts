import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { leftBehind, ready, startLauncher, until } from "./launcher.fixture.ts";

test("each process gets torchrun's variables, and the name of the run", async () => {
  const launcher = startLauncher({ task: "environment", processes: 2, maxRestarts: 3, name: "first" });
  expect(await launcher.end).toBe(0);
  const variables = [...launcher.stdout].sort().map((line) => JSON.parse(line.slice("[rank 0] ".length)));
  const common = {
    WORLD_SIZE: "2",
    LOCAL_WORLD_SIZE: "2",
    GROUP_RANK: "0",
    GROUP_WORLD_SIZE: "1",
    MASTER_ADDR: "127.0.0.1",
    MASTER_PORT: expect.stringMatching(/^\d+$/),
    TORCHELASTIC_RESTART_COUNT: "0",
    TORCHELASTIC_MAX_RESTARTS: "3",
    TORCHELASTIC_RUN_ID: variables[0].TORCHELASTIC_RUN_ID,
    TORCHELASTIC_USE_AGENT_STORE: "True",
    OMP_NUM_THREADS: "1",
    arguments: ["--name", "first"],
  };
  expect(variables).toEqual([0, 1].map((rank) => ({ ...common, RANK: `${rank}`, LOCAL_RANK: `${rank}` })));
  expect(leftBehind()).toEqual([]);
});

test("the processes meet at the launcher's store", async () => {
  const launcher = startLauncher({ task: "gather", processes: 2 });
  expect(await launcher.end).toBe(0);
  expect([...launcher.stdout].sort()).toEqual(["[rank 0] [0,0,1,0]", "[rank 1] [0,0,1,0]"]);
});

test("lines come whole, with the rank before them", async () => {
  const launcher = startLauncher({ task: "lines", processes: 3 });
  expect(await launcher.end).toBe(0);
  for (const rank of [0, 1, 2]) {
    const prefix = `[rank ${rank}] `;
    const own = launcher.stdout.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
    expect(own).toEqual([...Array.from({ length: 200 }, (_, i) => `line ${i} of rank ${rank} ä`), "the end"]);
    expect(launcher.stderr.filter((line) => line.startsWith(prefix))).toEqual(
      [0, 50, 100, 150].map((i) => `${prefix}error ${i}`),
    );
  }
  expect(launcher.stdout.length).toBe(603);
});

test("when one fails, the others get time and are asked to end; the first failure is the status", async () => {
  const launcher = startLauncher({ task: "rank 1 fails", processes: 2 });
  expect(await launcher.end).toBe(3);
  expect(launcher.stderr).toEqual([
    "fastclip: rank 1 ended with status 3; the other processes have 1.5 s to end",
    "fastclip: rank 1 ended with status 3",
  ]);
  expect(leftBehind()).toEqual([]);
});

test("a killed process is named, with a shell's status for its signal", async () => {
  const launcher = startLauncher({ task: "rank 1 is killed", processes: 3 });
  expect(await launcher.end).toBe(128 + 9);
  expect(launcher.stderr.at(-1)).toBe("fastclip: rank 1 was killed by SIGKILL");
  expect(launcher.stdout.filter((line) => line.endsWith("got SIGTERM")).length).toBe(2);
  expect(leftBehind()).toEqual([]);
});

test("ranks tell what a killed rank 0 was doing, from the store that outlives it", async () => {
  const launcher = startLauncher({ task: "gather forever", processes: 2, timing: { graceMs: 20_000 } });
  const [first] = await ready(launcher, 2);
  await delay(500);
  process.kill(first!, "SIGKILL");
  expect(await launcher.end).toBe(128 + 9);
  expect(launcher.stderr.join("\n")).toContain('rank 0 is lost, last seen in "gathering"');
  expect(launcher.stderr.at(-1)).toBe("fastclip: rank 0 was killed by SIGKILL");
});

test("a stopped process is killed after the others have failed", async () => {
  const launcher = startLauncher({ task: "block", processes: 2 });
  const [first, second] = await ready(launcher, 2);
  process.kill(second!, "SIGSTOP");
  process.kill(first!, "SIGKILL");
  expect(await launcher.end).toBe(128 + 9);
  expect(launcher.stderr.slice(-2)).toEqual([
    "fastclip: rank 1 did not end and was killed",
    "fastclip: rank 0 was killed by SIGKILL",
  ]);
  expect(leftBehind()).toEqual([]);
});

test("no process outlives a killed launcher, also while its thread is blocked", async () => {
  const launcher = startLauncher({ task: "block", processes: 2 });
  await ready(launcher, 2);
  expect(leftBehind().length).toBe(3);
  launcher.process.kill("SIGKILL");
  await until(() => leftBehind().length === 0);
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
