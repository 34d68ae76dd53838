import {
  Embedding,
  gelu,
  LayerNorm,
  Module,
  normal_,
  quickGelu,
  runStages,
  type Stage,
  type TokenPick,
  Transformer,
} from "../nn/index.ts";
import { arange, embedding, empty, manualSeed, scope, type Tensor, tensor } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import { ModifiedResNet } from "./modified-resnet.ts";
import { modelConfig } from "./presets.ts";
import { textRows } from "./text-rows.ts";
import { transformerStages } from "./tower.ts";
import { VisionTransformer } from "./vision-transformer.ts";

const firstLogitScale = Math.log(1 / 0.07); // of the CLIP paper

/** CLIP as OpenCLIP builds it, with its initialisation and its names of parameters. */
export class CLIP extends Module {
  readonly config: ModelConfig;
  readonly visual: VisionTransformer | ModifiedResNet;
  readonly transformer: Transformer;
  readonly tokenEmbedding: Embedding;
  /** [contextLength, textWidth] */
  readonly positionalEmbedding: Tensor;
  readonly lnFinal: LayerNorm;
  /** [textWidth, embedDim] */
  readonly textProjection: Tensor;
  /** ln(1 / temperature), a scalar. */
  readonly logitScale: Tensor;
  /** What SigLIP adds to every logit, a scalar; other losses have none. */
  readonly logitBias: Tensor | undefined;
  /** Both towers as chains, from pictures and token ids to features that are not normalised. */
  readonly stages: { readonly image: readonly Stage[]; readonly text: readonly Stage[] };

  constructor(config: ModelConfig, options: { logitScale?: number; logitBias?: number } = {}) {
    super();
    this.config = config;
    const { context_length, vocab_size, width, layers, heads, mlp_ratio } = config.text_cfg;
    const activation = config.quick_gelu ? quickGelu : gelu;
    this.visual = this.child("visual", buildVisual(config));
    this.tokenEmbedding = new Embedding(vocab_size, width);
    this.transformer = this.child(
      "transformer",
      new Transformer({ width, layers, heads, mlpRatio: mlp_ratio, activation }),
    );
    this.child("token_embedding", this.tokenEmbedding);
    this.lnFinal = this.child("ln_final", new LayerNorm(width));
    this.positionalEmbedding = this.parameter("positional_embedding", empty([context_length, width]));
    this.textProjection = this.parameter("text_projection", empty([width, config.embed_dim]));
    const logitScale = options.logitScale ?? config.init_logit_scale ?? firstLogitScale;
    this.logitScale = this.parameter("logit_scale", tensor(logitScale));
    const logitBias = options.logitBias ?? config.init_logit_bias;
    if (logitBias !== undefined) this.logitBias = this.parameter("logit_bias", tensor(logitBias));
    this.stages = { image: this.#imageStages(), text: this.#textStages() };
    this.#initialiseText(width, layers);
  }

  #imageStages(): Stage[] {
    const [first, ...rest] = this.visual.stages as readonly [Stage, ...Stage[]];
    return [{ ...first, forward: (images) => first.forward(this.#checkedImages(images), images) }, ...rest];
  }

  #textStages(): Stage[] {
    const { tokenEmbedding, positionalEmbedding, transformer, lnFinal, textProjection } = this;
    return transformerStages({
      embed: { parts: [tokenEmbedding, positionalEmbedding], forward: (tokens) => this.#embedTokens(tokens) },
      transformer,
      isCausal: true,
      sequences: (tokens) => textRows(tokens)?.sequences,
      pick: endsOf,
      norm: lnFinal,
      projection: textProjection,
    });
  }

  #initialiseText(width: number, layers: number): void {
    const attentionStd = width ** -0.5;
    const residualStd = attentionStd * (2 * layers) ** -0.5;
    normal_(this.tokenEmbedding.weight, 0.02);
    normal_(this.positionalEmbedding, 0.01);
    for (const { attn, mlp } of this.transformer.blocks) {
      normal_(attn.inProjWeight, attentionStd);
      normal_(attn.outProj.weight, residualStd);
      normal_(mlp.cFc.weight, (2 * width) ** -0.5);
      normal_(mlp.cProj.weight, residualStd);
    }
    normal_(this.textProjection, attentionStd);
  }

  /** Pictures [B, 3, S, S] -> features [B, embedDim], not normalised. Fastest when the pictures lie channels-last. */
  encodeImage(images: Tensor): Tensor {
    return runStages(this.stages.image, images);
  }

  #checkedImages(images: Tensor): Tensor {
    const { image_size: side } = this.config.vision_cfg;
    const { shape } = images;
    if (shape.length !== 4 || shape[1] !== 3 || shape[2] !== side || shape[3] !== side)
      throw new RangeError(`pictures must have the shape [batch, 3, ${side}, ${side}], got [${shape}]`);
    return images.contiguous({ memoryFormat: "channelsLast" });
  }

  /**
   * Token ids [B, tokens] (int32 or int64) -> features [B, embedDim], not normalised, read at the highest id of each row: the
   * end of the text. Columns behind the last end change nothing, so `tokens` may be fewer than the context length.
   */
  encodeText(tokens: Tensor): Tensor {
    return runStages(this.stages.text, tokens);
  }

  #embedTokens(tokens: Tensor): Tensor {
    const { context_length: context } = this.config.text_cfg;
    const { shape } = tokens;
    const [, length] = shape;
    if (shape.length !== 2 || length === undefined || length < 1 || length > context)
      throw new RangeError(`tokens must have the shape [batch, at most ${context}], got [${shape}]`);
    const rows = textRows(tokens);
    if (rows === undefined)
      return this.tokenEmbedding.forward(tokens).add(this.positionalEmbedding.narrow(0, 0, length));
    return this.tokenEmbedding.forward(rows.ids(tokens)).add(embedding(this.positionalEmbedding, rows.columns()));
  }
}

