import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { leftBehind, ready, startLauncher, until } from "./launcher.fixture.ts";

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
  const launcher = startLauncher({ task: "stop when asked", processes: 3 });
  process.kill((await ready(launcher, 3))[1]!, "SIGKILL");
  expect(await launcher.end).toBe(128 + 9);
  expect(launcher.stderr.at(-1)).toBe("fastclip: rank 1 was killed by SIGKILL");
  expect(launcher.stdout.filter((line) => line.endsWith("got SIGTERM")).length).toBe(2);
  expect(leftBehind()).toEqual([]);
});

test("a process that dies by a signal of its own after another has failed is named too", async () => {
  const launcher = startLauncher({ task: "stop when asked", processes: 3, timing: { graceMs: 5000 } });
  const [first, second] = await ready(launcher, 3);
  process.kill(second!, "SIGKILL");
  await until(() => launcher.stderr.length > 0);
  process.kill(first!, "SIGSEGV");
  expect(await launcher.end).toBe(128 + 9);
  expect(launcher.stderr).toEqual([
    "fastclip: rank 1 was killed by SIGKILL; the other processes have 5 s to end",
    "fastclip: rank 0 was killed by SIGSEGV",
    "fastclip: rank 1 was killed by SIGKILL",
  ]);
});

test("ranks tell what a killed rank 0 was doing, from the store that outlives it", async () => {
  const launcher = startLauncher({ task: "gather forever", processes: 2, timing: { graceMs: 20_000 } });
  const [first] = await ready(launcher, 2);
  await delay(1000);
  process.kill(first!, "SIGKILL");
  expect(await launcher.end).toBe(128 + 9);
  expect(launcher.stderr.join("\n")).toContain('rank 0 is lost, last seen in "gathering"');
  expect(launcher.stderr.at(-1)).toBe("fastclip: rank 0 was killed by SIGKILL");
});

test("what nobody will send is waited for no more after a failure", async () => {
  const launcher = startLauncher({ task: "rank 0 gathers", processes: 4, timing: { graceMs: 5000 } });
  const pids = await ready(launcher, 4);
  await delay(1000);
  // In Gloo's ring rank 0 has nothing to do with rank 2.
  process.kill(pids[2]!, "SIGKILL");
  expect(await launcher.end).toBe(128 + 9);
  expect(launcher.stderr).toContain('[rank 0] PeerError: allGather failed: rank 2 is lost, last seen in "gathering"');
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

test("no process outlives a launcher that was killed while it started", async () => {
  const launcher = startLauncher({ task: "block", processes: 2 });
  await until(() => leftBehind().length === 3);
  launcher.process.kill("SIGKILL");
  await until(() => leftBehind().length === 0);
});
