// The model, and which of it is trained.
import { z } from "zod";
import { described } from "./meta.ts";
import type { ModelConfig } from "./types.ts";

const groups = () => z.int().min(0).default(0);

const lockSchema = described(
  z
    .strictObject({
      image: described(z.boolean().default(false), {
        flag: "lock-image",
        description: "Keep the image tower as it is",
      }),
      imageUnlockedGroups: described(groups(), {
        flag: "lock-image-unlocked-groups",
        unit: "groups",
        description:
          "Groups of a vision transformer that are trained all the same, counted from its end: projection, blocks, embeddings",
      }),
      imageFreezeBnStats: described(z.boolean().default(false), {
        flag: "lock-image-freeze-bn-stats",
        description:
          "Let the batch norm of a locked ResNet use its running statistics in training, and leave them as they are",
      }),
      text: described(z.boolean().default(false), { flag: "lock-text", description: "Keep the text tower as it is" }),
      textUnlockedLayers: described(groups(), {
        flag: "lock-text-unlocked-layers",
        unit: "groups",
        description:
          "Groups of the text tower that are trained all the same, counted from its end: projection, blocks, embeddings",
      }),
    })
    .prefault({}),
  { description: "Towers that are not trained, as in LiT" },
);

export const modelSchema: z.ZodType<ModelConfig> = described(
  z
    .strictObject({
      name: described(z.string().min(1).default("ViT-B-32"), {
        flag: "model",
        value: "name",
        description: "OpenCLIP's name of the model, or the path of a JSON file in OpenCLIP's model format",
      }),
      pretrained: described(z.string().min(1).exactOptional(), {
        flag: "pretrained",
        value: "path",
        description:
          "Weights to begin with, under OpenCLIP's names: a safetensors file, a file of torch.save (.pt, .bin), or a folder that holds one; the temperature begins as configured",
      }),
      precision: described(z.enum(["auto", "amp_bf16", "fp32"]).default("auto"), {
        flag: "precision",
        value: "kind",
        description:
          "Arithmetic of the towers; auto is amp_bf16 where the hardware has bfloat16 instructions, else fp32",
      }),
      patchDropout: described(z.number().min(0).lt(1).exactOptional(), {
        flag: "force-patch-dropout",
        unit: "share of the patches",
        description:
          "Patches of each picture that a vision transformer leaves out in training; without it, the model's own share",
      }),
      gradCheckpointing: described(z.boolean().default(false), {
        flag: "grad-checkpointing",
        description: "Compute each block a second time for its gradient: less memory, more time, the same result",
      }),
      textMultiple: described(z.int().min(1).default(8), {
        flag: "text-multiple",
        unit: "tokens",
        description:
          "Columns of a batch's token ids: those of its longest text, rounded up to a multiple of this; on a CPU what lies behind the end of each text is left out as well; the result is the same",
      }),
      lock: lockSchema,
    })
    .prefault({}),
  { title: "Model", description: "The two towers that are trained" },
);
