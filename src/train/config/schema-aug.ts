// The section about the augmentation of the training pictures.
import { z } from "zod";
import { described } from "./meta.ts";
import type { DataConfig } from "./types.ts";

const probability = z.number().min(0).max(1);
const positive = z.number().positive();
const rgb = z.tuple([z.number(), z.number(), z.number()]);

const colorJitter = z.strictObject({
  brightness: described(z.number().min(0).default(0), {
    flag: "aug-brightness",
    unit: "share",
    description: "Largest change of the brightness, either way",
  }),
  contrast: described(z.number().min(0).default(0), {
    flag: "aug-contrast",
    unit: "share",
    description: "Largest change of the contrast, either way",
  }),
  saturation: described(z.number().min(0).default(0), {
    flag: "aug-saturation",
    unit: "share",
    description: "Largest change of the saturation, either way",
  }),
  hue: described(z.number().min(0).max(0.5).default(0), {
    flag: "aug-hue",
    unit: "turns of the colour circle",
    description: "Largest shift of the hue, either way",
  }),
  probability: described(probability.default(1), {
    flag: "aug-color-jitter-prob",
    description: "Probability that a picture's colours are changed at all",
  }),
});

const affine = z.strictObject({
  degrees: described(z.number().min(0).max(180).default(0), {
    flag: "aug-affine-degrees",
    unit: "degrees",
    description: "Largest random rotation, either way",
  }),
  translate: described(z.tuple([probability, probability]).default([0, 0]), {
    flag: "aug-affine-translate",
    unit: "share of the side",
    description: "Largest random shift across and down, either way",
  }),
  scale: described(z.tuple([positive, positive]).default([1, 1]), {
    flag: "aug-affine-scale",
    unit: "factor",
    description: "Smallest and largest random zoom",
  }),
  fill: described(z.int().min(0).max(255).default(255), {
    flag: "aug-affine-fill",
    unit: "grey level",
    description: "Brightness of what a rotated or shifted picture leaves empty",
  }),
});

export const augSchema: z.ZodType<DataConfig["aug"]> = described(
  z
    .strictObject({
      scale: described(z.tuple([positive.max(1), positive.max(1)]).default([0.9, 1]), {
        flag: "aug-scale",
        unit: "share of the picture's area",
        description: "Smallest and largest part of a picture that the random crop keeps",
      }),
      ratio: described(z.tuple([positive, positive]).default([3 / 4, 4 / 3]), {
        flag: "aug-ratio",
        unit: "width / height",
        description: "Narrowest and widest shape of the random crop before it is resized to a square",
      }),
      affine: described(affine.exactOptional(), { description: "Random rotation, shift and zoom; off when absent" }),
      colorJitter: described(colorJitter.exactOptional(), {
        description: "Random change of the colours; off when absent",
      }),
      grayscale: described(probability.default(0), {
        flag: "aug-grayscale",
        description: "Probability of taking the colour out of a picture",
      }),
      horizontalFlip: described(probability.default(0), {
        flag: "aug-horizontal-flip",
        description: "Probability of mirroring a picture left to right",
      }),
      mean: described(rgb.default([0.48145466, 0.4578275, 0.40821073]), {
        flag: "image-mean",
        description: "What is taken off red, green and blue (0 to 1); the default is OpenAI's",
      }),
      std: described(z.tuple([positive, positive, positive]).default([0.26862954, 0.26130258, 0.27577711]), {
        flag: "image-std",
        description: "What red, green and blue are divided by afterwards; the default is OpenAI's",
      }),
    })
    .prefault({}),
  { title: "Augmentation", description: "Random changes of the training pictures, and their normalisation" },
);
