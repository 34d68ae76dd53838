// Learning-rate schedules: functions of the step, counted from 0.

export type LearningRateSchedule =
  /** A half cosine from `lr` at the end of the warm-up down to `lrMin` at the end of the run. */
  | {
      readonly kind: "cosine";
      readonly lr: number;
      readonly lrMin: number;
      readonly warmup: number;
      readonly steps: number;
    }
  | { readonly kind: "const"; readonly lr: number; readonly warmup: number }
  /** Constant until `cooldownSteps` before the end, then a polynomial (1: a line) down to `lrEnd`. */
  | {
      readonly kind: "const-cooldown";
      readonly lr: number;
      readonly warmup: number;
      readonly steps: number;
      readonly cooldownSteps: number;
      readonly power: number;
      readonly lrEnd: number;
    };

/**
 * The learning rate by step, as OpenCLIP's schedulers: a warm-up line lr * (step + 1) / warmup, then the schedule. A warm-up that
 * is longer than the run is cut off by the run's end, and behind the end the rate stays what it came down to.
 */
export function learningRate(schedule: LearningRateSchedule): (step: number) => number {
  const after = afterWarmup(schedule);
  const { lr, warmup } = schedule;
  return (step) => (step < warmup ? (lr * (step + 1)) / warmup : after(step));
}

function afterWarmup(schedule: LearningRateSchedule): (step: number) => number {
  const { lr } = schedule;
  switch (schedule.kind) {
    case "const":
      return () => lr;
    case "cosine": {
      const { lrMin, warmup, steps } = schedule;
      return (step) => {
        const done = step < steps ? (step - warmup) / (steps - warmup) : 1;
        return 0.5 * (1 + Math.cos(Math.PI * done)) * (lr - lrMin) + lrMin;
      };
    }
    case "const-cooldown": {
      const { steps, cooldownSteps, power, lrEnd } = schedule;
      const start = steps - cooldownSteps;
      return (step) => {
        if (step < start) return lr;
        const left = step < steps ? (steps - step) / cooldownSteps : 0;
        return left ** power * (lr - lrEnd) + lrEnd;
      };
    }
  }
}

/** FastCLIP-v3's rule for the temperature's learning rate: a third of it while tau <= `decayAt` (the paper's 0.03). */
export function temperatureLearningRate({ lr, decayAt }: { lr: number; decayAt: number }): (tau: number) => number {
  return (tau) => (tau <= decayAt ? lr / 3 : lr);
}
