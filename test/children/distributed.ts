// One process of a group; its place comes from the environment, the task and its argument from the command line. Prints one line of
// JSON: what the task returns, or the error. See src/distributed/*.test.ts.
import { agree } from "../../src/distributed/agree.ts";
import { readPlace } from "../../src/distributed/environment.ts";
import { PeerError } from "../../src/distributed/failure.ts";
import { gatherJson, gatherParts, gatherRows } from "../../src/distributed/gather.ts";
import { GradientReduction } from "../../src/distributed/gradient-reduction.ts";
import { declareOver } from "../../src/distributed/meeting.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import {
  backward,
  type DType,
  empty,
  gradOf,
  liveTensors,
  manualSeed,
  randn,
  scope,
  setGrad,
  type Tensor,
  tensor,
  zeros,
} from "../../src/tensor/index.ts";

const [task = "", argument = ""] = process.argv.slice(2);
const options = JSON.parse(process.env["GROUP_OPTIONS"] ?? "{}") as { timeoutMs?: number; cudaDevice?: number };

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const values = (from: number, count: number): Tensor => tensor(Array.from({ length: count }, (_, i) => from + i));

function collectives(group: ProcessGroup): unknown {
  const { rank } = group;
  const mine = values(10 * rank, 6).view([2, 3]);
  const gathered = group.allGather(mine, "features");
  const early = group.startAllGather(mine.to("bfloat16"), "early");
  const mean = group.allReduceMean_(values(rank, 2), "mean").toArray();
  const sum = group.allReduceSum_(values(rank, 2)).toArray();
  const scattered = group.reduceScatterSum(values(rank, 2 * group.size)).toArray();
  const parameters = [values(rank, 2).requireGrad(), values(100 * rank, 1)];
  group.broadcast_(parameters, { root: 1 });
  group.barrier();
  const late = early.wait();
  return {
    gathered: { shape: gathered.shape, values: gathered.toArray() },
    early: { shape: late.shape, values: late.to("float32").toArray(), completed: early.isCompleted() },
    mean,
    sum,
    scattered,
    broadcast: parameters.map((parameter) => parameter.toArray()),
    traffic: Object.fromEntries([...group.traffic].map(([name, { calls, bytes }]) => [name, [calls, bytes]])),
    timed: [...group.traffic.values()].every(({ milliseconds, exposedMilliseconds: e }) => milliseconds > 0 && e >= 0),
  };
}

/** Rank r gives [r + 1, r + 2], K times over where it is scattered, in each element type. */
function elementTypes(group: ProcessGroup): unknown {
  const { rank, size } = group;
  const numbers = (x: Tensor): number[] => x.to("float64").toArray();
  const types: DType[] = ["float32", "float64", "bfloat16", "int64", "int32", "uint8"];
  const each = types.map((dtype) => {
    const make = (): Tensor => values(rank + 1, 2).to(dtype);
    const gathered = group.allGather(make());
    const scattered = group.reduceScatterSum(
      tensor(Array.from({ length: size }, () => [rank + 1, rank + 2]).flat(), { dtype }),
    );
    const shared = make();
    group.broadcast_([shared], { root: size - 1 });
    const reduced = group.allReduceSum_(make());
    const results = { gathered, scattered, shared, reduced };
    if (Object.values(results).some((result) => result.dtype !== dtype))
      throw new Error(`${dtype} became another type`);
    return [dtype, Object.fromEntries(Object.entries(results).map(([name, result]) => [name, numbers(result)]))];
  });
  return Object.fromEntries(each);
}

/** Three layers, of which the middle one is several buckets, trained on a part of 12 rows. Gradients of two micro-batches. */
function gradients(group: ProcessGroup): unknown {
  manualSeed(1);
  const sizes = [8, 64, 64, 4];
  const weights = sizes.slice(1).map((size, i) => randn([sizes[i]!, size]).mul_(0.1).requireGrad());
  const rows = randn([12, 8]);
  const named = new Map(weights.map((weight, i) => [`layer${i}`, weight]));
  const reduction = new GradientReduction(group, named, { bucketBytes: 4096, firstBucketBytes: 1024 });
  const share = 12 / group.size;
  const micro = share / 2;
  const push = (from: number): void => {
    const part = rows.narrow(0, from, micro);
    const output = weights.reduce((x, weight) => x.matmul(weight).sigmoid(), part);
    backward([output.pow(2).sum()]);
  };
  const steps = [0, 1, 2].map(() => {
    for (const weight of weights) setGrad(weight, null);
    scope(() => push(group.rank * share));
    scope(() => reduction.during(() => push(group.rank * share + micro)));
    const live = liveTensors();
    return { sums: weights.map((weight) => scope(() => gradOf(weight)!.sum().item())), live };
  });
  const first = scope(() => gradOf(weights[0]!)!.toArray().slice(0, 5));
  const { calls, bytes } = group.traffic.get("gradients") ?? { calls: 0, bytes: 0 };
  return { steps, first, calls, bytes };
}

