import {
  LayerNorm,
  Module,
  normal,
  PatchConv2d,
  PatchDropout,
  type Stage,
  type TokenPick,
  Transformer,
  type TransformerOptions,
} from "../nn/index.ts";
import { cat, type Tensor } from "../tensor/index.ts";
import { transformerStages } from "./tower.ts";

interface VisionTransformerOptions extends TransformerOptions {
  readonly imageSize: number;
  readonly patchSize: number;
  readonly outWidth: number;
  /** Share of the patches that training leaves out. */
  readonly patchDropout: number;
}

const classToken: TokenPick = { from: (x) => x.narrow(1, 0, 1) };

/** A vision transformer whose features are read at the class token. */
export class VisionTransformer extends Module {
  readonly conv1: PatchConv2d;
  readonly classEmbedding: Tensor;
  /** [patches + 1, width]; the class token comes first. */
  readonly positionalEmbedding: Tensor;
  readonly patchDropout: PatchDropout;
  readonly lnPre: LayerNorm;
  readonly transformer: Transformer;
  readonly lnPost: LayerNorm;
  /** [width, outWidth] */
  readonly proj: Tensor;
  /** Patches, blocks, projection: [B, 3, imageSize, imageSize] -> [B, outWidth]. */
  readonly stages: readonly Stage[];

  constructor(options: VisionTransformerOptions) {
    super();
    const { imageSize, patchSize, width, outWidth } = options;
    const patches = Math.floor(imageSize / patchSize) ** 2;
    const std = width ** -0.5;
    this.conv1 = this.child("conv1", new PatchConv2d(3, width, patchSize));
    this.classEmbedding = this.parameter("class_embedding", normal([width], std));
    this.positionalEmbedding = this.parameter("positional_embedding", normal([patches + 1, width], std));
    this.patchDropout = this.child("patch_dropout", new PatchDropout(options.patchDropout));
    this.lnPre = this.child("ln_pre", new LayerNorm(width));
    this.transformer = this.child("transformer", new Transformer(options));
    this.lnPost = this.child("ln_post", new LayerNorm(width));
    this.proj = this.parameter("proj", normal([width, outWidth], std));
    this.stages = this.#chain();
  }

  #chain(): Stage[] {
    const { conv1, classEmbedding, positionalEmbedding, lnPre, transformer, lnPost, proj } = this;
    return transformerStages({
      embed: {
        parts: [conv1, classEmbedding, positionalEmbedding, lnPre],
        forward: (images) => this.#embed(images),
      },
      transformer,
      isCausal: false,
      pick: () => classToken,
      norm: lnPost,
      projection: proj,
    });
  }

  /** [B, 3, imageSize, imageSize] -> [B, patches + 1, width], in training fewer; in autocast's type from here on, as in OpenCLIP. */
  #embed(images: Tensor): Tensor {
    const patches = this.conv1.forward(images);
    const { dtype } = patches;
    const first = this.classEmbedding.to(dtype).expand([patches.size(0), 1, -1]);
    const tokens = cat([first, patches], { dim: 1 }).add(this.positionalEmbedding.to(dtype));
    return this.lnPre.forward(this.patchDropout.forward(tokens));
  }
}
