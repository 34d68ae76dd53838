// SigLIP's loss (Zhai et al., arXiv 2303.15343): each pair of picture and text is a yes-or-no question of its own.
import { full, scope, type Tensor, zeros } from "../tensor/index.ts";
import { type Features, isWhole, rowSides, type Tile, tiles } from "./features.ts";
import { infoNce } from "./infonce.ts";
import { logInnerFunction } from "./inner.ts";
import type { ContrastiveLoss, InnerResult, LossInput, LossResult } from "./loss.ts";
import { opposite, type Pair, pair, type Side } from "./pair.ts";

/**
 * L = -1/b sum_i sum_j log sigmoid(z_ij (s_ij / tau + bias)) over this rank's pictures i and all texts j, with z_ii = 1 and z_ij = -1
 * elsewhere. A term depends on nothing but its own similarity, so ranks exchange features and no scalars.
 */
export class SigLipLoss implements ContrastiveLoss {
  readonly keepsPairs = false;

  inner({ features, tau }: LossInput): InnerResult {
    const inverseTau = full([1], 1 / tau, { dtype: features.local.image.dtype });
    const logG = logInnerFunction(features, { image: inverseTau, text: inverseTau });
    return { scalars: pair(() => zeros([0])), infoNce: infoNce(features, logG) };
  }

  gradients({ features, tau, bias }: LossInput): LossResult {
    const sums = { loss: zeros([]), logScale: zeros([]), bias: zeros([]) };
    const gradients = pair((side) => features.local[side].zerosLike());
    for (const side of rowSides(features))
      for (const tile of tiles(features)) scope(() => addTile({ features, tau, bias, side, tile, gradients, sums }));
    const scale = 1 / features.local.image.size(0);
    return {
      loss: sums.loss.mul(scale),
      features: pair((side) => gradients[side].mul_(scale)),
      logScale: sums.logScale.mul(scale),
      bias: sums.bias.mul(scale),
    };
  }

  /** It keeps nothing of any pair. */
  store(): void {}
}

interface TileTask {
  readonly features: Features;
  readonly tau: number;
  readonly bias: number;
  readonly side: Side;
  readonly tile: Tile;
  readonly gradients: Pair<Tensor>;
  readonly sums: { readonly loss: Tensor; readonly logScale: Tensor; readonly bias: Tensor };
}

/**
 * The picture side counts the loss and the two scalars, and on a rank that has the whole batch the gradient of the texts too; else the
 * text side adds that of its own features.
 */
function addTile({ features, tau, bias, side, tile, gradients, sums }: TileTask): void {
  const others = features.all[opposite(side)];
  const diagonal = features.offset + tile.start;
  const scaled = features.local[side].narrow(0, tile.start, tile.rows).matmul(others.t()).div_(tau);
  const logits = scaled.add(bias);
  // -z_ij sigmoid(-z_ij l): sigmoid(l) for a pair that does not belong together, sigmoid(l) - 1 for one that does.
  const byLogit = logits.sigmoid();
  byLogit.diagonal({ offset: diagonal }).sub_(1);
  const push = byLogit.div(tau);
  gradients[side].narrow(0, tile.start, tile.rows).addmm_(push, others);
  if (isWhole(features)) gradients.text.addmm_(push.t(), features.local.image.narrow(0, tile.start, tile.rows));
  if (side === "text") return;
  sums.logScale.add_(scaled.mul_(byLogit).sum());
  sums.bias.add_(byLogit.sum());
  const own = logits.diagonal({ offset: diagonal });
  own.neg_();
  sums.loss.sub_(logits.neg_().logSigmoid().sum());
}
