import { differentiable, empty, type Tensor } from "../tensor/index.ts";

/**
 * Means of squares of `size` x `size` places side by side: [B, C, H, W] -> [B, C, H / size, W / size]. On a CPU its derivative is one copy,
 * channels-last: with libtorch's own, forward and back take twice the time in bfloat16 (docs/performance.md, "layers").
 */
export function averagePool(x: Tensor, size: number): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  if (x.device !== "cpu" || height % size !== 0 || width % size !== 0) return x.avgPool2d([size, size]);
  const [rows, columns] = [height / size, width / size];
  return differentiable<never>([x], () => ({
    output: x.avgPool2d([size, size]),
    kept: {},
    derivative: (gradient) => {
      const share = gradient.permute([0, 2, 3, 1]).mul(1 / size ** 2);
      const spread = empty([batch, rows, size, columns, size, channels], { dtype: gradient.dtype });
      spread.copy_(share.reshape([batch, rows, 1, columns, 1, channels]));
      return [spread.view([batch, height, width, channels]).permute([0, 3, 1, 2])];
    },
  }));
}
