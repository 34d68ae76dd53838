import type { LayerNorm, Stage, TokenPick, Transformer } from "../nn/index.ts";
import type { Tensor } from "../tensor/index.ts";

export interface TransformerTower {
  /** From pictures or token ids to tokens [B, tokens, width]. */
  readonly embed: Stage;
  readonly transformer: Transformer;
  readonly isCausal: boolean;
  /** The token that the features are read at, given what the tower was given. */
  pick(input: Tensor): TokenPick;
  readonly norm: LayerNorm;
  /** [width, outWidth] */
  readonly projection: Tensor;
}

/** The stages of a transformer tower, which are also the groups that OpenCLIP locks: the last norm belongs to the last block. */
export function transformerStages({ embed, transformer, isCausal, pick, norm, projection }: TransformerTower): Stage[] {
  const last = transformer.blocks.at(-1)!;
  return [
    embed,
    ...transformer.blocks.slice(0, -1).map((block) => ({
      parts: [block],
      forward: (x: Tensor) => block.forward(x, { isCausal }),
    })),
    { parts: [last, norm], forward: (x, input) => norm.forward(last.forwardPicked(x, pick(input)).select(1, 0)) },
    { parts: [projection], forward: (x) => x.matmul(projection) },
  ];
}
