// What a run of several processes does when one of them is killed, stopped or asked to end, or does not come at all.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { freePort } from "../src/distributed/children.fixture.ts";
import { listCheckpoints } from "../src/train/run-files.ts";
import {
  type Ended,
  endAll,
  living,
  type Started,
  startRanks,
  startTrain,
  trainRecords,
  until,
} from "./support/processes.ts";
import { writeShards, writeViT } from "./support/shards.ts";

let folder: string;
let flags: string[];
let shared: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-faults-"));
  const settings = {
    model: writeViT(folder),
    "train-data": await writeShards(folder, 2),
    logs: folder,
    precision: "fp32",
    "batch-size": 12,
    lr: 2e-3,
    "lr-scheduler": "const",
    "log-every-n-steps": 1,
  };
  flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  shared = readdirSync("/dev/shm");
});
afterEach(endAll);
afterAll(() => rmSync(folder, { recursive: true }));

/** A run that does not end by itself, on its way: every process has made some steps. */
async function running(
  size: number,
  { name, more = [] }: { name: string; more?: readonly string[] },
): Promise<Started> {
  const launcher = startTrain([...flags, "--name", name, "--nproc-per-node", `${size}`, "--epochs", "100000", ...more]);
  await until("the first checkpoint", () => listCheckpoints(join(folder, name)).length > 0);
  await new Promise((resolve) => setTimeout(resolve, 1500)); // what a process does is told with its signs of life, once a second
  return launcher;
}

function kill(rank: number, signal: NodeJS.Signals = "SIGKILL"): void {
  for (const pid of living({ rank })) process.kill(pid, signal);
}

/** The end of a launcher, which has to come within 30 s; and nothing of the run is left: no process, no memory, no port. */
async function ended(launcher: Started): Promise<Ended> {
  const started = performance.now();
  const end = await launcher.end;
  expect(performance.now() - started).toBeLessThan(30_000);
  expect(living()).toEqual([]);
  expect(readdirSync("/dev/shm")).toEqual(shared);
  return end;
}

/** What a rank said at its end. Throws with all that was said where it said nothing. */
function sentence(error: string, rank: number): string {
  const line = error.split("\n").find((text) => text.startsWith(`[rank ${rank}] `));
  if (line === undefined) throw new Error(`rank ${rank} said nothing:\n${error}`);
  return line;
}

test("killed in the middle of its steps: the others name it and what it did", async () => {
  const launcher = await running(3, { name: "killed" });
  kill(1);
  const { code, error } = await ended(launcher);
  expect(code).toBe(137);
  for (const rank of [0, 2])
    expect(sentence(error, rank)).toMatch(
      /fastclip: \w+ failed: rank 1 is lost, last seen in "step \d+: (forward|loss|backward|update|saving)"$/,
    );
  expect(error).toMatch(/^fastclip: rank 1 was killed by SIGKILL$/m);
});

