// The machines of tests and benchmarks keep to the speed that was set, and nothing of them stays behind.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { outcomes, startChild } from "../src/distributed/children.fixture.ts";
import { Machines, whyNoMachines } from "./support/machines.ts";

const reason = whyNoMachines();
let machines: Machines | undefined;
afterEach(() => {
  machines?.close();
  machines = undefined;
});

/** Bytes a second from one machine to another, through a process group of ours that broadcasts `numbers` float32. */
async function throughput({ all }: Machines, numbers: number): Promise<number> {
  const children = all.map(({ inside }, RANK) => {
    const place = { RANK, WORLD_SIZE: 2, LOCAL_RANK: 0, MASTER_ADDR: all[0]!.address, MASTER_PORT: 29_500 };
    return startChild({ task: "throughput", argument: `${numbers}`, place, inside });
  });
  const found = await outcomes(children);
  expect(found).toEqual(all.map(() => ({ result: expect.any(Number) })));
  return found[1]!.result as number; // the receiver's; the sender is ready when all is on its way
}

const namespaces = (): string => execFileSync("ip", ["netns", "list"], { encoding: "utf8" });

describe.skipIf(reason !== undefined)("machines", () => {
  test("a link carries what was set, and without a limit far more", async () => {
    machines = Machines.create(2);
    const numbers = 1e6; // 4 MB
    machines.shape(100e6);
    const shaped = await throughput(machines, numbers);
    machines.shape(undefined);
    const free = await throughput(machines, numbers);
    // 100 Mbit/s are 12.5 MB/s, of which headers take some 5 %. The fastest of three may have begun a little before it was timed.
    expect(shaped).toBeGreaterThan(0.75 * 12.5e6);
    expect(shaped).toBeLessThan(1.25 * 12.5e6);
    expect(free).toBeGreaterThan(4 * shaped);
  });

  test("counts what a machine sends, and reaches nothing outside", async () => {
    machines = Machines.create(2);
    const [first, second] = machines.all as [Machines["all"][number], Machines["all"][number]];
    const before = machines.sentBytes(first);
    const script = `
      const socket = require("dgram").createSocket("udp4");
      const send = (host) => new Promise((resolve) => socket.send(Buffer.alloc(1000), 9, host, (error) => resolve(error?.code)));
      (async () => {
        console.log(JSON.stringify([await send("${second.address}"), await send("192.0.2.1")]));
        socket.close();
      })();`;
    const child = machines.spawn(first, [process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [printed] = (await once(child.stdout!, "data")) as [Buffer];
    expect(JSON.parse(printed.toString())).toEqual([null, "ENETUNREACH"]);
    await once(child, "close");
    // 8 bytes of UDP, 20 of IP and 14 of Ethernet; and the question for the other's address, and words of IPv6 to its neighbours.
    const sent = machines.sentBytes(first) - before;
    expect(sent).toBeGreaterThanOrEqual(1042);
    expect(sent).toBeLessThan(1800);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("nothing stays after %s", async (signal) => {
    const { child, names } = await startMaker();
    child.kill(signal);
    expect(await once(child, "close")).toEqual([null, signal]);
    for (const name of names) expect(namespaces()).not.toContain(name);
  });

  test("what a killed process left goes when the next makes machines", async () => {
    const { child, names } = await startMaker();
    child.kill("SIGKILL");
    await once(child, "close");
    for (const name of names) expect(namespaces()).toContain(name);
    machines = Machines.create(1);
    for (const name of names) expect(namespaces()).not.toContain(name);
  });
});

test.skipIf(reason === undefined)("where there can be none, the reason is one sentence", () => {
  expect(reason).toMatch(/^[^\n]{10,300}$/);
});

async function startMaker() {
  const script = fileURLToPath(new URL("./children/machines.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, names: JSON.parse(line.toString()) as string[] };
}
