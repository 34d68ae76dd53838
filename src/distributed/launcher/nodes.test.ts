import { expect, test } from "vitest";
import { freePort } from "../children.fixture.ts";
import { ends, type Launcher, leftBehind, ready, startLauncher, type TestOptions, until } from "./launcher.fixture.ts";

/** Launchers of several machines, all of them on this one. */
async function startNodes(nodes: readonly Partial<TestOptions>[], common: TestOptions): Promise<Launcher[]> {
  const port = await freePort();
  return nodes.map((options, node) => {
    const cluster = { nodes: nodes.length, node, host: "127.0.0.1", port, joinTimeoutMs: 30_000 };
    return startLauncher({ ...common, ...options, cluster: { ...cluster, ...options.cluster } });
  });
}

test("two machines of different size; a failure on one starts all again", async () => {
  const nodes = await startNodes([{ processes: 1, maxRestarts: 1 }, { processes: 2 }], {
    task: "node 1 fails at first",
  });
  const [head, other] = nodes;
  expect(await ends(nodes)).toEqual([0, 0]);
  const second = "[0,1,1,1,2,1]";
  expect(head!.stdout.at(-1)).toBe(`[rank 0] ${second}`);
  expect(other!.stdout.slice(-2).sort()).toEqual([`[rank 1] ${second}`, `[rank 2] ${second}`]);
  expect(head!.stderr).toContain("fastclip: all processes start again (restart 1 of 1)");
  expect(head!.stderr.join("\n")).toMatch(/^fastclip: rank [12] \(node 1\) ended with status 4$/m);
  expect(leftBehind()).toEqual([]);
});

test("a failure on one machine ends both, with its status", async () => {
  const nodes = await startNodes([{ processes: 2 }, { processes: 1 }], { task: "rank 1 fails" });
  expect(await ends(nodes)).toEqual([3, 3]);
  for (const { stderr } of nodes) expect(stderr.at(-1)).toBe("fastclip: rank 1 (node 0) ended with status 3");
  expect(leftBehind()).toEqual([]);
});

test.each([
  { name: "another machine's", killed: 1, survivor: 0 },
  { name: "node 0's", killed: 0, survivor: 1 },
])("when $name launcher is killed, all processes end and it is named", async ({ killed, survivor }) => {
  const nodes = await startNodes([{ processes: 2 }, { processes: 2 }], { task: "block" });
  await Promise.all(nodes.map((launcher) => ready(launcher, 2)));
  nodes[killed]!.process.kill("SIGKILL");
  expect(await nodes[survivor]!.end).toBe(1);
  const { stderr } = nodes[survivor]!;
  expect(stderr.at(-1)).toMatch(
    new RegExp(`^fastclip: node ${killed}.* is lost: the connection with its launcher was closed`),
  );
  expect(leftBehind()).toEqual([]);
});

test("a silent launcher is lost too", async () => {
  const nodes = await startNodes([{ processes: 1 }, { processes: 1 }], { task: "block", timing: { beatMs: 1000 } });
  await Promise.all(nodes.map((launcher) => ready(launcher, 1)));
  nodes[1]!.process.kill("SIGSTOP");
  expect(await nodes[0]!.end).toBe(1);
  expect(nodes[0]!.stderr.at(-1)).toMatch(/^fastclip: node 1 .* is lost: its launcher was silent for 4 s$/);
  nodes[1]!.process.kill("SIGKILL");
  await until(() => leftBehind().length === 0);
});
