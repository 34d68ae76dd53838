import type { LayerNorm, Sequences, Stage, TokenPick, Transformer } from "../nn/index.ts";
import type { Tensor } from "../tensor/index.ts";

export interface TransformerTower {
  /** From pictures or token ids to tokens [B, tokens, width], or to rows of them. */
  readonly embed: Stage;
  readonly transformer: Transformer;
  readonly isCausal: boolean;
  /** Where `embed` gives rows: what they are. */
  sequences?(input: Tensor): Sequences | undefined;
  /** The token that the features are read at, given what the tower was given. */
  pick(input: Tensor): TokenPick;
  readonly norm: LayerNorm;
  /** [width, outWidth] */
  readonly projection: Tensor;
}

/** The stages of a transformer tower, which are also the groups that OpenCLIP locks: the last norm belongs to the last block. */
export function transformerStages(tower: TransformerTower): Stage[] {
  const { embed, transformer, isCausal, norm, projection } = tower;
  const last = transformer.blocks.at(-1)!;
  return [
    embed,
    ...transformer.blocks.slice(0, -1).map((block) => ({
      parts: [block],
      forward: (x: Tensor, input: Tensor) => block.forward(x, { isCausal, sequences: tower.sequences?.(input) }),
    })),
    { parts: [last, norm], forward: (x, input) => norm.forward(last.forwardPicked(x, tower.pick(input)).select(1, 0)) },
    { parts: [projection], forward: (x) => x.matmul(projection) },
  ];
}
