import { expect, test } from "vitest";
import { tensor, zeros } from "../tensor/index.ts";
import { BatchNorm2d } from "./batch-norm.ts";
import { Linear } from "./linear.ts";
import { Module, ModuleList } from "./module.ts";

class Net extends Module {
  readonly layers: ModuleList<Linear> = this.child("layers", new ModuleList([new Linear(2, 3), new Linear(3, 1)]));
  readonly norm: BatchNorm2d = this.child("norm", new BatchNorm2d(2));
  readonly scale = this.parameter("scale", tensor(1));
}

test("names and order are those of PyTorch's state_dict: own tensors first, then children as they were added", () => {
  expect([...new Net().stateDict().keys()]).toEqual([
    "scale",
    ...["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"],
    ...["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"],
  ]);
});

test("parameters are trained, buffers are not", () => {
  const net = new Net();
  expect([...net.parameters().values()].every((parameter) => parameter.requiresGrad)).toBe(true);
  expect([...net.buffers().keys()]).toEqual(["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"]);
  expect([...net.buffers().values()].some((buffer) => buffer.requiresGrad)).toBe(false);
});

test("train and eval reach every child", () => {
  const net = new Net().eval();
  expect([net.training, net.norm.training]).toEqual([false, false]);
  net.train();
  expect([net.training, net.norm.training]).toEqual([true, true]);
});

test("loadStateDict copies into the tensors that are there and converts types", () => {
  const net = new Net();
  const { weight } = [...net.layers][0]!;
  const state = new Net().stateDict();
  state.set("layers.0.weight", tensor([1, 2, 3, 4, 5, 6], { shape: [3, 2], dtype: "float64" }));
  expect(net.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
  expect(weight.toArray()).toEqual([1, 2, 3, 4, 5, 6]);
  expect([weight.dtype, weight.requiresGrad]).toEqual(["float32", true]);
});

test("a state that does not fit is refused as a whole, with every name and both shapes", () => {
  const net = new Net();
  const state = new Map([...net.stateDict()].map(([name, value]) => [name, value.detach().add(1)]));
  state.delete("norm.bias");
  state.set("extra", zeros([1]));
  state.set("layers.1.weight", zeros([2, 3]));
  const before = net.scale.toArray();
  expect(() => net.loadStateDict(state)).toThrow(
    "the state does not fit the model: layers.1.weight has shape [2,3] in the state and [1,3] in the model; the state lacks norm.bias; the model has no extra",
  );
  expect(net.scale.toArray()).toEqual(before);
  expect(() => net.loadStateDict(state, { strict: false })).toThrow("layers.1.weight has shape [2,3]");
});

test("without strict, names on one side only are reported", () => {
  const net = new Net();
  const report = net.loadStateDict(
    new Map([
      ["scale", tensor(7)],
      ["extra", zeros([1])],
    ]),
    { strict: false },
  );
  expect(report.unexpected).toEqual(["extra"]);
  expect(report.missing).toHaveLength(9);
  expect(net.scale.toArray()).toEqual([7]);
});

test("a long list of names is cut", () => {
  const state = new Map(Array.from({ length: 20 }, (_, i) => [`x${i}`, zeros([1])]));
  expect(() => new Module().loadStateDict(state)).toThrow(/no x0, x1, .*x7, and 12 more$/);
});

test("to changes the type of the same tensors and leaves counts alone", () => {
  const net = new Net();
  const { scale } = net;
  net.to({ dtype: "float64" });
  expect(net.stateDict().get("scale")).toBe(scale);
  expect([scale.dtype, scale.requiresGrad]).toEqual(["float64", true]);
  expect(net.norm.numBatchesTracked.dtype).toBe("int64");
});

test("free gives everything back", () => {
  const net = new Net();
  net.free();
  expect([...net.stateDict().values()].some((value) => value.alive)).toBe(false);
});
