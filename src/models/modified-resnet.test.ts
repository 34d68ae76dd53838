import { expect, test } from "vitest";
import { runStages } from "../nn/index.ts";
import { backward, fromBuffer, gradOf, noGrad, type Tensor } from "../tensor/index.ts";
import { ModifiedResNet } from "./modified-resnet.ts";

/** scale * sin(1.7 j + phase) for j = 0, 1, ... */
function wave(shape: readonly number[], phase: number, scale: number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return fromBuffer(
    Float64Array.from({ length: count }, (_, j) => scale * Math.sin(1.7 * j + phase)),
    { shape },
  );
}

/** Every tensor of the state dict filled with waves, variances and gains of batch norm around 1. */
function filled(): ModifiedResNet {
  const options = { imageSize: 64, layers: [2, 1, 1, 1], width: 4, heads: 4, outWidth: 4 } as const;
  const model = new ModifiedResNet(options).to({ dtype: "float64" });
  noGrad(() => {
    for (const [i, [name, tensor]] of [...model.stateDict()].entries()) {
      if (name.endsWith("num_batches_tracked")) continue;
      const aroundOne = /running_var$|bn\d\.weight$|downsample\.1\.weight$/.test(name);
      tensor.copy_(wave(tensor.shape, i, name.startsWith("attnpool") ? 0.1 : 0.5).add(aroundOne ? 1 : 0));
    }
  });
  return model;
}

const x = wave([3, 3, 64, 64], 0.5, 1);

// All numbers below were computed by OpenCLIP 3.3.0's ModifiedResNet, filled in the same way, in float64.
test("evaluation gives OpenCLIP's features", () => {
  const features = runStages(filled().eval().stages, x).toArray();
  const expected = [-13.754716599145205, 77.29729460489932, -90.60043817940259, 44.87852991329332];
  for (const [i, value] of expected.entries()) expect(features[i]).toBeCloseTo(value, 8);
});

test("training gives OpenCLIP's features, gradients and statistics", () => {
  const model = filled();
  const features = runStages(model.stages, x);
  const expected = [0.5692779888895001, 0.5691318670752518, -1.3725847082911127, 1.1853402351214393];
  for (const [i, value] of expected.entries()) expect(features.toArray()[i]).toBeCloseTo(value, 9);
  backward([features.mul(wave([3, 4], 0, 1)).sum()]);
  const parameters = model.parameters();
  const gradientNorms: [string, number][] = [
    ["conv1.weight", 21.43120447959424],
    ["bn2.weight", 0.9179873528645972],
    ["layer1.0.conv2.weight", 7.364312421133398],
    ["layer1.0.downsample.0.weight", 4.76466538820851],
    ["layer1.1.bn3.bias", 0.3312577962071907],
    ["layer3.0.conv3.weight", 1.1945913672768087],
    ["attnpool.q_proj.weight", 0.106385922741064],
    ["attnpool.k_proj.weight", 0.47164690077254945],
    ["attnpool.v_proj.bias", 2.257399918516175],
    ["attnpool.positional_embedding", 0.4663121768145921],
  ];
  for (const [name, norm] of gradientNorms)
    expect(gradOf(parameters.get(name)!)!.norm().toArray()[0], name).toBeCloseTo(norm, 8);
  const mean = model.buffers().get("layer2.0.bn2.running_mean")!.toArray();
  expect(mean[0]).toBeCloseTo(-0.05284806606555971, 9);
});
