// Batch norm over several real processes is that of one process with the whole batch.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort } from "../src/distributed/children.fixture.ts";
import type { Job, Trained } from "./children/batch-norm.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("./children/batch-norm.ts", import.meta.url));

/** What each rank made of each job: [job][rank]. */
async function train(jobs: readonly Job[]): Promise<Trained[][]> {
  const size = jobs[0]!.rows.length;
  const port = await freePort();
  const ranks = Array.from({ length: size }, async (_, rank) => {
    const place = { RANK: rank, WORLD_SIZE: size, LOCAL_RANK: rank, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port };
    const variables = Object.entries({ ...place, OMP_NUM_THREADS: 1 }).map(([name, value]) => [name, `${value}`]);
    const options = { env: { ...process.env, ...Object.fromEntries(variables) }, maxBuffer: 2 ** 26 };
    const { stdout } = await run(process.execPath, ["--import", "tsx", script, JSON.stringify(jobs)], options);
    return JSON.parse(stdout) as Trained[];
  });
  const results = await Promise.all(ranks);
  return jobs.map((_, i) => results.map((jobsOfRank) => jobsOfRank[i]!));
}

/** All numbers of a job, rows in the order of ranks. What every rank has must be the same on all. */
function together(ranks: readonly Trained[]): Record<string, number[]> {
  const [first, ...others] = ranks as [Trained, ...Trained[]];
  for (const { gradients, buffers } of others)
    expect({ gradients, buffers }).toEqual({ gradients: first.gradients, buffers: first.buffers });
  return {
    outputs: ranks.flatMap(({ outputs }) => outputs),
    inputGradients: ranks.flatMap(({ inputGradients }) => inputGradients ?? []),
    ...first.gradients,
    ...first.buffers,
  };
}

/** The length of the difference, relative to that of what is expected. */
function difference(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const length = (values: readonly number[]): number => Math.hypot(...values);
  return length(actual.map((value, i) => value - expected[i]!)) / (length(expected) || 1);
}

function differences(actual: readonly Trained[], expected: readonly Trained[]): Record<string, number> {
  const [a, b] = [together(actual), together(expected)];
  expect(Object.keys(a)).toEqual(Object.keys(b));
  return Object.fromEntries(Object.entries(a).map(([name, values]) => [name, difference(values, b[name]!)]));
}

const worst = (found: Record<string, number>): number => Math.max(...Object.values(found));

const precisions = ["float64", "float32", "amp_bf16"] as const;
const jobs = (rows: readonly number[]): Job[] => precisions.map((precision) => ({ rows, precision, keep: "graph" }));
const frozen = (rows: readonly number[]): Job => ({ rows, precision: "float32", keep: "graph", frozen: true });

// The whole batch in one process, by libtorch's own batch norm.
const alone = train([...jobs([12]), frozen([12])]);

test.each([[[6, 6]], [[4, 8]], [[1, 4, 7]]])("rows %j in as many processes are one batch", async (rows) => {
  const [whole, parts] = [await alone, await train(jobs(rows))];
  const [float64, float32, bfloat16] = parts.map((ranks, i) => differences(ranks, whole[i]!));
  expect(worst(float64!)).toBeLessThan(1e-12);
  expect(worst(float32!)).toBeLessThan(1e-5);
  // One process alone is off by this much, because of bfloat16; being several must cost less than that.
  const rounding = differences(whole[2]!, whole[0]!);
  for (const [name, found] of Object.entries(bfloat16!)) expect(found, name).toBeLessThanOrEqual(rounding[name]! / 2);
  // Two layers, each gathered for and sent back through: a count, 8 means and 8 M2 of every process.
  const size = rows.length;
  for (const { traffic } of parts[1]!) {
    expect(traffic).toMatchObject({ calls: 4, bytes: 4 * size * 17 * 4 });
    expect(traffic!.milliseconds).toBeGreaterThan(0);
  }
});

test("what is computed twice gathers twice and learns once; what is frozen asks nobody", async () => {
  const rows = [4, 8];
  const ways = (["graph", "inputs", "nothing"] as const).map((keep): Job => ({ rows, precision: "float32", keep }));
  const [graph, inputs, nothing, still] = await train([...ways, frozen(rows)]);
  const once = graph!.map((rank) => ({ ...rank, inputGradients: null }));
  for (const twice of [inputs!, nothing!]) {
    expect(worst(differences(twice, once))).toBeLessThan(1e-6);
    expect(twice[0]!.buffers["1.num_batches_tracked"]).toEqual([1]);
    // Forward, forward again and back, for each of two layers.
    expect(twice.map(({ traffic }) => traffic!.calls)).toEqual([6, 6]);
  }
  const whole = (await alone).at(-1)!;
  expect(worst(differences(still!, whole))).toBeLessThan(1e-5);
  expect(still!.map(({ traffic }) => traffic)).toEqual([null, null]);
  expect(still![0]!.buffers["1.running_mean"]).toEqual(Array(8).fill(0));
});
