import { expect, test } from "vitest";
import * as T from "./index.ts";

const m = (rows: number[][], dtype: T.DType = "float32"): T.Tensor =>
  T.tensor(rows.flat(), { shape: [rows.length, rows[0]!.length], dtype });

/** Results worked out by hand. */
const cases: readonly [name: string, result: () => T.Tensor, values: number[], shape?: number[]][] = [
  ["add", () => T.tensor([1, 2]).add(T.tensor([10, 20])), [11, 22]],
  ["add a number", () => T.tensor([1, 2]).add(0.5), [1.5, 2.5]],
  ["add alpha times", () => T.tensor([1, 2]).add(T.tensor([10, 20]), { alpha: 2 }), [21, 42]],
  ["sub", () => T.tensor([1, 2]).sub(T.tensor([10, 20])), [-9, -18]],
  ["mul broadcasts", () => T.tensor([1, 2]).mul(m([[1], [3]])), [1, 2, 3, 6], [2, 2]],
  ["div", () => T.tensor([1, 3]).div(2), [0.5, 1.5]],
  ["pow of a number", () => T.tensor([2, 3]).pow(3), [8, 27]],
  ["pow of a tensor", () => T.tensor([2, 3]).pow(T.tensor([2, 0])), [4, 1]],
  ["sqrt, rsqrt, square", () => T.tensor([16]).sqrt().rsqrt().square(), [0.25]],
  ["abs, neg, sign", () => T.tensor([-3, 0, 2]).abs().neg().sign(), [-1, 0, -1]],
  ["clamp below and above", () => T.tensor([-3, 0.5, 2]).clamp({ min: 0, max: 1 }), [0, 0.5, 1]],
  ["clamp above only", () => T.tensor([-3, 0.5, 2]).clamp({ max: 1 }), [-3, 0.5, 1]],
  [
    "minimum, maximum",
    () =>
      T.tensor([1, 5])
        .minimum(T.tensor([3, 3]))
        .maximum(T.tensor([2, 2])),
    [2, 3],
  ],
  ["lerp", () => T.tensor([0, 10]).lerp(T.tensor([10, 20]), 0.25), [2.5, 12.5]],
  ["where", () => T.where(T.tensor([1, -1]).gt(0), T.tensor([7, 7]), T.tensor([8, 8])), [7, 8]],
  [
    "matmul",
    () =>
      m([
        [1, 2],
        [3, 4],
      ]).matmul(
        m([
          [5, 6],
          [7, 8],
        ]),
      ),
    [19, 22, 43, 50],
    [2, 2],
  ],
  [
    "matmul with a vector",
    () =>
      m([
        [1, 2],
        [3, 4],
      ]).matmul(T.tensor([1, 10])),
    [21, 43],
  ],
  [
    "addmm",
    () =>
      T.tensor([1, 1]).addmm(
        m([[1, 2]]),
        m([
          [3, 4],
          [5, 6],
        ]),
        { beta: 10, alpha: 2 },
      ),
    [36, 42],
    [1, 2],
  ],
  [
    "linear is x times the transposed weight plus bias",
    () =>
      T.linear(
        m([[1, 2]]),
        m([
          [3, 4],
          [5, 6],
        ]),
        { bias: T.tensor([100, 200]) },
      ),
    [111, 217],
    [1, 2],
  ],
  ["sum", () => T.tensor([1, 2, 3]).sum(), [6], []],
  [
    "sum of a dimension",
    () =>
      m([
        [1, 2],
        [3, 4],
      ]).sumDim({ dim: [0] }),
    [4, 6],
  ],
  [
    "mean keeping the dimension",
    () =>
      m([
        [1, 2],
        [3, 4],
      ]).meanDim({ dim: [1], keepdim: true }),
    [1.5, 3.5],
    [2, 1],
  ],
  [
    "logsumexp does not overflow",
    () => T.tensor([1000, 1000], { dtype: "float64" }).logsumexp([0]).sub(1000),
    [Math.log(2)],
    [],
  ],
  ["norm", () => T.tensor([3, 4]).norm(), [5], []],
  ["norm of another order", () => T.tensor([3, -4]).norm({ ord: 1 }), [7], []],
  [
    "argmax",
    () =>
      m([
        [1, 9],
        [8, 2],
      ]).argmax({ dim: 1 }),
    [1, 0],
  ],
  ["comparison", () => T.tensor([1, 2, 3]).ge(2), [0, 1, 1]],
  ["isfinite", () => T.tensor([1, Number.NaN, Number.POSITIVE_INFINITY]).isfinite(), [1, 0, 0]],
  [
    "permute",
    () =>
      m([
        [1, 2, 3],
        [4, 5, 6],
      ]).permute([1, 0]),
    [1, 4, 2, 5, 3, 6],
    [3, 2],
  ],
  ["expand", () => T.tensor([7]).expand([2, 2]), [7, 7, 7, 7], [2, 2]],
  ["narrow", () => T.tensor([1, 2, 3, 4]).narrow(0, 1, 2), [2, 3]],
  ["slice with a step", () => T.arange(6).slice({ start: 1, step: 2 }), [1, 3, 5]],
  [
    "select",
    () =>
      m([
        [1, 2],
        [3, 4],
      ]).select(0, -1),
    [3, 4],
  ],
  [
    "diagonal",
    () =>
      m([
        [1, 2],
        [3, 4],
      ]).diagonal(),
    [1, 4],
  ],
  [
    "gather",
    () =>
      m([
        [1, 2],
        [3, 4],
      ]).gather(1, m([[1], [0]], "int64")),
    [2, 3],
    [2, 1],
  ],
  ["indexSelect", () => T.tensor([5, 6, 7]).indexSelect(0, T.tensor([2, 0], { dtype: "int64" })), [7, 5]],
  ["cat", () => T.cat([T.tensor([1]), T.tensor([2, 3])]), [1, 2, 3]],
  ["stack", () => T.stack([T.tensor([1, 2]), T.tensor([3, 4])], { dim: 1 }), [1, 3, 2, 4], [2, 2]],
  ["eye", () => T.eye(2), [1, 0, 0, 1], [2, 2]],
  ["full of negative zero", () => T.full([1], -0, { dtype: "float32" }), [-0]],
  [
    "embedding",
    () =>
      T.embedding(
        m([
          [1, 2],
          [3, 4],
        ]),
        T.tensor([1], { dtype: "int64" }),
      ),
    [3, 4],
    [1, 2],
  ],
  ["relu", () => T.tensor([-1, 2]).relu(), [0, 2]],
  ["softmax", () => T.tensor([0, Math.log(3)]).softmax(0), [0.25, 0.75]],
  ["layerNorm", () => T.layerNorm(T.tensor([1, 3]), [2], { eps: 0 }), [-1, 1]],
  [
    "conv2d with one number for all sides",
    () => T.conv2d(T.ones([1, 1, 3, 3]), T.ones([1, 1, 2, 2]), { stride: [2, 2] }),
    [4],
    [1, 1, 1, 1],
  ],
  ["avgPool2d", () => T.arange(4).to("float32").view([1, 1, 2, 2]).avgPool2d([2, 2]), [1.5], [1, 1, 1, 1]],
  [
    "the mean of one value under attention",
    () =>
      T.scaledDotProductAttention(T.ones([1, 2, 2]), T.ones([1, 2, 2]), T.tensor([1, 2, 3, 4], { shape: [1, 2, 2] })),
    [2, 3, 2, 3],
    [1, 2, 2],
  ],
  [
    "an empty tensor",
    () =>
      T.zeros([0, 3])
        .add(1)
        .sumDim({ dim: [0] }),
    [0, 0, 0],
  ],
];

