// Sections of the configuration about the data, and how the model is evaluated.
import { z } from "zod";
import { described } from "./meta.ts";
import { augSchema } from "./schema-aug.ts";
import type { DataConfig, EvalConfig } from "./types.ts";

const text = z.string().min(1);
const probability = z.number().min(0).max(1);

/** One text or a list of them; always a list afterwards. */
const texts = z
  .union([text, z.array(text).min(1)])
  .transform((value): readonly string[] => (typeof value === "string" ? [value] : value));

export const dataSchema: z.ZodType<DataConfig> = described(
  z.strictObject({
    train: described(texts, {
      flag: "train-data",
      value: "pattern",
      form: "a pattern or a list of patterns",
      description:
        "What to train on: WebDataset shards, tables (.csv, .tsv, .jsonl, .parquet) of pictures' paths, URLs or bytes, or folders of pictures; paths, http(s):// or s3:// with braces and globs, one or several; pictures behind URLs and in Parquet files are copied into the cache first",
    }),
    upsampling: described(z.array(z.number().positive().max(1000)).min(1).exactOptional(), {
      flag: "train-data-upsampling-factors",
      value: "factor",
      form: "a list of numbers above 0",
      description:
        "How often a pair of each pattern of the training data comes in an epoch, one factor for each; once when absent",
    }),
    shuffle: described(z.enum(["auto", "global", "window"]).default("auto"), {
      flag: "shuffle",
      description:
        "Order of an epoch: all pairs shuffled (global), or shards shuffled and the pairs of some shards at a time (window), for which remote shards are fetched as a whole; auto is window where shards can only be read as a whole, else global",
    }),
    shuffleWindow: described(z.int().min(1).default(16), {
      flag: "shuffle-window",
      unit: "shards",
      description: "Shards whose pairs are shuffled among each other with --shuffle window",
    }),
    val: described(texts.exactOptional(), {
      flag: "val-data",
      value: "pattern",
      form: "a pattern or a list of patterns",
      description: "What to evaluate on, as for the training data; without it nothing is evaluated",
    }),
    captionKey: described(texts.exactOptional(), {
      flag: "caption-key",
      value: "key",
      form: "a key or a list of keys",
      description:
        "Keys of a sample's JSON file that hold its captions, each a text or a list of texts; of several captions every epoch takes another; without it, the caption is its .txt file",
    }),
    imageColumn: described(text.exactOptional(), {
      flag: "image-column",
      value: "column",
      description:
        "Column of the pictures in a table; without it, filepath, image, path, url and the like are looked for",
    }),
    captionColumn: described(text.exactOptional(), {
      flag: "caption-column",
      value: "column",
      description: "Column of the captions in a table; without it, title, caption, text and the like are looked for",
    }),
    trainSize: described(z.int().min(2).exactOptional(), {
      flag: "train-num-samples",
      unit: "pairs",
      description: "Size of the training data, for the plan of --dry-run where the shards are not there to be counted",
    }),
    workers: described(z.int().min(1).max(1024).default(1), {
      flag: "workers",
      unit: "threads",
      description: "Threads that read, decode and tokenize",
    }),
    maxBadRate: described(probability.default(0.01), {
      flag: "max-bad-rate",
      unit: "share of the samples",
      description: "Damaged samples are skipped and counted; above this rate the run stops",
    }),
    cacheDir: described(text.exactOptional(), {
      flag: "cache-dir",
      value: "dir",
      description:
        "Folder of the shards' index files, of copies of shards, and of shards made of tables; without it FASTCLIP_CACHE, or fastclip in the user's cache folder",
    }),
    cacheSize: described(z.number().positive().default(50), {
      flag: "cache-size",
      unit: "GB",
      description:
        "Disk space for copies of shards that are compressed or fetched as a whole; the longest unused go first",
    }),
    aug: augSchema,
  }),
  { title: "Data", description: "The pictures and captions" },
);

export const evalSchema: z.ZodType<EvalConfig> = described(
  z
    .strictObject({
      zeroShot: described(
        z
          .strictObject({
            classes: described(text.exactOptional(), {
              flag: "zeroshot-classes",
              value: "file",
              description: "JSON file of the class names; without it there is no zero-shot classification",
            }),
            templates: described(z.array(z.string().regex(/\{\}/)).min(1).exactOptional(), {
              flag: "zeroshot-templates",
              value: "text",
              form: "a list of texts with {} in them",
              description: "Texts in which {} stands for a class name; without them, those of the file of class names",
            }),
          })
          .prefault({}),
        { description: "Zero-shot classification of the evaluation pictures" },
      ),
      split: described(text.default("validation"), {
        flag: "val-name",
        value: "name",
        description: "What the evaluation data is called in the results",
      }),
      retrieval: described(z.boolean().default(true), {
        flag: "retrieval",
        description: "Find each evaluation picture by its caption, and each caption by its picture",
      }),
    })
    .prefault({}),
  { title: "Evaluation", description: "What is measured on the evaluation shards" },
);
