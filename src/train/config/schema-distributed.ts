// The section of the configuration about several processes.
import { z } from "zod";
import { described } from "./meta.ts";
import type { DistributedConfig } from "./types.ts";

const seconds = z.number().positive().max(86_400);

export const distributedSchema: z.ZodType<DistributedConfig> = described(
  z
    .strictObject({
      gradientReduction: described(z.enum(["scalars", "features"]).default("scalars"), {
        flag: "gradient-reduction",
        description:
          "How processes share the gradient of the features: one scalar for each pair and side (FastCLIP's way), or the gradients themselves (OpenCLIP's); the result is the same",
      }),
      featurePrecision: described(z.enum(["fp32", "bf16"]).default("fp32"), {
        flag: "feature-precision",
        description:
          "In what features travel between processes; bf16 halves the bytes and rounds the features of the loss",
      }),
      syncBatchNorm: described(z.boolean().default(false), {
        flag: "use-bn-sync",
        description: "Batch norm takes its statistics from the batch of all processes instead of each from its own",
      }),
      joinTimeout: described(seconds.default(300), {
        flag: "join-timeout",
        unit: "seconds",
        description: "How long processes wait for each other at the start",
      }),
      timeout: described(seconds.default(600), {
        flag: "dist-timeout",
        unit: "seconds",
        description:
          "How long a process waits for the others in one exchange before it gives up and names who is missing",
      }),
    })
    .prefault({}),
  { title: "Several processes", description: "How the processes of a run share their work" },
);
