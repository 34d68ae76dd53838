// What a CLIP model is made of, in the JSON format of OpenCLIP's model configurations.
import { readInteger, readNumber, readObject, refuse, refuseOthers } from "./fields.ts";

interface VisionConfig {
  /** Side of the square picture in pixels. */
  readonly image_size: number;
  /** Blocks of a vision transformer, or of each of the four stages of a ResNet. */
  readonly layers: number | readonly [number, number, number, number];
  readonly width: number;
  /** Side of a patch in pixels; null for a ResNet. */
  readonly patch_size: number | null;
  readonly head_width: number;
  readonly mlp_ratio: number;
  /** Share of a picture's patches that training leaves out. */
  readonly patch_dropout: number;
}

interface TextConfig {
  readonly context_length: number;
  readonly vocab_size: number;
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  readonly mlp_ratio: number;
}

export interface ModelConfig {
  readonly embed_dim: number;
  readonly quick_gelu: boolean;
  readonly vision_cfg: VisionConfig;
  readonly text_cfg: TextConfig;
  /** Logarithm of the first logit scale, where the file sets one. */
  readonly init_logit_scale?: number;
  /** What is added to every logit at the start, for SigLIP's loss. */
  readonly init_logit_bias?: number;
}

/** Fields of OpenCLIP that are accepted while they have one of these values, which leave the model as it is. */
const neutralModel = { custom_text: [false], nonscalar_logit_scale: [false], multimodal_cfg: [] };
const neutralBlocks = {
  ls_init_value: [],
  block_type: ["default"],
  qk_norm: [false],
  scaled_cosine_attn: [false],
  scale_heads: [false],
  scale_attn_inner: [false],
  scale_attn: [false],
  scale_fc: [false],
  act_kwargs: [],
  norm_kwargs: [],
  final_ln_after_pool: [false],
  output_tokens: "any",
} as const;
const neutralVision = {
  ...neutralBlocks,
  attentional_pool: [false],
  attn_pooler_queries: "any",
  attn_pooler_heads: "any",
  no_ln_pre: [false],
  pos_embed_type: ["learnable"],
  pool_type: ["tok"],
  timm_model_name: [""],
  timm_model_pretrained: [false],
  timm_pool: "any",
  timm_proj: "any",
  timm_proj_bias: "any",
  timm_drop: "any",
  timm_drop_path: "any",
} as const;
const neutralText = {
  ...neutralBlocks,
  hf_tokenizer_name: [""],
  tokenizer_mode: [],
  tokenizer_kwargs: [],
  embed_cls: [false],
  pad_id: [0],
  eos_id: "any",
  no_causal_mask: [false],
  pool_type: ["argmax"],
  proj_bias: [false],
  proj_type: ["linear"],
  hf_model_name: [""],
  hf_model_pretrained: "any",
  hf_proj_type: "any",
  hf_pooler_type: "any",
} as const;

/**
 * Checks a model configuration and fills in OpenCLIP's defaults. `where` (a file, say) begins the messages. A field that asks
 * for a model which is not built here is an error; one that changes nothing is left out.
 */
export function parseModelConfig(value: unknown, where: string): ModelConfig {
  const {
    embed_dim,
    quick_gelu = false,
    vision_cfg,
    text_cfg,
    init_logit_scale,
    init_logit_bias,
    ...others
  } = readObject(value, where);
  refuseOthers(others, neutralModel, where);
  if (typeof quick_gelu !== "boolean") throw refuse(`${where}: quick_gelu`, "true or false", quick_gelu);
  return {
    embed_dim: readInteger(embed_dim, `${where}: embed_dim`),
    quick_gelu,
    vision_cfg: parseVision(vision_cfg, `${where}: vision_cfg`),
    text_cfg: parseText(text_cfg, `${where}: text_cfg`),
    ...(init_logit_bias == null ? {} : { init_logit_bias: readNumber(init_logit_bias, `${where}: init_logit_bias`) }),
    ...(init_logit_scale == null
      ? {}
      : { init_logit_scale: readNumber(init_logit_scale, `${where}: init_logit_scale`) }),
  };
}

function parseVision(value: unknown, where: string): VisionConfig {
  const {
    image_size = 224,
    layers = 12,
    width = 768,
    patch_size,
    head_width = 64,
    mlp_ratio = 4,
    patch_dropout = 0,
    ...others
  } = readObject(value, where);
  refuseOthers(others, neutralVision, where);
  const isResNet = Array.isArray(layers);
  const config: VisionConfig = {
    image_size: readInteger(squareSide(image_size), `${where}.image_size`),
    layers: isResNet ? readStages(layers, `${where}.layers`) : readInteger(layers, `${where}.layers`),
    width: readInteger(width, `${where}.width`),
    patch_size: isResNet ? null : readInteger(squareSide(patch_size ?? 16), `${where}.patch_size`),
    head_width: readInteger(head_width, `${where}.head_width`),
    mlp_ratio: readNumber(mlp_ratio, `${where}.mlp_ratio`, { above: 0 }),
    patch_dropout: readNumber(patch_dropout, `${where}.patch_dropout`),
  };
  checkVision(config, where);
  return config;
}

function checkVision(config: VisionConfig, where: string): void {
  const { image_size, patch_size, width, head_width, patch_dropout } = config;
  const attentionWidth = patch_size === null ? width * 32 : width;
  if (attentionWidth % head_width !== 0)
    throw refuse(`${where}.head_width`, `a divisor of the attention's width ${attentionWidth}`, head_width);
  if (patch_size === null && (image_size % 32 !== 0 || width % 2 !== 0))
    throw new Error(`${where}: a ResNet needs an image_size that is a multiple of 32 and an even width`);
  if (patch_size !== null && patch_size > image_size)
    throw refuse(`${where}.patch_size`, `at most the image_size ${image_size}`, patch_size);
  if (patch_dropout < 0 || patch_dropout >= 1)
    throw refuse(`${where}.patch_dropout`, "a share of at least 0 and below 1", patch_dropout);
  if (patch_size === null && patch_dropout > 0)
    throw refuse(`${where}.patch_dropout`, "0 for a ResNet, which has no patches", patch_dropout);
}

function parseText(value: unknown, where: string): TextConfig {
  const {
    context_length = 77,
    vocab_size = 49408,
    width = 512,
    heads = 8,
    layers = 12,
    mlp_ratio = 4,
    ...others
  } = readObject(value, where);
  refuseOthers(others, neutralText, where);
  const config: TextConfig = {
    context_length: readInteger(context_length, `${where}.context_length`),
    vocab_size: readInteger(vocab_size, `${where}.vocab_size`),
    width: readInteger(width, `${where}.width`),
    heads: readInteger(heads, `${where}.heads`),
    layers: readInteger(layers, `${where}.layers`),
    mlp_ratio: readNumber(mlp_ratio, `${where}.mlp_ratio`, { above: 0 }),
  };
  if (config.width % config.heads !== 0)
    throw refuse(`${where}.heads`, `a divisor of the width ${config.width}`, config.heads);
  return config;
}

/** OpenCLIP lets a size be a pair; only square ones are built here. */
const squareSide = (size: unknown): unknown =>
  Array.isArray(size) && size.length === 2 && size[0] === size[1] ? size[0] : size;

function readStages(layers: readonly unknown[], where: string): [number, number, number, number] {
  if (layers.length !== 4) throw refuse(where, "the blocks of four stages", layers);
  return layers.map((blocks, i) => readInteger(blocks, `${where}[${i}]`)) as [number, number, number, number];
}