/** The token with the highest id in each row; it sees itself and what stands before it. */
function endsOf(tokens: Tensor): TokenPick {
  const rows = textRows(tokens);
  if (rows !== undefined) return rows.lastTokens();
  const [batch, length] = tokens.shape as [number, number];
  const { device } = tokens;
  const end = tokens.argmax({ dim: 1, keepdim: true });
  const mask = arange(length, { device }).le(end).view([batch, 1, 1, length]);
  const places = arange(batch, { device }).mul(length).add(end.select(1, 0));
  return { from: (x) => x.flatten({ endDim: 1 }).indexSelect(0, places).unsqueeze(1), mask };
}

function buildVisual({ embed_dim, quick_gelu, vision_cfg }: ModelConfig): VisionTransformer | ModifiedResNet {
  const { image_size, layers, width, patch_size, head_width, mlp_ratio, patch_dropout } = vision_cfg;
  const common = { imageSize: image_size, width, outWidth: embed_dim };
  if (typeof layers !== "number") return new ModifiedResNet({ ...common, layers, heads: (width * 32) / head_width });
  return new VisionTransformer({
    ...common,
    layers,
    patchSize: patch_size!,
    heads: width / head_width,
    mlpRatio: mlp_ratio,
    activation: quick_gelu ? quickGelu : gelu,
    patchDropout: patch_dropout,
  });
}

/**
 * A new model by its name or configuration file (see `modelConfig`). With a seed, its weights are OpenCLIP's of that seed;
 * `patchDropout` takes the place of the configuration's.
 */
export function createModel(
  nameOrPath: string,
  options: { seed?: number; logitScale?: number; logitBias?: number; patchDropout?: number | undefined } = {},
): CLIP {
  const { seed, patchDropout, ...rest } = options;
  const config = withPatchDropout(modelConfig(nameOrPath), patchDropout);
  return scope(() => {
    if (seed !== undefined) manualSeed(seed);
    return new CLIP(config, rest);
  });
}

function withPatchDropout(config: ModelConfig, patch_dropout: number | undefined): ModelConfig {
  return patch_dropout === undefined ? config : { ...config, vision_cfg: { ...config.vision_cfg, patch_dropout } };
}
