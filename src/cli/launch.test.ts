import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { afterEach, expect, test } from "vitest";
import { addLaunchOptions, isFirst, type LaunchFlags, launchOptions, processesOf } from "./launch.ts";

const root = resolve(import.meta.dirname, "../..");
const logs = mkdtempSync(join(tmpdir(), "fastclip-launch-"));
afterEach(() => rmSync(logs, { recursive: true, force: true }));

function flagsOf(...words: string[]): LaunchFlags {
  const command = addLaunchOptions(new Command("train").exitOverride().configureOutput({ writeErr: () => {} }));
  return command.parse(words, { from: "user" }).opts();
}

const options = (...words: string[]): ReturnType<typeof launchOptions> =>
  launchOptions(flagsOf(...words), { environment: {}, joinTimeout: 7 });
const cluster = ["--nnodes", "2", "--node-rank", "1", "--rdzv", "[fd00::1]:29400"];

test("a single process that is not to be started again is this one", () => {
  expect(options()).toBeUndefined();
  expect(options("--nproc-per-node", "1", "--nnodes", "1", "--node-rank", "0", "--rdzv", "a:1")).toBeUndefined();
  expect(options("--max-restarts", "1")).toMatchObject({ processes: 1, cluster: undefined, maxRestarts: 1 });
});

test("several machines", () => {
  const { cluster: parsed } = options(...cluster)!;
  expect(parsed).toEqual({ nodes: 2, node: 1, host: "fd00::1", port: 29_400, joinTimeoutMs: 7000 });
  expect(processesOf(flagsOf(...cluster, "--nproc-per-node", "4"))).toBe(8);
  expect(processesOf(flagsOf("--max-restarts", "2"))).toBeUndefined();
});

test("an older run may be in the folder only where the job was queued again, or another node began", () => {
  expect(isFirst(options("--nproc-per-node", "2")!, {})).toBe(true);
  expect(isFirst(options("--nproc-per-node", "2")!, { SLURM_RESTART_COUNT: "1" })).toBe(false);
  expect(isFirst(options(...cluster)!, {})).toBe(false);
});

test.each([
  [["--nproc-per-node", "0"], "argument '0' is invalid. Expected a whole number of at least 1."],
  [["--max-restarts", "x"], "argument 'x' is invalid. Expected a whole number of at least 0."],
  [["--rdzv", "gpu-a"], "argument 'gpu-a' is invalid. Expected HOST:PORT with a port from 1 to 65535."],
  [["--rdzv", "gpu-a:70000"], "Expected HOST:PORT with a port from 1 to 65535."],
  [["--rdzv", "fd00::1:29400"], "Expected HOST:PORT with a port from 1 to 65535."],
  [["--nnodes", "2", "--node-rank", "2"], "--node-rank 2: must be less than --nnodes, which is 2"],
  [["--node-rank", "1"], "--node-rank 1: must be less than --nnodes, which is 1"],
  [["--nnodes", "2"], "--nnodes 2: needs --node-rank, which says which machine this is (0 to 1)"],
  [
    ["--nnodes", "2", "--node-rank", "0"],
    "--nnodes 2: needs --rdzv HOST:PORT, an address of node 0 that all machines reach",
  ],
])("%j is refused", (words, sentence) => {
  expect(() => options(...words)).toThrow(sentence);
});

test("a process of a run launches none, but a machine that PyTorchJob numbers does", () => {
  const launch = (environment: Record<string, string>, ...words: string[]): unknown =>
    launchOptions(flagsOf("--nproc-per-node", "2", ...words), { environment, joinTimeout: 7 });
  const refusal = "another launcher has started this process already (RANK=1 is set)";
  expect(() => launch({ RANK: "1", WORLD_SIZE: "2", LOCAL_RANK: "1" })).toThrow(refusal);
  expect(() => launch({ RANK: "1", WORLD_SIZE: "2" })).toThrow(refusal);
  expect(() => launch({ RANK: "1", WORLD_SIZE: "2", LOCAL_RANK: "0" }, ...cluster)).toThrow(refusal);
  expect(launch({ RANK: "1", WORLD_SIZE: "2" }, ...cluster)).toMatchObject({ processes: 2 });
});

function train(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const args = ["--import", "tsx", join(root, "src/cli/main.ts"), "train", "--logs", logs, ...words];
  return spawnSync(process.execPath, args, { encoding: "utf8", cwd: root });
}

test("fastclip train starts itself, and ends as its processes do", () => {
  const result = train("--train-data", join(logs, "none.tar"), "--nproc-per-node=2", "--max-restarts", "0");
  expect(result.status).toBe(1);
  for (const rank of [0, 1])
    expect(result.stderr).toMatch(new RegExp(`^\\[rank ${rank}\\] fastclip: .*none\\.tar`, "m"));
  expect(result.stderr).toMatch(/^fastclip: rank [01] ended with status 1\n$/m);
});

test("a folder that holds a run is refused before anything starts", () => {
  mkdirSync(join(logs, "old"), { recursive: true });
  writeFileSync(join(logs, "old", "config.yaml"), "");
  const result = train("--train-data", "none.tar", "--name", "old", "--nproc-per-node", "2");
  expect(result).toMatchObject({ status: 2, stdout: "" });
  expect(result.stderr).toMatch(/^fastclip: \S+old holds a run already: /);
});

test("--dry-run plans for the processes of all machines and starts none", () => {
  const words = ["--train-data", "none.tar", "--train-num-samples", "6400", "--batch-size", "64", "--dry-run"];
  const result = train(...words, "--nproc-per-node", "4", "--nnodes", "2");
  expect(result).toMatchObject({ status: 0, stderr: "" });
  expect(result.stdout).toMatch(/batch +64 pairs, 8 in each process/);
  expect(existsSync(join(logs, "old"))).toBe(false);
  const both = train(...words, "--nproc-per-node", "4", "--world-size", "8");
  expect(both).toMatchObject({ status: 2, stdout: "" });
  expect(both.stderr).toBe(
    "fastclip: --world-size: --nproc-per-node and --nnodes say already that there are 4 processes\n",
  );
});
