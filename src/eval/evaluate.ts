// The one way to evaluate a model: in training, after it, and of any checkpoint.
import { SampleReader } from "../data/samples.ts";
import { ProcessGroup } from "../distributed/process-group.ts";
import type { Tensor } from "../tensor/index.ts";
import type { ClassList } from "./classes.ts";
import { encodeDataset, type FeatureOptions, type Features } from "./features.ts";
import { type GalleryRow, makeGallery, type Query } from "./gallery.ts";
import { type Labels, type Reader, readLabels } from "./labels.ts";
import { type EvalResult, measure } from "./results.ts";
import { buildClassifier, type Classifier } from "./zeroshot.ts";

export interface EvaluateOptions extends Omit<FeatureOptions, "captions"> {
  /** What the data is called in the results; default "validation". */
  split?: string | undefined;
  /** Class names for zero-shot classification; without them there is none. */
  classes?: ClassList | undefined;
  /** Whether retrieval is measured; default true. */
  retrieval?: boolean | undefined;
  /** How many queries the gallery shows (default 12, 0 for none), and what decides which. */
  gallery?: { readonly count?: number; readonly seed?: number } | undefined;
}

export interface Evaluation {
  readonly results: readonly EvalResult[];
  /** Empty but on rank 0. */
  readonly gallery: readonly GalleryRow[];
  readonly seconds: number;
}

/**
 * Measures a model on a data set: zero-shot classification over all class names where they are given, and retrieval among all
 * pictures and captions. Where the samples' JSON has `heldOutConcept` (the demonstration data), also for the pictures of seen
 * concepts and of held-out ones; they are looked for among all, so that the figures can be compared.
 *
 * The processes of `group`, which must have the same model and call it alike, share the work, and all get the same figures. What goes
 * wrong with a part of it is thrown by all of them. Only rank 0 makes the gallery, after the last collective.
 *
 * The model is in evaluation mode meanwhile and gets its mode back; no tensor of the evaluation stays.
 *
 * @throws when no sample can be read, class names are given and no sample has a class or one is unknown, or features are not finite.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { dataset, classes, onFault, retrieval = true, split = "validation", group = ProcessGroup.alone() } = options;
  const started = performance.now();
  const reader = new SampleReader(dataset.table);
  const features = await encodeDataset({ ...options, group, captions: retrieval || !classes });
  let classifier: Classifier | undefined;
  try {
    const labels = await readLabels({ reader, ids: features.ids, classes, onFault });
    if (classes) classifier = await classifierFor(classes, labels, options);
    const texts = retrieval ? features.texts : undefined;
    group.phase = "evaluation: ranking";
    const results = measure({ split, images: features.images, texts, classifier, ...labels, group });
    group.phase = "evaluation: gallery";
    const measured = { reader, features, labels, classifier };
    const gallery = group.rank === 0 ? await galleryOf(measured, options.gallery) : [];
    return { results, gallery, seconds: (performance.now() - started) / 1000 };
  } finally {
    reader.close();
    for (const tensor of [features.images, features.texts, classifier?.weights]) tensor?.free();
  }
}

async function classifierFor(classes: ClassList, labels: Labels, options: EvaluateOptions): Promise<Classifier> {
  if (!labels.classes.some((label) => label >= 0))
    throw new Error("class names are given, but no sample of the evaluation data has a class in its JSON");
  const { onProgress } = options;
  const report = (done: number, total: number): void => onProgress?.({ stage: "class names", done, total });
  return buildClassifier({ ...options, classes, onProgress: report });
}

interface Measured {
  readonly reader: Reader;
  readonly features: Features;
  readonly labels: Labels;
  readonly classifier: Classifier | undefined;
}

function galleryOf(measured: Measured, options: EvaluateOptions["gallery"]): Promise<GalleryRow[]> {
  const { reader, features, labels } = measured;
  const { ids, images } = features;
  return makeGallery({ ...options, reader, ids, images, captions: labels.captions, ...queriesOf(measured) });
}

/** The names of the classes that have pictures, or a caption of every group of pairs. */
function queriesOf({ features, labels, classifier }: Measured): {
  queries: Query[];
  features: Tensor;
  shows: Int32Array;
} {
  const shows = classifier ? labels.classes.map((label) => (label < 0 ? -1 : classifier.rowOf[label]!)) : labels.groups;
  const queries = new Map<number, Query>();
  for (const [i, thing] of shows.entries()) {
    if (thing < 0 || queries.has(thing)) continue;
    const kind = labels.heldOutConcept[i] ? "held-out concept" : "seen concept";
    const text = classifier ? classifier.names[thing]! : labels.captions[i]!;
    queries.set(thing, { text, shows: thing, kind, row: classifier ? thing : i });
  }
  return { queries: [...queries.values()], features: classifier?.weights ?? features.texts!, shows };
}
