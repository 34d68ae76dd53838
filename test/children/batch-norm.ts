// One process of several that train two layers with batch norm on rows of one batch; how many are its own, the way through the layers
// and the arithmetic come from the command line. Prints one line of JSON. See test/batch-norm.test.ts.
import { readPlace } from "../../src/distributed/environment.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import { trafficSince } from "../../src/distributed/traffic.ts";
import { synchroniseBatchNorm } from "../../src/models/index.ts";
import { BatchNorm2d, Conv2d, ModuleList, type Stage } from "../../src/nn/index.ts";
import type { Traffic } from "../../src/telemetry/metrics.ts";
import { gradOf, manualSeed, randn, type Tensor } from "../../src/tensor/index.ts";
import { keepGraph, keepInputs, keepNothing, type Pass, type Tower } from "../../src/train/passes.ts";

export interface Job {
  /** How many rows of the batch each rank has. */
  readonly rows: readonly number[];
  readonly precision: "float64" | "float32" | "amp_bf16";
  readonly keep: "graph" | "inputs" | "nothing";
  readonly frozen?: boolean;
}

export interface Trained {
  readonly outputs: number[];
  readonly inputGradients: number[] | null;
  /** Summed over all processes. */
  readonly gradients: Record<string, number[]>;
  readonly buffers: Record<string, number[]>;
  readonly traffic: Readonly<Traffic> | null;
}

const numbers = (x: Tensor): number[] => x.detach().to("float64").toArray();

function network(): { layers: ModuleList<Conv2d | BatchNorm2d>; stages: Stage[] } {
  const layers = [3, 8].map((inChannels) => ({
    conv: new Conv2d(inChannels, 8, { kernel: 3, padding: 1 }),
    bn: new BatchNorm2d(8),
  }));
  const stages = layers.map(({ conv, bn }) => ({
    parts: [conv, bn],
    forward: (x: Tensor) => bn.forward(conv.forward(x)).relu_(),
  }));
  return { layers: new ModuleList(layers.flatMap(({ conv, bn }) => [conv, bn])), stages };
}

function pass(keep: Job["keep"], tower: Tower, input: Tensor): Pass {
  if (keep === "graph") return keepGraph(tower, input);
  return keep === "inputs" ? keepInputs(tower, input) : keepNothing(tower, input, keepGraph);
}

function train(group: ProcessGroup, { rows, precision, keep, frozen }: Job): Trained {
  manualSeed(1);
  const dtype = precision === "float64" ? precision : "float32";
  const total = rows.reduce((sum, count) => sum + count, 0);
  const [start, own] = [rows.slice(0, group.rank).reduce((sum, count) => sum + count, 0), rows[group.rank]!];
  const { layers, stages } = network();
  layers.to({ dtype });
  // A mean far from zero, and other rows than the other processes have: what a process would see alone is not what all see.
  const scale = randn([total, 1, 1, 1]).exp();
  const images = randn([total, 3, 6, 6]).mul(scale).add(50).narrow(0, start, own).to(dtype).clone();
  const gradient = randn([total, 8, 6, 6]).narrow(0, start, own);
  if (frozen) for (const layer of layers) if (layer instanceof BatchNorm2d) layer.freeze();
  if (group.size > 1) synchroniseBatchNorm(layers, group.gatherWithGradient("batchNorm"));

  const before = group.traffic;
  if (keep === "graph") images.requireGrad();
  const tower: Tower = { stages, precision: precision === "amp_bf16" ? "amp_bf16" : "fp32" };
  const { features, backward } = pass(keep, tower, images);
  backward(gradient.to(features.dtype));
  const traffic = trafficSince(before, group.traffic).get("batchNorm") ?? null;
  return {
    outputs: numbers(features),
    inputGradients: keep === "graph" ? numbers(gradOf(images)!) : null,
    gradients: Object.fromEntries(
      [...layers.parameters()].map(([name, parameter]) => [
        name,
        numbers(group.allReduceSum_(gradOf(parameter)!.contiguous())),
      ]),
    ),
    buffers: Object.fromEntries([...layers.buffers()].map(([name, buffer]) => [name, numbers(buffer)])),
    traffic,
  };
}

const group = await ProcessGroup.open(readPlace(process.env), { timeoutMs: 20_000 });
try {
  const jobs = JSON.parse(process.argv[2]!) as Job[];
  process.stdout.write(`${JSON.stringify(jobs.map((job) => train(group, job)))}\n`);
} finally {
  group.close();
}
