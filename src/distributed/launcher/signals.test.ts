import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { freePort } from "../children.fixture.ts";
import { type Launcher, leftBehind, ready, startLauncher, until } from "./launcher.fixture.ts";

const got = ({ stdout }: Launcher, signal: string): number =>
  stdout.filter((line) => line.endsWith(`got ${signal}`)).length;

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s is passed on, and a run that stops so is not started again",
  async (signal) => {
    const launcher = startLauncher({ task: "stop when asked", processes: 2, maxRestarts: 3 });
    await ready(launcher, 2);
    launcher.process.kill(signal);
    expect(await launcher.end).toBe(75);
    expect(got(launcher, signal)).toBe(2);
    expect(launcher.stderr).toEqual([]);
    expect(leftBehind()).toEqual([]);
  },
);

test("a failure after a signal ends the run too", async () => {
  const launcher = startLauncher({ task: "stop when asked twice", processes: 2, maxRestarts: 3 });
  await ready(launcher, 2);
  launcher.process.kill("SIGINT");
  await until(() => got(launcher, "SIGINT") === 2);
  launcher.process.kill("SIGINT");
  expect(await launcher.end).toBe(130);
  expect(launcher.stderr.at(-1)).toMatch(/^fastclip: rank [01] ended with status 130$/);
});

test("who ignores a second SIGINT is killed", async () => {
  const launcher = startLauncher({ task: "never stop", processes: 2 });
  await ready(launcher, 2);
  launcher.process.kill("SIGINT");
  await until(() => got(launcher, "SIGINT") === 2);
  launcher.process.kill("SIGINT");
  expect(await launcher.end).toBe(130);
  expect(launcher.stderr).toEqual([
    "fastclip: rank 0 did not end and was killed",
    "fastclip: rank 1 did not end and was killed",
  ]);
  expect(leftBehind()).toEqual([]);
});

test("a terminal's Ctrl-C reaches the launcher alone", async () => {
  const launcher = startLauncher({ task: "stop when asked", processes: 2 });
  const pids = await ready(launcher, 2);
  // As a terminal does it: to all of the group.
  const { pid } = launcher.process;
  const groups = [pid!, ...pids].map(groupOf);
  expect(new Set(groups).size).toBe(3);
  launcher.process.kill("SIGTERM");
  expect(await launcher.end).toBe(75);
});

test("a launcher that still waits for other machines ends at once", async () => {
  const cluster = { nodes: 2, node: 0, host: "127.0.0.1", port: await freePort(), joinTimeoutMs: 60_000 };
  const other = startLauncher({ task: "block", cluster: { ...cluster, node: 1, port: await freePort() } });
  const head = startLauncher({ task: "block", cluster });
  await until(() => [head, other].every(({ stderr }) => stderr.some((line) => line.includes(" waits for "))));
  for (const launcher of [head, other]) launcher.process.kill("SIGTERM");
  expect(await Promise.all([head.end, other.end])).toEqual([143, 143]);
  expect(leftBehind()).toEqual([]);
});

/** The process group, the fifth field of proc(5)'s stat. */
function groupOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]!;
}
