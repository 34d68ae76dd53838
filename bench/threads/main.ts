// How many threads compute and how many load: `fastclip train` on the demonstration data with every combination, and which one the rule takes.
//   npx tsx bench/threads/main.ts [--data data/demo] [--threads 1,2] [--workers 1,2] [--steps 80] [--turns 2] [--json FILE] [--docs]
// Each run is RN-Ti-64 with FastCLIP-v3 at batch 64 in float32, ended after so many steps; combinations take turns. Then each has a shorter run
// beside a program that keeps one core busy, where some are very slow. The first steps wait for the loader's threads to start, and are told apart
// from all later ones. Without --threads it is 1, 2, ... up to all cores: each up to 4, beyond by powers of two, and what the rule takes.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { readMetrics } from "../../src/telemetry/metrics.ts";
import { runFiles } from "../../src/train/run-files.ts";
import { computeThreads } from "../../src/train/threads.ts";
import { type DemoRun, demoData, demoModel, ourRun, ourStep } from "../support/demo.ts";
import { describeMachine, markdownTable, median, short, tell } from "../support/measure.ts";
import { secondsUntil } from "../support/process.ts";
import { type SpeedOfRun, speedOf } from "./waiting.ts";

const { values: flags } = parseArgs({
  options: {
    data: { type: "string", default: "data/demo" },
    threads: { type: "string" },
    workers: { type: "string", default: "1,2" },
    steps: { type: "string", default: "80" },
    turns: { type: "string", default: "2" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const steps = Number(flags.steps);
const logEvery = 5;
const beginning = 2 * logEvery;
const busySteps = 25;
if (!(steps > beginning && steps < 1000 && steps % logEvery === 0))
  throw new Error(
    `--steps: expected ${beginning + logEvery}, ${beginning + 2 * logEvery}, ... or 990, not "${flags.steps}"`,
  );

/** How a run shares the cores. */
interface Shares {
  readonly threads: number;
  readonly workers: number;
}
const numbers = (list: string): number[] => list.split(",").map(Number);
const rule = (workers: number): number => computeThreads({ run: { threads: "auto" }, data: { workers } });

function threadsOf(workers: readonly number[]): number[] {
  if (flags.threads !== undefined) return numbers(flags.threads);
  const cores = availableParallelism();
  const some = [1, 2, 3, 4, 8, 16, 32, 64, 128].filter((threads) => threads < cores);
  return [...new Set([...some, cores, ...workers.map(rule)])].sort((x, y) => x - y);
}

function combinations(): Shares[] {
  const workers = numbers(flags.workers);
  const threads = threadsOf(workers);
  return workers.flatMap((count) => threads.map((each) => ({ threads: each, workers: count })));
}

interface Run extends Omit<DemoRun, "name"> {
  /** After which it is ended. */
  readonly steps: number;
}
type Common = Omit<Run, keyof Shares | "steps">;
let runs = 0;

async function measure({ steps: count, ...run }: Run): Promise<SpeedOfRun> {
  const name = `${runs++}`;
  await secondsUntil(ourStep(count), ourRun({ ...run, name }, { logEvery }));
  const speed = speedOf(readMetrics(runFiles.metrics(join(run.logs, name))), { beginning });
  console.error(`${run.threads} threads, ${run.workers} loading: ${short(speed.steady.samplesPerSecond)} samples/s`);
  return speed;
}

async function takeTurns(all: readonly Shares[], run: Common): Promise<SpeedOfRun[][]> {
  const taken = all.map((): SpeedOfRun[] => []);
  for (let turn = 0; turn < Number(flags.turns); turn++)
    for (const i of all.keys()) {
      const at = (i + turn) % all.length;
      taken[at]!.push(await measure({ ...run, ...all[at]!, steps }));
    }
  return taken;
}

/** One run of each while a thread of this process keeps a core busy. */
async function takeBusy(all: readonly Shares[], run: Common): Promise<SpeedOfRun[]> {
  console.error("beside a busy program:");
  const busy = new Worker("for (;;) {}", { eval: true });
  try {
    const taken: SpeedOfRun[] = [];
    for (const shares of all) taken.push(await measure({ ...run, ...shares, steps: busySteps }));
    return taken;
  } finally {
    await busy.terminate();
  }
}

const data = await demoData(flags.data);
const all = combinations();
const logs = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
let alone: SpeedOfRun[][];
let busy: SpeedOfRun[];
try {
  // So many epochs as no run comes to the end of.
  const run: Common = { data, epochs: steps, logs, loss: "fastclip-v3" };
  alone = await takeTurns(all, run);
  busy = await takeBusy(all, run);
} finally {
  rmSync(logs, { recursive: true });
}
const rows = all.map((shares, i) => ({
  ...shares,
  isRule: shares.threads === rule(shares.workers),
  alone: median(alone[i]!.map(({ steady }) => steady.samplesPerSecond)),
  busy: busy[i]!.steady.samplesPerSecond,
  waitShare: median(alone[i]!.map(({ steady }) => steady.waitShare)),
  beginWaitShare: median(alone[i]!.map(({ begin }) => begin.waitShare)),
}));
const best = (key: "alone" | "busy"): number => Math.max(...rows.map((row) => row[key]));
const percent = (share: number, digits: number): string => `${(share * 100).toFixed(digits)} %`;
const table = markdownTable(
  [
    { head: "compute threads", cell: ({ threads }) => `${threads}` },
    { head: "loader threads", cell: ({ workers }) => `${workers}` },
    { head: "samples/s", cell: ({ alone }) => short(alone) },
    { head: "of the best", cell: ({ alone }) => percent(alone / best("alone"), 0) },
    { head: "beside a busy program", cell: ({ busy }) => short(busy) },
    { head: "of the best", cell: ({ busy }) => percent(busy / best("busy"), 0) },
    { head: "waits for data", cell: ({ waitShare }) => percent(waitShare, 2) },
    { head: `in the first ${beginning} steps`, cell: ({ beginWaitShare }) => percent(beginWaitShare, 1) },
    { head: "", cell: ({ isRule }) => (isRule ? "`--threads auto`" : ""), isText: true },
  ],
  rows,
);
const machine = describeMachine("no peer");
const markdown = `${table}\n\n${demoModel}, batch 64, FastCLIP-v3, float32; medians of ${flags.turns} turns of ${steps} steps, and one run of ${busySteps} beside a busy program. ${machine}.`;
tell({ name: "threads", markdown, data: { machine, ...flags, rows, turns: alone } }, flags);