test.each(cases)("%s", (_, result, values, shape = [values.length]) => {
  const found = result();
  expect(found.shape).toEqual(shape);
  expect(found.toArray()).toHaveLength(values.length);
  found.toArray().forEach((value, i) => void expect(value).toBeCloseTo(values[i]!, 6));
});

test("whole numbers keep integer tensors integer, other numbers do not", () => {
  const x = T.tensor([1, 2], { dtype: "int64" });
  expect(x.add(1).dtype).toBe("int64");
  expect(x.mul(2).dtype).toBe("int64");
  expect(x.add(0.5).dtype).toBe("float32");
  expect(x.div(2).dtype).toBe("float32");
  expect(T.tensor([1]).add(1).dtype).toBe("float32");
  expect([T.full([1], 1).dtype, T.full([1], 1.5).dtype, T.full([1], true).dtype]).toEqual(["int64", "float32", "bool"]);
});

test("int64 holds what a number cannot", () => {
  const x = T.full([1], 2n ** 53n + 1n);
  expect(x.dtype).toBe("int64");
  expect(x.data()).toEqual(BigInt64Array.of(2n ** 53n + 1n));
});

test("operators in place change and return their tensor", () => {
  const x = T.tensor([1, 2]);
  expect(
    x
      .add_(1)
      .mul_(T.tensor([10, 100]))
      .clamp_({ max: 250 }),
  ).toBe(x);
  expect(x.toArray()).toEqual([20, 250]);
  expect(x.zero_().fill_(3).toArray()).toEqual([3, 3]);
  const before = T.liveTensors();
  x.add_(1);
  expect(T.liveTensors()).toBe(before);
});

