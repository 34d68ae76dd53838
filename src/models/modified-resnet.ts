import {
  AttentionPool2d,
  averagePool,
  BatchNorm2d,
  Bottleneck,
  Conv2d,
  expansion,
  Module,
  ModuleList,
  normal_,
  type Remade,
  type Stage,
} from "../nn/index.ts";
import type { Tensor } from "../tensor/index.ts";

export interface ResNetOptions {
  readonly imageSize: number;
  /** Blocks of each stage. */
  readonly layers: readonly [number, number, number, number];
  /** Channels after the stem; the last stage puts out 32 times as many. */
  readonly width: number;
  readonly heads: number;
  readonly outWidth: number;
}

/** CLIP's ResNet: a stem of three convolutions, strides done by average pooling, attention as the last pooling. */
export class ModifiedResNet extends Module {
  /** Stem, bottlenecks, pooling: [B, 3, imageSize, imageSize] -> [B, outWidth]. */
  readonly stages: readonly Stage[];
  readonly #stem: readonly { conv: Conv2d; bn: BatchNorm2d }[];
  readonly #blocks: readonly Bottleneck[];
  readonly #attnpool: AttentionPool2d;

  constructor(options: ResNetOptions) {
    super();
    const { imageSize, layers, width, heads, outWidth } = options;
    const half = width / 2;
    this.#stem = [
      this.#stemLayer(1, new Conv2d(3, half, { kernel: 3, stride: 2, padding: 1 }), half),
      this.#stemLayer(2, new Conv2d(half, half, { kernel: 3, padding: 1 }), half),
      this.#stemLayer(3, new Conv2d(half, width, { kernel: 3, padding: 1 }), width),
    ];
    this.#blocks = layers.flatMap((blocks, i) => this.#stage(i, blocks, width));
    const side = imageSize / 32;
    const channels = width * 32;
    this.#attnpool = this.child("attnpool", new AttentionPool2d({ side, width: channels, heads, outWidth }));
    this.stages = [
      { parts: this.#stem.flatMap(({ conv, bn }) => [conv, bn]), forward: (images) => this.#begin(images) },
      ...this.#blocks.map((block) => ({ parts: [block], forward: (x: Tensor) => block.forward(x) })),
      { parts: [this.#attnpool], forward: (x) => this.#attnpool.forward(x) },
    ];
    this.#initialise(channels);
  }

  #stemLayer(position: number, conv: Conv2d, channels: number): { conv: Conv2d; bn: BatchNorm2d } {
    return { conv: this.child(`conv${position}`, conv), bn: this.child(`bn${position}`, new BatchNorm2d(channels)) };
  }

  #stage(index: number, count: number, width: number): Bottleneck[] {
    const channels = width * 2 ** index;
    const before = index === 0 ? width : (channels / 2) * expansion;
    const stride = index === 0 ? 1 : 2;
    const blocks = Array.from({ length: count }, (_, i) =>
      i === 0 ? new Bottleneck(before, channels, stride) : new Bottleneck(channels * expansion, channels, 1),
    );
    this.child(`layer${index + 1}`, new ModuleList(blocks));
    return blocks;
  }

  /** Each block starts as its shortcut: the gain of its last batch norm is 0. */
  #initialise(channels: number): void {
    const { qProj, kProj, vProj, cProj } = this.#attnpool;
    for (const { weight } of [qProj, kProj, vProj, cProj]) normal_(weight, channels ** -0.5);
    for (const block of this.#blocks) block.bn3.weight.detach().zero_();
  }

  #begin(images: Tensor): Tensor {
    let x: Remade = { value: images };
    for (const { conv, bn } of this.#stem) x = bn.rectified(conv.forward(x.value, x.recipe));
    return averagePool(x.value, 2);
  }
}
