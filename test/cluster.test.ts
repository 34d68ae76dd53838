// A run on two machines of two processes each: network namespaces with an address of their own, a slow link between them, and no
// folder in common.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { listCheckpoints } from "../src/train/run-files.ts";
import { type Machine, Machines, whyNoMachines } from "./support/machines.ts";
import { type Ended, endAll, living, type Started, startTrain, trainRecords, until } from "./support/processes.ts";
import { writeShards, writeViT } from "./support/shards.ts";

const reason = whyNoMachines();
if (reason !== undefined) console.warn(`no machines for test/cluster.test.ts: ${reason}`);

let machines: Machines;
let folder: string;
/** Of both machines the same path, and on each another folder. */
let logs: string;
let config: string;

const loss = "fastclip-v2"; // it keeps the most of every pair

beforeAll(async () => {
  if (reason !== undefined) return;
  machines = Machines.create(2);
  machines.shape(100e6);
  folder = mkdtempSync(join(tmpdir(), "fastclip-cluster-"));
  logs = join(folder, "logs");
  for (const name of ["logs", "disk0", "disk1"]) mkdirSync(join(folder, name));
  config = join(folder, "run.yaml");
  const settings = {
    model: { name: writeViT(folder), precision: "fp32" },
    data: { train: await writeShards(folder, 2) },
    run: { logs, batchSize: 12, epochs: 6, logEvery: 1 },
    loss: { kind: loss },
    optim: { kind: "sgd", lr: 0.1, warmup: 0 },
    distributed: { joinTimeout: 60 },
  };
  writeFileSync(config, JSON.stringify(settings)); // YAML holds JSON
});
afterEach(endAll);
afterAll(() => {
  if (reason !== undefined) return;
  machines.close();
  rmSync(folder, { recursive: true });
});

/** The folder that a machine has at `logs`. */
const disk = (node: number, ...path: string[]): string => join(folder, `disk${node}`, ...path);

/** On each machine a launcher, which sees its own disk at `logs`. */
function start(flags: readonly string[], { nodes = 2 } = {}): Started[] {
  return machines.all.slice(0, nodes).map((machine, node) => {
    const mount = ["unshare", "-m", "sh", "-c", `mount --bind ${disk(node)} ${logs} && exec "$@"`, "sh"];
    return startTrain(["--config", config, ...flags, ...place(machines.all[0]!, { nodes, node })], {
      inside: [...machine.inside, ...mount],
    });
  });
}

function place({ address }: Machine, { nodes, node }: { nodes: number; node: number }): string[] {
  const here = ["--nproc-per-node", "2", "--nnodes", `${nodes}`, "--node-rank", `${node}`];
  return nodes === 1 ? here.slice(0, 2) : [...here, "--rdzv", `${address}:29400`];
}

const ends = (launchers: readonly Started[]): Promise<Ended[]> => Promise.all(launchers.map(({ end }) => end));

const figures = (run: string) => trainRecords(run).map(({ step, loss, gradNorm = 0 }) => ({ step, loss, gradNorm }));

describe.skipIf(reason !== undefined)("two machines of two processes", () => {
  test("train, each with a whole table of pairs, and say what they sent", async () => {
    const [first, second] = await ends(start(["--name", "whole"]));
    expect([first!.code, second!.code]).toEqual([0, 0]);
    expect(first!.out).toContain("4 processes on several machines, each 3 pairs of every batch, 4 steps an epoch");
    expect(second!.out).toBe("");
    expect(trainRecords(disk(0, "whole"))).toHaveLength(24);
    const own = readFileSync(disk(1, "whole", "pairs-node1.f32"));
    expect(own.length).toBe(10 * 4 * 48);
    expect(own.equals(readFileSync(disk(0, "whole", "pairs.f32")))).toBe(true);
    expect(existsSync(disk(1, "whole", "metrics.jsonl"))).toBe(false);
    // 12 pairs: two features of 32 numbers and an id each; four scalars for each side.
    for (const { traffic } of trainRecords(disk(0, "whole")))
      expect([traffic!["features"]!.bytes, traffic!["scalars"]!.bytes]).toEqual([
        12 * (2 * 32 * 4 + 8),
        12 * 2 * 4 * 4,
      ]);
  });

  test("lose a process, start again on both, and end as if nothing had happened", async () => {
    const launchers = start(["--name", "again", "--max-restarts", "1"]);
    await until("a checkpoint", () => listCheckpoints(disk(0, "again")).length > 0);
    for (const pid of living({ rank: 3 })) process.kill(pid, "SIGKILL");
    const [first, second] = await ends(launchers);
    expect([first!.code, second!.code]).toEqual([0, 0]);
    expect(first!.error).toMatch(/\[rank 0\] fastclip: \w+ failed: rank 3 is lost, last seen in "step \d+: \w+"/);
    expect(figures(disk(0, "again"))).toEqual(figures(disk(0, "whole")));
    expect(readFileSync(disk(1, "again", "pairs-node1.f32")).equals(readFileSync(disk(0, "whole", "pairs.f32")))).toBe(
      true,
    );
  });

  test("without restarts end with a sentence on both, and one machine goes on alone", async () => {
    const launchers = start(["--name", "alone"]);
    await until("a checkpoint", () => listCheckpoints(disk(0, "alone")).length > 0);
    for (const pid of living({ rank: 1 })) process.kill(pid, "SIGKILL");
    const [first, second] = await ends(launchers);
    expect(first!.code).toBe(137);
    expect(second!.code).not.toBe(0);
    for (const rank of [2, 3])
      expect(second!.error).toMatch(
        new RegExp(`\\[rank ${rank}\\] fastclip: \\w+ failed: rank 1 is lost, last seen in`),
      );
    expect(living()).toEqual([]);

    const [resumed] = await ends(start(["--resume", join(logs, "alone")], { nodes: 1 }));
    expect(resumed).toMatchObject({ code: 0 });
    const [alone, whole] = [figures(disk(0, "alone")), figures(disk(0, "whole"))];
    expect(alone.map(({ step }) => step)).toEqual(whole.map(({ step }) => step));
    for (const [i, { loss, gradNorm }] of whole.entries()) {
      expect(Math.abs(alone[i]!.loss / loss - 1)).toBeLessThan(1e-5);
      expect(Math.abs(alone[i]!.gradNorm / gradNorm - 1)).toBeLessThan(1e-4);
    }
  });
});
