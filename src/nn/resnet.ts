// The pieces of CLIP's modified ResNet: a bottleneck that pools before it strides, and attention in place of the last pooling.
import { cat, randn, type Tensor } from "../tensor/index.ts";
import { averagePool } from "./average-pool.ts";
import { BatchNorm2d } from "./batch-norm.ts";
import { Conv2d } from "./conv.ts";
import { Linear } from "./linear.ts";
import { Module, ModuleList } from "./module.ts";

/** Channels of a bottleneck's output, in those of its middle. */
export const expansion = 4;

/** Three convolutions (1x1, 3x3, 1x1) with batch norm beside a shortcut; a stride is an average pooling before the last. */
export class Bottleneck extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly #shortcut: { conv: Conv2d; bn: BatchNorm2d } | undefined;
  readonly #stride: number;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    const outChannels = channels * expansion;
    this.#stride = stride;
    this.conv1 = this.child("conv1", new Conv2d(inChannels, channels, { kernel: 1 }));
    this.bn1 = this.child("bn1", new BatchNorm2d(channels));
    this.conv2 = this.child("conv2", new Conv2d(channels, channels, { kernel: 3, padding: 1 }));
    this.bn2 = this.child("bn2", new BatchNorm2d(channels));
    this.conv3 = this.child("conv3", new Conv2d(channels, outChannels, { kernel: 1 }));
    this.bn3 = this.child("bn3", new BatchNorm2d(outChannels));
    if (stride === 1 && inChannels === outChannels) return;
    const conv = new Conv2d(inChannels, outChannels, { kernel: 1 });
    const bn = new BatchNorm2d(outChannels);
    this.#shortcut = { conv, bn };
    this.child("downsample", new ModuleList<Module>([conv, bn]));
  }

  /** [B, inChannels, H, W] -> [B, 4 channels, H / stride, W / stride] */
  forward(x: Tensor): Tensor {
    const narrow = this.bn1.rectified(this.conv1.forward(x));
    const mixed = this.bn2.rectified(this.conv2.forward(narrow.value, narrow.recipe));
    const wide = this.conv3.forward(this.#pool(mixed.value), this.#stride === 1 ? mixed.recipe : undefined);
    return this.bn3.forward(wide, { shortcut: this.#identity(x), isRectified: true });
  }

  #identity(x: Tensor): Tensor {
    if (this.#shortcut === undefined) return x;
    return this.#shortcut.bn.forward(this.#shortcut.conv.forward(this.#pool(x)));
  }

  #pool(x: Tensor): Tensor {
    return this.#stride === 1 ? x : averagePool(x, this.#stride);
  }
}

/** The mean of all places attends to all places: [B, width, side, side] -> [B, outWidth]. */
export class AttentionPool2d extends Module {
  /** [side^2 + 1, width]; the mean comes first. */
  readonly positionalEmbedding: Tensor;
  readonly kProj: Linear;
  readonly qProj: Linear;
  readonly vProj: Linear;
  readonly cProj: Linear;
  readonly #heads: number;

  constructor(options: { side: number; width: number; heads: number; outWidth: number }) {
    super();
    const { side, width, heads, outWidth } = options;
    if (width % heads !== 0) throw new RangeError(`attention of width ${width} cannot be split into ${heads} heads`);
    this.#heads = heads;
    const positions = randn([side * side + 1, width]).div_(Math.sqrt(width));
    this.positionalEmbedding = this.parameter("positional_embedding", positions);
    this.kProj = this.child("k_proj", new Linear(width, width));
    this.qProj = this.child("q_proj", new Linear(width, width));
    this.vProj = this.child("v_proj", new Linear(width, width));
    this.cProj = this.child("c_proj", new Linear(width, outWidth));
  }

  /**
   * For the one query q of a head, q . (W_k x + b_k) = (W_k^T q) . x + q . b_k, and sum_t a_t (W_v x_t + b_v) =
   * W_v (sum_t a_t x_t) + b_v. So no token is projected to a key or a value: half the time for 2x2 places, less for more.
   */
  forward(x: Tensor): Tensor {
    const places = x.flatten({ startDim: 2 }).transpose(1, 2);
    const mean = places.meanDim({ dim: [1], keepdim: true });
    const tokens = cat([mean, places], { dim: 1 }).add(this.positionalEmbedding);
    const query = this.#perHead(this.qProj.forward(tokens.select(1, 0)));
    const bias = this.#perHead(this.kProj.bias.unsqueeze(0)).transpose(1, 2);
    const keys = query.matmul(this.#perHead(this.kProj.weight.t()).transpose(1, 2)).transpose(0, 1);
    const scores = keys.matmul(tokens.transpose(1, 2)).add(query.matmul(bias).transpose(0, 1));
    const weights = scores.mul(query.size(-1) ** -0.5).softmax(-1);
    const mixed = weights.matmul(tokens).transpose(0, 1);
    const values = mixed.matmul(this.#perHead(this.vProj.weight.t())).transpose(0, 1);
    return this.cProj.forward(values.flatten({ startDim: 1 }).add(this.vProj.bias));
  }

  /** [n, width] -> a view [heads, n, width / heads] */
  #perHead(x: Tensor): Tensor {
    const [n, width] = x.shape as [number, number];
    return x.view([n, this.#heads, width / this.#heads]).transpose(0, 1);
  }
}
