import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Child, outcomes, startGroup } from "./children.fixture.ts";

async function untilRunning(children: readonly Child[]): Promise<void> {
  while (!children.every(({ lines }) => lines.length > 0)) await delay(20);
}

test("ranks that wait for a killed one end at once and name it", async () => {
  const children = await startGroup(3, { task: "gatherForever" });
  await untilRunning(children);
  const start = performance.now();
  children[1]!.process.kill("SIGKILL");
  const [first, , last] = await outcomes(children);
  expect(performance.now() - start).toBeLessThan(8000);
  for (const end of [first!, last!]) {
    expect(end.error).toBe('features failed: rank 1 is lost, last seen in "step 3 or later"');
    expect(end.lost).toEqual([1]);
  }
});

test("when rank 0 is killed, the store that it served is gone", async () => {
  const children = await startGroup(2, { task: "gatherForever" });
  await untilRunning(children);
  children[0]!.process.kill("SIGKILL");
  const end = await children[1]!.end;
  expect(end.error).toMatch(/^features failed: rank 0, which served the store at 127\.0\.0\.1:\d+, is gone$/);
  expect(end.lost).toEqual([0]);
});

test("a stopped rank is named when the time is up", async () => {
  const children = await startGroup(2, { task: "gatherForever", options: { timeoutMs: 1500 } });
  await untilRunning(children);
  children[1]!.process.kill("SIGSTOP");
  const start = performance.now();
  const end = await children[0]!.end;
  children[1]!.process.kill("SIGKILL");
  expect(performance.now() - start).toBeLessThan(8000);
  expect(end.error).toBe('features failed: rank 1 is lost, last seen in "step 3 or later"');
});

test("a barrier names the rank that does not come, and what it does instead", async () => {
  const [first, second, third] = await outcomes(await startGroup(3, { task: "missBarrier" }));
  for (const end of [first!, second!]) {
    expect(end.error).toContain("rank 2 did not come within 1.5 s");
    expect(end.error).toContain('rank 2 is in "evaluate"');
  }
  expect(third).toEqual({ result: "done" });
});

test("a rank that leaves early says why", async () => {
  const [first, second] = await outcomes(await startGroup(2, { task: "leave" }));
  expect(first!.error).toBe("allGather failed: rank 1 has ended: its data has an end");
  expect(second).toEqual({ result: null });
});

test.each(["features", "sum", "scatter", "start", "batchNorm", "gradients"])(
  "%s are no longer waited for when the run is declared over",
  async (name) => {
    const children = await startGroup(2, { task: "declareOver", arguments: [name, ""] });
    const start = performance.now();
    const [first] = await outcomes(children);
    expect(performance.now() - start).toBeLessThan(15_000);
    expect(first!.error).toMatch(new RegExp(`^${name} failed: the wait was given up; rank 1 is in "starting"`));
  },
);

test("a failure inside of another collective is explained once, where it was", async () => {
  const [first, second] = await outcomes(await startGroup(2, { task: "leaveInside" }));
  expect(first!.error).toBe("batchNorm failed: rank 1 has ended: its data has an end");
  expect(second).toEqual({ result: null });
});
