// The schedule of the inner learning rate gamma.

export type GammaSchedule =
  | { readonly kind: "constant"; readonly gamma: number }
  | { readonly kind: "cosine"; readonly gammaMin: number | "auto"; readonly decayEpochs: number | "auto" };

/**
 * gamma by epoch (FastCLIP, section 4): 1 in epoch 0, so that u starts at g; then a half cosine down to `gammaMin` at
 * `decayEpochs`, or constant at once. "auto" follows the authors' later advice: gammaMin = min(1, 4.177 * epochs^-0.7265),
 * with decay over all epochs.
 */
export function gammaSchedule(schedule: GammaSchedule, epochs: number): (epoch: number) => number {
  if (schedule.kind === "constant") return (epoch) => (epoch === 0 ? 1 : schedule.gamma);
  const gammaMin = schedule.gammaMin === "auto" ? automaticGammaMin(epochs) : schedule.gammaMin;
  const decayEpochs = schedule.decayEpochs === "auto" ? epochs : schedule.decayEpochs;
  return (epoch) => {
    if (epoch === 0) return 1;
    if (epoch >= decayEpochs) return gammaMin;
    return 0.5 * (1 + Math.cos((Math.PI * epoch) / decayEpochs)) * (1 - gammaMin) + gammaMin;
  };
}

/** The authors' fit of the best gammaMin to the number of epochs: few epochs need gamma near 1. */
function automaticGammaMin(epochs: number): number {
  return Math.min(1, 4.177 * epochs ** -0.7265);
}
