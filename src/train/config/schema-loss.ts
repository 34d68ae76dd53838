// The loss, its temperature and the estimator's weight gamma.
import { z } from "zod";
import { described } from "./meta.ts";
import type { LossConfig } from "./types.ts";

const positive = z.number().positive();

const gammaSchema = described(
  z
    .discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("constant"),
        gamma: described(positive.max(1).default(0.8), {
          flag: "gamma",
          description: "Weight of the newest estimate in u, from the second epoch on (it is 1 in the first)",
        }),
      }),
      z.strictObject({
        kind: z.literal("cosine"),
        gammaMin: described(z.union([positive.max(1), z.literal("auto")]).default("auto"), {
          flag: "gamma-min",
          description: "Where the half cosine from 1 ends; auto is min(1, 4.177 * epochs^-0.7265)",
        }),
        decayEpochs: described(z.union([z.int().min(1), z.literal("auto")]).default("auto"), {
          flag: "gamma-decay-epochs",
          unit: "epochs",
          description: "When it ends there; auto is the last epoch",
        }),
      }),
    ])
    .prefault({ kind: "cosine" }),
  {
    flag: "gamma-schedule",
    value: "kind",
    description: "How gamma, the weight of the newest estimate in u, goes over the epochs",
  },
);

// tau is kept in [0.01, 1]: logit_scale = 1 / tau is clamped to [1, 100], as in CLIP.
const initial = (tau: number) =>
  described(z.number().min(0.01).max(1).default(tau), {
    flag: "temperature",
    description: "Temperature tau to start with; logit_scale is 1 / tau",
  });
const init = initial(0.07);

// Rates of different rules are not exchanged for one another: a stepped one is tuned on its own, a scheduled one beside the model's.
const learningRate = (role: "scheduled" | "stepped", initial: number | "auto") =>
  described(z.union([z.number().min(0), z.literal("auto")]).default(initial), {
    flag: "lr-tau",
    role,
    description: "Learning rate of the temperature; auto is the model's",
  });

const temperature = <T extends z.ZodType>(schema: T): T =>
  described(schema, { title: "Temperature", description: "The temperature tau of the softmax" });

const decayAt = described(z.number().min(0).max(1).default(0.03), {
  flag: "lr-tau-decay-at",
  description: "Once tau is this small its learning rate is cut to a third; 0 never cuts it",
});

/** The rule of a temperature that all pairs share, with v0's or v3's as the default. */
const temperatureRule = (kind: "scheduled" | "stepped") =>
  described(
    z
      .discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("constant"), init }),
        z.strictObject({ kind: z.literal("scheduled"), init, lr: learningRate("scheduled", 2e-4) }),
        z.strictObject({ kind: z.literal("stepped"), init, lr: learningRate("stepped", 2e-4), decayAt }),
      ])
      .prefault({ kind }),
    {
      title: "Temperature",
      flag: "temperature-rule",
      value: "kind",
      description:
        "constant: tau is not trained. scheduled: its learning rate follows the model's schedule. stepped: its learning rate is cut to a third once tau is small",
    },
  );

const eps = described(z.number().min(0).default(1e-14), {
  flag: "fastclip-eps",
  description: "Added to u before it divides, so that an easy sample does not blow up",
});

const rho = described(z.number().min(0).default(6.5), {
  flag: "rho",
  description: "Weight of tau in the robust loss: a larger rho makes a smaller tau",
});

const decayRate = (initial: number, { flag, of }: { flag: string; of: string }) =>
  described(z.number().min(0).lt(1).default(initial), { flag, description: `Memory of the mean of ${of}` });

/** v2's temperatures: one for each picture and each text, with moments of their own. */
const individualTemperature = z
  .strictObject({
    init: initial(0.03),
    lr: described(z.number().min(0).default(0.0133), {
      flag: "lr-tau",
      role: "individual",
      description: "Learning rate of each temperature",
    }),
    beta1: decayRate(0.9, { flag: "beta1-tau", of: "a temperature's gradients" }),
    beta2: decayRate(0.999, { flag: "beta2-tau", of: "their squares" }),
    eps: described(positive.default(1e-8), {
      flag: "eps-tau",
      description: "Added to the root of the squares before it divides",
    }),
  })
  .prefault({});

const tauGradient = described(z.enum(["reference", "exact"]).default("reference"), {
  flag: "tau-gradient",
  value: "kind",
  description:
    "reference counts the exponential part of tau's gradient twice, as the published code that rho was tuned with; exact counts it once",
});

export const lossSchema: z.ZodType<LossConfig> = described(
  z
    .discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("openclip"),
        temperature: temperature(z.strictObject({ init, lr: learningRate("scheduled", "auto") }).prefault({})),
      }),
      z.strictObject({
        kind: z.literal("siglip"),
        temperature: temperature(
          z.strictObject({ init: initial(0.1), lr: learningRate("scheduled", "auto") }).prefault({}),
        ),
        bias: z
          .strictObject({
            init: described(z.number().default(-10), {
              flag: "logit-bias",
              description: "Bias of the logits to start with",
            }),
          })
          .prefault({}),
      }),
      z.strictObject({
        kind: z.literal("fastclip-v0"),
        eps,
        tauGradient,
        gamma: gammaSchema,
        temperature: temperature(z.strictObject({ init, lr: learningRate("scheduled", 2e-4) }).prefault({})),
      }),
      z.strictObject({
        kind: z.literal("fastclip-v1"),
        eps,
        gamma: gammaSchema,
        temperature: temperature(z.strictObject({ init }).prefault({})),
      }),
      z.strictObject({
        kind: z.literal("fastclip-v2"),
        eps,
        rho,
        gamma: gammaSchema,
        temperature: temperature(individualTemperature),
      }),
      z.strictObject({
        kind: z.literal("fastclip-v3"),
        eps,
        rho,
        tauGradient,
        gamma: gammaSchema,
        temperature: temperature(z.strictObject({ init, lr: learningRate("stepped", 2e-4), decayAt }).prefault({})),
      }),
      z.strictObject({
        kind: z.literal("fastclip-global"),
        eps,
        tauGradient,
        gamma: gammaSchema,
        temperature: temperatureRule("scheduled"),
      }),
      z.strictObject({
        kind: z.literal("fastclip-robust"),
        eps,
        rho,
        tauGradient,
        gamma: gammaSchema,
        temperature: temperatureRule("stepped"),
      }),
    ])
    .prefault({ kind: "fastclip-v3" }),
  {
    title: "Loss",
    flag: "loss",
    value: "kind",
    description:
      "openclip: the usual contrastive loss. siglip: a sigmoid for each pair. FastCLIP: v0 learned tau, v1 constant tau, v2 a tau for each picture and text, v3 learned tau in the robust loss. For those who mix: fastclip-global (v0's and v1's objective) and fastclip-robust (v3's, scaled by tau, with rho) with any --temperature-rule; a tau for each picture and text is v2's alone",
  },
);
