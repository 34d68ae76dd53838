// How many threads compute and how many load: `fastclip train` on the demonstration data with every combination, and which one the rule takes.
//   npx tsx bench/threads/main.ts [--data data/demo] [--threads 1,2] [--workers 1,2] [--steps 80] [--turns 2] [--json FILE] [--docs]
// Each run is RN-Ti-64 with FastCLIP-v3 at batch 64 in float32, ended after so many steps; combinations take turns. Each is taken alone, and
// beside a program that keeps one core busy. The first steps wait for the loader's threads to start, and are told apart from all later ones.
// Without --threads it is 1, 2, ... up to all cores: each up to 4, beyond by powers of two, and what the rule takes.
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
import { speedOf } from "./waiting.ts";

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
const logEvery = 10;
const beginning = 2 * logEvery;
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

async function measure(shares: Shares, run: Omit<DemoRun, "threads" | "workers">) {
  await secondsUntil(ourStep(steps), ourRun({ ...run, ...shares }, { logEvery }));
  return speedOf(readMetrics(runFiles.metrics(join(run.logs, run.name))), { beginning });
}

/** Does `work` while a thread of this process keeps a core busy. */
async function besideBusy<T>(work: () => Promise<T>): Promise<T> {
  const busy = new Worker("for (;;) {}", { eval: true });
  try {
    return await work();
  } finally {
    await busy.terminate();
  }
}

async function measureBoth(shares: Shares, run: Omit<DemoRun, "threads" | "workers">) {
  const alone = await measure(shares, run);
  const busy = await besideBusy(() => measure(shares, { ...run, name: `${run.name}-busy` }));
  const speeds = [alone, busy].map(({ steady }) => short(steady.samplesPerSecond));
  console.error(
    `${shares.threads} threads, ${shares.workers} loading: ${speeds.join(" and beside a busy program ")} samples/s`,
  );
  return { alone, busy };
}

async function takeTurns(all: readonly Shares[], run: Omit<DemoRun, "threads" | "workers" | "name">) {
  const taken = all.map((): Awaited<ReturnType<typeof measureBoth>>[] => []);
  for (let turn = 0; turn < Number(flags.turns); turn++)
    for (const i of all.keys()) {
      const at = (i + turn) % all.length;
      taken[at]!.push(await measureBoth(all[at]!, { ...run, name: `${at}-${turn}` }));
    }
  return taken;
}

const data = await demoData(flags.data);
const all = combinations();
const logs = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
let taken: Awaited<ReturnType<typeof takeTurns>>;
try {
  // So many epochs as no run comes to the end of.
  taken = await takeTurns(all, { data, epochs: steps, logs, loss: "fastclip-v3" });
} finally {
  rmSync(logs, { recursive: true });
}
const rows = all.map((shares, i) => {
  const over = (value: (run: (typeof taken)[number][number]) => number): number => median(taken[i]!.map(value));
  return {
    ...shares,
    isRule: shares.threads === rule(shares.workers),
    alone: over(({ alone }) => alone.steady.samplesPerSecond),
    busy: over(({ busy }) => busy.steady.samplesPerSecond),
    waitShare: over(({ alone }) => alone.steady.waitShare),
    beginWaitShare: over(({ alone }) => alone.begin.waitShare),
  };
});
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
const markdown = `${table}\n\n${demoModel}, batch 64, FastCLIP-v3, float32; medians of ${flags.turns} turns of ${steps} steps. ${machine}.`;
tell({ name: "threads", markdown, data: { machine, ...flags, rows, taken } }, flags);
