import { createServer } from "node:net";
import { expect, test } from "vitest";
import { freePort } from "../children.fixture.ts";
import { ends, startLauncher, until } from "./launcher.fixture.ts";

test("a machine that does not come is named on those that have come", async () => {
  const port = await freePort();
  const cluster = { nodes: 3, node: 0, host: "127.0.0.1", port, joinTimeoutMs: 10_000 };
  const nodes = [0, 1].map((node) => startLauncher({ task: "end well", cluster: { ...cluster, node } }));
  expect(await ends(nodes)).toEqual([1, 1]);
  const sentence = "fastclip: node 2 of 3 did not come within 10 s (--join-timeout)";
  for (const { stderr } of nodes) expect(stderr).toContain(sentence);
});

test("where nobody waits, the address is named", async () => {
  const port = await freePort();
  const cluster = { nodes: 2, node: 1, host: "127.0.0.1", port, joinTimeoutMs: 1000 };
  const launcher = startLauncher({ task: "end well", cluster });
  expect(await launcher.end).toBe(1);
  expect(launcher.stderr.join("\n")).toMatch(
    new RegExp(
      `^fastclip: no launcher of node 0 was found at 127.0.0.1:${port} for 1 s \\(--join-timeout\\): .*ECONNREFUSED`,
      "m",
    ),
  );
});

test("a port in use, and another service at the port", async () => {
  const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0);
  try {
    const { port } = server.address() as { port: number };
    const cluster = { nodes: 2, host: "127.0.0.1", port, joinTimeoutMs: 5000 };
    const nodes = [0, 1].map((node) => startLauncher({ task: "end well", cluster: { ...cluster, node } }));
    expect(await ends(nodes)).toEqual([1, 1]);
    expect(nodes[0]!.stderr).toContain(
      `fastclip: port ${port} of this machine is in use: give all nodes another one by --rdzv`,
    );
    expect(nodes[1]!.stderr.at(-1)).toBe(
      `fastclip: node 0, whose launcher was at 127.0.0.1:${port}, is lost: it does not speak as a launcher does`,
    );
  } finally {
    server.close();
  }
});

test("a number that is taken, and another number of machines, are refused", async () => {
  const port = await freePort();
  const cluster = { nodes: 3, node: 0, host: "127.0.0.1", port, joinTimeoutMs: 30_000 };
  const [head, first] = [0, 1].map((node) => startLauncher({ task: "end well", cluster: { ...cluster, node } }));
  await until(() => head!.stderr.some((line) => line.startsWith("fastclip: node 1 is here")));
  const again = startLauncher({ task: "end well", cluster: { ...cluster, node: 1 } });
  const fewer = startLauncher({ task: "end well", cluster: { ...cluster, nodes: 2, node: 1 } });
  expect(await ends([again, fewer])).toEqual([1, 1]);
  expect(again.stderr.at(-1)).toMatch(
    /^fastclip: --node-rank 1 is taken by .*: each machine needs a number of its own$/,
  );
  expect(fewer.stderr.at(-1)).toBe("fastclip: node 1 was started with --nnodes 2, node 0 with --nnodes 3");
  // The first of them still waits, and the run goes on once the last has come.
  const last = startLauncher({ task: "end well", cluster: { ...cluster, node: 2 } });
  expect(await ends([head!, first!, last])).toEqual([0, 0, 0]);
});
