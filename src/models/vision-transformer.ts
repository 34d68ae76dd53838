import {
  Conv2d,
  LayerNorm,
  Module,
  normal,
  type TokenPick,
  Transformer,
  type TransformerOptions,
} from "../nn/index.ts";
import { cat, type Tensor } from "../tensor/index.ts";

const classToken: TokenPick = { from: (x) => x.narrow(1, 0, 1) };

/** A vision transformer whose features are read at the class token. */
export class VisionTransformer extends Module {
  readonly conv1: Conv2d;
  readonly classEmbedding: Tensor;
  /** [patches + 1, width]; the class token comes first. */
  readonly positionalEmbedding: Tensor;
  readonly lnPre: LayerNorm;
  readonly transformer: Transformer;
  readonly lnPost: LayerNorm;
  /** [width, outWidth] */
  readonly proj: Tensor;

  constructor(options: TransformerOptions & { imageSize: number; patchSize: number; outWidth: number }) {
    super();
    const { imageSize, patchSize, width, outWidth } = options;
    const patches = Math.floor(imageSize / patchSize) ** 2;
    const std = width ** -0.5;
    this.conv1 = this.child("conv1", new Conv2d(3, width, { kernel: patchSize, stride: patchSize }));
    this.classEmbedding = this.parameter("class_embedding", normal([width], std));
    this.positionalEmbedding = this.parameter("positional_embedding", normal([patches + 1, width], std));
    this.lnPre = this.child("ln_pre", new LayerNorm(width));
    this.transformer = this.child("transformer", new Transformer(options));
    this.lnPost = this.child("ln_post", new LayerNorm(width));
    this.proj = this.parameter("proj", normal([width, outWidth], std));
  }

  /** [B, 3, imageSize, imageSize] -> [B, outWidth] */
  forward(images: Tensor): Tensor {
    const patches = this.conv1.forward(images).flatten({ startDim: 2 }).transpose(1, 2);
    const first = this.classEmbedding.expand([patches.size(0), 1, -1]);
    const tokens = cat([first, patches], { dim: 1 }).add(this.positionalEmbedding);
    const pooled = this.transformer.forward(this.lnPre.forward(tokens), { isCausal: false, pick: classToken });
    return this.lnPost.forward(pooled.select(1, 0)).matmul(this.proj);
  }
}