test("killed in a collective, in which it waits for one that is stopped", async () => {
  const launcher = await running(2, { name: "waiting" });
  kill(0, "SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 3000)); // now rank 1 stands in a collective
  kill(1);
  kill(0, "SIGCONT");
  const { code, error } = await ended(launcher);
  expect(sentence(error, 0)).toMatch(/failed: rank 1 is lost, last seen in "step \d+: \w+"$/);
  expect(code).toBe(137);
});

test("killed while it saves: the checkpoint before is whole, and the run goes on from it", async () => {
  const launcher = await running(2, { name: "saving" });
  const checkpoints = join(folder, "saving", "checkpoints");
  await until("a checkpoint in the making", () => readdirSync(checkpoints).some((name) => name.includes(".partial-")));
  kill(0);
  const { error } = await ended(launcher);
  // The store is the launcher's, so that also what rank 0 did is known.
  expect(sentence(error, 1)).toMatch(/failed: rank 0 is lost, last seen in "step \d+: \w+"$/);
  const epochs = Math.ceil((trainRecords(join(folder, "saving")).at(-1)!.step + 1) / 4);
  const resumed = startTrain(["--resume", join(folder, "saving"), "--nproc-per-node", "2", "--epochs", `${epochs}`]);
  expect(await resumed.end).toMatchObject({ code: 0 });
  expect(readdirSync(checkpoints).filter((name) => name.includes(".partial-"))).toEqual([]);
});

test("started again after a kill, a run ends with the losses of one that was not disturbed", async () => {
  const whole = startTrain([...flags, "--name", "undisturbed", "--nproc-per-node", "2", "--epochs", "8"]);
  expect(await whole.end).toMatchObject({ code: 0 });
  const again = startTrain([
    ...flags,
    "--name",
    "again",
    "--nproc-per-node",
    "2",
    "--epochs",
    "8",
    "--max-restarts",
    "2",
  ]);
  await until("two checkpoints", () => listCheckpoints(join(folder, "again")).at(-1)?.endsWith("8") === true);
  kill(1);
  const { code, error } = await ended(again);
  expect(error).toContain("all processes start again (restart 1 of 2)");
  expect(code).toBe(0);
  const figures = (name: string) =>
    trainRecords(join(folder, name)).map(({ step, loss, tau, gradNorm }) => ({ step, loss, tau, gradNorm }));
  expect(figures("again")).toEqual(figures("undisturbed"));
  expect(figures("again")).toHaveLength(32);
});

test("SIGTERM ends all with a checkpoint and status 75, a second Ctrl-C at once", async () => {
  const launcher = await running(2, { name: "asked" });
  launcher.process.kill("SIGTERM");
  const { code, out } = await ended(launcher);
  expect(code).toBe(75);
  const [, step] = /stopped after step (\d+), which is saved/.exec(out) ?? [];
  expect(listCheckpoints(join(folder, "asked")).at(-1)).toMatch(new RegExp(`step-0*${step}$`));

  const other = await running(2, { name: "interrupted" });
  kill(1, "SIGSTOP"); // so that no step comes to its end
  await new Promise((resolve) => setTimeout(resolve, 1000));
  for (const _ of [1, 2]) {
    other.process.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect((await ended(other)).code).toBe(130);
});

test("a process that stands still is named in settable time", async () => {
  const launcher = await running(2, { name: "still", more: ["--dist-timeout", "4"] });
  kill(1, "SIGSTOP");
  await until("an end by rank 0", () => launcher.error().includes("[rank 0] fastclip:"), 20);
  expect(sentence(launcher.error(), 0)).toMatch(/failed: rank 1 is lost, last seen in "step/);
  // It is killed, since it does not end by itself.
  expect((await ended(launcher)).code).toBe(1);
});

test("a process that serves the store and stands still is named too, without a launcher", async () => {
  const more = ["--name", "served", "--epochs", "100000", "--dist-timeout", "4"];
  const ranks = await startRanks(2, { flags: [...flags, ...more] });
  await until("the first checkpoint", () => listCheckpoints(join(folder, "served")).length > 0);
  ranks[0]!.process.kill("SIGSTOP");
  const started = performance.now();
  const { code, error } = await ranks[1]!.end;
  expect(performance.now() - started).toBeLessThan(30_000);
  expect(error).toMatch(/^fastclip: \w+ failed: rank 0, which served the store at 127\.0\.0\.1:\d+, is gone\n$/);
  expect(code).toBe(1);
});

test.each([
  {
    name: "a process that never comes",
    rank: 0,
    says: /^fastclip: the processes did not all meet at 127\.0\.0\.1:\d+ within 2 s: rank 1 of 2 did not come\n$/,
  },
  {
    name: "nobody at the address",
    rank: 1,
    says: /^fastclip: no run answers at 127\.0\.0\.1:\d+ \(tried for 2 s\): rank 0 was not started, or this is not its address\n$/,
  },
])("$name", async ({ rank, says }) => {
  const place = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: 2, LOCAL_WORLD_SIZE: 2 };
  const variables = { ...place, MASTER_ADDR: "127.0.0.1", MASTER_PORT: await freePort() };
  const { code, error } = await startTrain([...flags, "--name", "lonely", "--join-timeout", "2"], { variables }).end;
  expect(error).toMatch(says);
  expect(code).toBe(1);
  expect(existsSync(join(folder, "lonely"))).toBe(false);
});

test("a port that is in use is named, and free again after a run", async () => {
  const port = await freePort();
  const [first, second] = await startRanks(2, { port, flags: [...flags, "--name", "port", "--epochs", "100000"] });
  await until("the meeting", () => first!.out().includes("2 processes"));
  const variables = { RANK: 0, LOCAL_RANK: 0, WORLD_SIZE: 2, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port };
  const { error, code } = await startTrain([...flags, "--name", "late"], { variables }).end;
  expect(error).toBe(`fastclip: port ${port} of this machine is in use: give the run another MASTER_PORT\n`);
  expect(code).toBe(1);
  await until("the first checkpoint", () => listCheckpoints(join(folder, "port")).length > 0);
  first!.process.kill("SIGTERM");
  for (const { end } of [first!, second!]) expect(await end).toMatchObject({ code: 75, error: "" });
  expect(await answers(port)).toBe(false);
});

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
