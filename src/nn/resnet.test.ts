import { expect, test } from "vitest";
import { cat, manualSeed, randn, type Tensor } from "../tensor/index.ts";
import { AttentionPool2d, Bottleneck } from "./resnet.ts";

test("attention pooling equals attention with keys and values of every token", () => {
  manualSeed(3);
  const [batch, side, width, heads] = [2, 3, 8, 2];
  const pool = new AttentionPool2d({ side, width, heads, outWidth: 5 }).to({ dtype: "float64" });
  const x = randn([batch, width, side, side], { dtype: "float64" });
  const places = x.flatten({ startDim: 2 }).transpose(1, 2);
  const tokens = cat([places.meanDim({ dim: [1], keepdim: true }), places], { dim: 1 }).add(pool.positionalEmbedding);
  const split = (part: Tensor) => part.view([batch, side * side + 1, heads, width / heads]).transpose(1, 2);
  const [q, k, v] = [pool.qProj, pool.kProj, pool.vProj].map((layer) => split(layer.forward(tokens)));
  const weights = q!
    .matmul(k!.transpose(2, 3))
    .div(Math.sqrt(width / heads))
    .softmax(-1);
  const attended = weights
    .matmul(v!)
    .transpose(1, 2)
    .reshape([batch, side * side + 1, width]);
  const expected = pool.cProj.forward(attended.select(1, 0));
  expect(pool.forward(x).sub(expected).abs().max().toArray()[0]).toBeLessThan(1e-12);
});

test("a bottleneck has a convolution in its shortcut only where the shape changes", () => {
  const names = (block: Bottleneck) => [...block.parameters().keys()].filter((name) => name.startsWith("downsample"));
  expect(names(new Bottleneck(16, 4, 1))).toEqual([]);
  expect(names(new Bottleneck(8, 4, 1))).toEqual(["downsample.0.weight", "downsample.1.weight", "downsample.1.bias"]);
  expect(new Bottleneck(16, 8, 2).forward(randn([1, 16, 6, 6])).shape).toEqual([1, 32, 3, 3]);
});