/** Rank r has r rows [100 r, 100 r + 1], [100 r + 2, 100 r + 3], ... */
async function rows(group: ProcessGroup): Promise<unknown> {
  const { rank } = group;
  const own = (width: number): Tensor => scope(() => values(100 * rank, width * rank).view([rank, width]));
  const before = liveTensors();
  const gathered = scope(() => gatherRows(group, { rows: own(2), name: "rows" }).toArray());
  const none = scope(() => gatherRows(group, { rows: empty([0, 2]), name: "none" }).shape);
  const same = scope(() => gatherRows(group, { rows: values(rank, 2).view([1, 2]), name: "same" }).toArray());
  const words = gatherJson(group, { value: { rank, text: `line\n${"ä".repeat(rank)}` }, name: "words" });
  const messageOf = (body: () => Promise<unknown>): Promise<string> =>
    body().then(String, ({ message }: Error) => message);
  const uneven = await messageOf(async () => scope(() => gatherRows(group, { rows: own(rank + 1), name: "uneven" })));
  const part = async (): Promise<Tensor> => {
    if (rank > 0) throw new Error(`no rows on rank ${rank}`);
    return own(2);
  };
  const failed = await messageOf(() => gatherParts(group, { name: "parts", part }));
  const { calls, bytes } = group.traffic.get("rows")!;
  // Less when garbage of before was collected meanwhile.
  const leftOver = Math.max(0, liveTensors() - before);
  return { gathered, none, same, words, uneven, failed, calls, bytes, leftOver };
}

/** Gathers until somebody does not; tells when its heart has beaten since the first steps. */
function gatherForever(group: ProcessGroup): never {
  const start = performance.now();
  let told = false;
  for (let step = 0; ; step++) {
    group.phase = `step ${step < 3 ? step : "3 or later"}`;
    scope(() => group.allGather(values(0, 1000), "features"));
    if (told || performance.now() - start < 500) continue;
    print("running");
    told = true;
  }
}

/** The last rank does not come. */
function missBarrier(group: ProcessGroup): unknown {
  group.phase = group.rank === group.size - 1 ? "evaluate" : "wait";
  if (group.rank < group.size - 1) group.barrier({ timeoutMs: 1500 });
  else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
  return "done";
}

function lackGradient(group: ProcessGroup): void {
  const [used, unused] = [values(1, 2).requireGrad(), values(1, 2).requireGrad()];
  const reduction = new GradientReduction(
    group,
    new Map([
      ["used", used],
      ["unused", unused],
    ]),
  );
  reduction.during(() => backward([used.sum()]));
}

/** Bytes a second of the fastest of three broadcasts of `argument` numbers; one way, so that only the link sets the speed. */
function throughput(group: ProcessGroup): number {
  const numbers = zeros([Number(argument)]);
  const seconds = [1, 2, 3].map(() => {
    group.barrier();
    const start = performance.now();
    group.broadcast_([numbers]);
    return (performance.now() - start) / 1000;
  });
  return (numbers.numel * 4) / Math.min(...seconds);
}

function misuse(group: ProcessGroup): unknown {
  const refused = (body: () => unknown): string => {
    try {
      return String(body());
    } catch (error) {
      return (error as Error).message;
    }
  };
  return [
    refused(() => group.reduceScatterSum(values(0, 2 * group.size + 1))),
    refused(() => group.allReduceSum_(values(0, 6).view([2, 3]).t())),
    refused(() => new GradientReduction(group, new Map([["constant", values(0, 2)]]))),
    // The group still works after what was refused.
    group.allReduceSum_(values(1, 1)).toArray(),
  ];
}

/** A gather inside of a reduced backward, as where batch norm is computed a second time; rank 1 is not there any more. */
function leaveInside(group: ProcessGroup): void {
  const weight = values(1, 2).requireGrad();
  const reduction = new GradientReduction(group, new Map([["weight", weight]]));
  const gather = group.gatherWithGradient("batchNorm");
  group.barrier();
  if (group.rank === 1) group.close("its data has an end");
  else reduction.during(() => backward([gather(weight).sum()]));
}

/** Rank 1 lives and does not come to what the others wait for, and says that the run is over. */
function declareOverMeanwhile(group: ProcessGroup): void {
  const weight = values(1, 2).requireGrad();
  const reduction = new GradientReduction(group, new Map([["weight", weight]]));
  const gather = group.gatherWithGradient("batchNorm");
  const waits: Record<string, () => unknown> = {
    features: () => group.allGather(weight, "features"),
    sum: () => group.allReduceSum_(weight.detach(), "sum"),
    scatter: () => group.reduceScatterSum(weight, "scatter"),
    start: () => group.broadcast_([weight.detach()], { root: 1, name: "start" }),
    batchNorm: () => gather(weight),
    gradients: () => reduction.during(() => backward([weight.sum()])),
  };
  group.barrier();
  if (group.rank === 0) waits[argument]!();
  const { meeting, attempt } = readPlace(process.env);
  declareOver({ ...meeting!, attempt }, "a launcher said so");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
}

const tasks: Record<string, (group: ProcessGroup) => unknown> = {
  collectives: (group) => scope(() => collectives(group)),
  gradients,
  rows,
  gatherForever,
  missBarrier,
  lackGradient,
  leaveInside,
  declareOver: declareOverMeanwhile,
  misuse,
  throughput,
  elementTypes: (group) => scope(() => elementTypes(group)),
  agree: (group) => agree(group, JSON.parse(argument) as Record<string, unknown>),
  leave: (group) => (group.rank === 0 ? group.allGather(values(0, 1)) : group.close("its data has an end")),
};

try {
  const group = await ProcessGroup.open(readPlace(process.env), options);
  try {
    print({ result: (await tasks[task]!(group)) ?? null });
  } finally {
    group.close();
  }
} catch (error) {
  const { message } = error as Error;
  print({ error: message, ...(error instanceof PeerError ? { lost: error.lost } : {}) });
}
