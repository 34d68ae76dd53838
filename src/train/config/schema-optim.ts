// The optimizer, and the course of its learning rate.
import { z } from "zod";
import { described } from "./meta.ts";
import type { OptimConfig } from "./types.ts";

const positive = z.number().positive();
const notNegative = z.number().min(0);
const share = notNegative.lt(1);

const scheduleSchema = described(
  z
    .discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("cosine"),
        lrMin: described(notNegative.default(0), {
          flag: "lr-min",
          description: "Learning rate that the half cosine ends at",
        }),
      }),
      z.strictObject({ kind: z.literal("const") }),
      z.strictObject({
        kind: z.literal("const-cooldown"),
        epochsCooldown: described(z.int().min(0), {
          flag: "epochs-cooldown",
          unit: "epochs",
          description: "How long before the end of the run the learning rate starts to go down",
        }),
        cooldownPower: described(positive.default(1), {
          flag: "lr-cooldown-power",
          description: "Power of the polynomial that it goes down by; 1 is a line",
        }),
        cooldownEnd: described(notNegative.default(0), {
          flag: "lr-cooldown-end",
          description: "Learning rate that it ends at",
        }),
      }),
    ])
    .prefault({ kind: "cosine" }),
  { flag: "lr-scheduler", value: "kind", description: "Course of the learning rate after the warm-up" },
);

const shared = {
  lr: described(positive.default(5e-4), { flag: "lr", description: "Highest learning rate" }),
  schedule: scheduleSchema,
  warmup: described(z.int().min(0).default(10_000), {
    flag: "warmup",
    unit: "steps",
    description: "Steps in which the learning rate grows to its highest",
  }),
  weightDecay: described(notNegative.default(0.2), {
    flag: "wd",
    description: "Weight decay of the weights; gains, biases and the temperature have none",
  }),
  layerDecay: described(positive.max(1).exactOptional(), {
    flag: "layer-decay",
    description:
      "Factor of the learning rate from layer to layer, from each tower's head down to its input; without it, or at 1, all are equal",
  }),
  gradClipNorm: described(positive.exactOptional(), {
    flag: "grad-clip-norm",
    description: "Largest norm of the whole gradient; without it nothing is clipped",
  }),
  emaDecay: described(positive.lt(1).exactOptional(), {
    flag: "ema-decay",
    description:
      "Keep a moving average of the weights, which is evaluated and saved beside them: the share of it that a step leaves as it is",
  }),
  emaWarmup: described(z.boolean().default(false), {
    flag: "ema-warmup",
    description: "Begin the moving average with a smaller share: at most 1 - step^(-2/3), as in timm",
  }),
};

const beta1 = described(share.default(0.9), {
  flag: "beta1",
  description: "Memory of the mean of the gradients; lion: the mean's share in the direction of a step",
});

const beta2 = (initial: number) =>
  described(share.default(initial), {
    flag: "beta2",
    description: "Memory of the mean of their squares; lion: memory of the mean of the gradients",
  });

const adam = {
  beta1,
  beta2: beta2(0.98),
  eps: described(positive.default(1e-6), {
    flag: "eps",
    description: "Added to the root of the squares before it divides",
  }),
};

const sgd = {
  momentum: described(share.default(0.9), {
    flag: "momentum",
    description: "Share of the last step's direction in the next; the temperature has none",
  }),
  nesterov: described(z.boolean().default(false), {
    flag: "nesterov",
    description: "Look one step of the momentum ahead",
  }),
};

export const optimSchema: z.ZodType<OptimConfig> = described(
  z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("adamw"), ...shared, ...adam }),
      z.strictObject({ kind: z.literal("lamb"), ...shared, ...adam }),
      z.strictObject({ kind: z.literal("lion"), ...shared, beta1, beta2: beta2(0.99) }),
      z.strictObject({ kind: z.literal("sgd"), ...shared, ...sgd }),
    ])
    .prefault({ kind: "adamw" }),
  { title: "Optimizer", flag: "opt", value: "kind", description: "How the gradients change the weights" },
);