test("a view shares memory, a clone does not", () => {
  const x = T.zeros([2, 2]);
  const copy = x.clone();
  x.select(0, 0).fill_(1);
  expect(x.toArray()).toEqual([1, 1, 0, 0]);
  expect(copy.toArray()).toEqual([0, 0, 0, 0]);
});

test("operators that return several tensors return lists", () => {
  const parts = T.arange(5).chunk(2);
  expect(parts.map((part) => part.toArray())).toEqual([
    [0, 1, 2],
    [3, 4],
  ]);
  expect(
    T.eye(2)
      .unbind()
      .map((row) => row.toArray()),
  ).toEqual([
    [1, 0],
    [0, 1],
  ]);
  const [values, places] = T.tensor([3, 1, 2]).topk(2);
  expect([values.toArray(), places.toArray(), places.dtype]).toEqual([[3, 2], [0, 2], "int64"]);
});

test("operators over many tensors take lists", () => {
  const list = [T.tensor([3, 4]), T.tensor([6, 8])];
  expect(T.foreachNorm(list).map((norm) => norm.item())).toEqual([5, 10]);
  T.foreachMul_(list, 2);
  T.foreachMul_(list, T.full([], 0.5));
  expect(list.map((x) => x.toArray())).toEqual([
    [3, 4],
    [6, 8],
  ]);
});

test("item gives a number for every element type", () => {
  for (const dtype of Object.keys(T.dtypes) as T.DType[]) expect(T.ones([1], { dtype }).item()).toBe(1);
  expect(T.tensor([1, 2]).lt(0).any().item()).toBe(0);
});

test("data and toArray give the elements in row-major order", () => {
  const x = m([
    [1, 2],
    [3, 4],
  ]).t();
  expect(x.data()).toEqual(Float32Array.of(1, 3, 2, 4));
  expect(x.toArray()).toEqual([1, 3, 2, 4]);
  expect(T.ones([1], { dtype: "bfloat16" }).data()).toEqual(Uint16Array.of(0x3f80));
  expect(() => T.ones([1], { dtype: "bfloat16" }).toArray()).toThrow("convert to float32 first");
});

test("a tensor tells its shape, strides, type and place", () => {
  const x = T.zeros([2, 3, 4], { dtype: "int16" }).permute([2, 0, 1]);
  expect([x.shape, x.strides, x.dtype, x.device, x.numel, x.size(-1)]).toEqual([
    [4, 2, 3],
    [1, 12, 4],
    "int16",
    "cpu",
    24,
    3,
  ]);
  expect(() => x.size(3)).toThrow("dimension 3 of a tensor of shape [4,2,3]");
  expect(T.ones([1, 2, 3, 4]).contiguous({ memoryFormat: "channelsLast" }).strides).toEqual([24, 1, 8, 2]);
});
