// The one schema of the configuration: flags, YAML file, JSON Schema and documentation come from it.
import { z } from "zod";
import { described } from "./meta.ts";
import { dataSchema, evalSchema } from "./schema-data.ts";
import { distributedSchema } from "./schema-distributed.ts";
import { lossSchema } from "./schema-loss.ts";
import { modelSchema } from "./schema-model.ts";
import { optimSchema } from "./schema-optim.ts";
import type { Config, RunConfig } from "./types.ts";

const text = z.string().min(1);

const runSchema: z.ZodType<RunConfig> = described(
  z
    .strictObject({
      logs: described(text.default("runs"), {
        flag: "logs",
        value: "dir",
        description: "Folder that the folders of all runs are made in",
      }),
      name: described(
        z
          .string()
          .regex(/^(?!\.\.?$)[^/\\]+$/)
          .exactOptional(),
        {
          flag: "name",
          value: "name",
          form: "the name of a folder, without / in it",
          description: "Name of the run's own folder; without it, one is made from the time and the settings",
        },
      ),
      resume: described(text.exactOptional(), {
        flag: "resume",
        value: "run",
        description:
          "Folder of a run to go on with from its last whole checkpoint; auto goes on with the run of --name, or begins it",
      }),
      remoteSync: described(
        z
          .string()
          .regex(/^(s3:\/\/[^/]|(?![a-z][a-z0-9+.-]*:).)/i)
          .exactOptional(),
        {
          flag: "remote-sync",
          value: "location",
          form: "s3://bucket/prefix or a folder",
          description:
            "Where the run's checkpoints and figures are copied to while it trains, under the run's name: s3://bucket/prefix or a folder; a run that goes on takes from there what its own folder lacks",
        },
      ),
      seed: described(z.int().min(0).default(0), {
        flag: "seed",
        description: "Start of every random number: weights, order of the samples, augmentation",
      }),
      threads: described(z.union([z.int().min(1).max(4096), z.literal("auto")]).default("auto"), {
        flag: "threads",
        unit: "threads",
        description: "Threads for the arithmetic; auto takes all cores of the CPU but one for each loader thread",
      }),
      batchSize: described(z.int().min(2).default(64), {
        flag: "batch-size",
        unit: "pairs",
        description: "Pairs in one step; with --accum-freq N, pairs in each of its N micro-batches",
      }),
      microBatch: described(z.union([z.int().min(1), z.literal("auto")]).exactOptional(), {
        flag: "micro-batch",
        unit: "pairs",
        description:
          "Pairs that go through the towers at once: fewer take less memory, and the step stays that of the whole batch; auto takes the most that fit into memory, and without it all do",
      }),
      accumFreq: described(z.int().min(1).exactOptional(), {
        flag: "accum-freq",
        description: "Micro-batches in one step, as in OpenCLIP: the step has so many times --batch-size pairs",
      }),
      epochs: described(z.int().min(1).default(32), {
        flag: "epochs",
        unit: "epochs",
        description: "How often the whole data set is seen",
      }),
      logEvery: described(z.int().min(1).default(100), {
        flag: "log-every-n-steps",
        unit: "steps",
        description: "How often a line is logged",
      }),
      saveFrequency: described(z.int().min(0).default(1), {
        flag: "save-frequency",
        unit: "epochs",
        description: "Of how many epochs the checkpoint of one is kept for good; 0 keeps only the last ones",
      }),
      saveSteps: described(z.int().min(1).exactOptional(), {
        flag: "save-every-n-steps",
        unit: "steps",
        description: "A checkpoint within an epoch after every so many steps, beside the one at its end",
      }),
      saveMinutes: described(z.number().positive().exactOptional(), {
        flag: "save-every-minutes",
        unit: "minutes",
        description: "A checkpoint when the last one is so old",
      }),
      keepLast: described(z.int().min(1).default(2), {
        flag: "keep-checkpoints",
        description:
          "How many of the newest checkpoints are kept; where one is damaged, the run goes on from that before it",
      }),
      keepBest: described(text.exactOptional(), {
        flag: "keep-best",
        value: "metric",
        description:
          "The checkpoint with the highest figure of this name in its evaluation is kept too, such as zero-shot top-1",
      }),
      evalFrequency: described(z.int().min(0).default(1), {
        flag: "val-frequency",
        unit: "epochs",
        description: "How often the model is evaluated; 0 evaluates only at the end",
      }),
      maxSkipped: described(z.int().min(1).default(10), {
        flag: "max-skipped-steps",
        unit: "steps",
        description: "A step that is not finite changes nothing; after so many in a row the run stops",
      }),
    })
    .prefault({}),
  { title: "Run", description: "How long, how often, and where it is written" },
);

/** The sections one by one, in the order of the file. */
export const sections: { readonly [Name in keyof Config]: z.ZodType<Config[Name]> } = {
  model: modelSchema,
  data: dataSchema,
  run: runSchema,
  loss: lossSchema,
  optim: optimSchema,
  distributed: distributedSchema,
  eval: evalSchema,
};

export const configSchema: z.ZodType<Config> = described(z.strictObject(sections), {
  description: "The configuration of a fastclip run",
});
