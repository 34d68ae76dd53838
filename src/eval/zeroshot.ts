// Zero-shot classification: a picture belongs to the class whose name's features are nearest to its own.
import { createTokenizer } from "../data/tokenizer/tokenizer.ts";
import { gatherParts } from "../distributed/gather.ts";
import { ProcessGroup } from "../distributed/process-group.ts";
import { noGrad, scope, type Tensor } from "../tensor/index.ts";
import { type ClassList, checkClasses, fillTemplate } from "./classes.ts";
import { type Compute, collect, type Encoder, encodeTexts, inEvalMode, rowKey, unitNorm } from "./encode.ts";
import { indexTensor } from "./index-tensor.ts";
import { partOf, traffic } from "./part.ts";
import { type Ranks, rankTargets } from "./ranks.ts";

export interface ClassifierOptions extends Compute {
  model: Encoder;
  classes: ClassList;
  contextLength: number;
  /** Texts encoded at a time. */
  batchSize: number;
  /** The processes that share the work and all get its result; by default this one alone. */
  group?: ProcessGroup | undefined;
  /** Told how many of this process' names are done. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** One row for each name that the model can tell from the others. */
export interface Classifier {
  /** [R, d], float32, unit norm. Whoever built the classifier frees it. */
  readonly weights: Tensor;
  /** [R] */
  readonly names: readonly string[];
  /** [classes]: the row of each class. */
  readonly rowOf: Int32Array;
}

/**
 * Texts of the names that are dealt out to processes as one: enough for batches of like length, few enough that every process gets
 * some where there are many.
 */
const textsAtOnce = 512;

/**
 * Features of the class names as OpenCLIP's `build_zero_shot_classifier` makes them: those of a name in every template are
 * normalised, averaged and normalised again.
 *
 * Classes whose names the tokenizer gives the same ids share a row: the model cannot tell them apart, so a picture of either is
 * right when the name is chosen, and chance counts them once.
 */
export async function buildClassifier(options: ClassifierOptions): Promise<Classifier> {
  const { model, classes, contextLength, group = ProcessGroup.alone() } = options;
  checkClasses(classes, "zero-shot classification");
  const tokenize = createRowTokenizer(contextLength);
  const { names, rowOf } = mergeNames(classes, tokenize);
  group.phase = "evaluation: class names";
  const part = () => collect(classBatches(names, { ...options, group, tokenize }));
  const weights = await inEvalMode(model, () => gatherParts(group, { name: traffic, part }));
  return { weights, names, rowOf };
}

type RowTokenizer = (texts: readonly string[]) => Int32Array;

/** A function from M texts to ids [M, contextLength]. */
function createRowTokenizer(contextLength: number): RowTokenizer {
  const tokenizer = createTokenizer({ contextLength });
  return (texts) => {
    const tokens = new Int32Array(texts.length * contextLength);
    for (const [i, text] of texts.entries())
      tokenizer.encodeInto(text, tokens.subarray(i * contextLength, (i + 1) * contextLength));
    return tokens;
  };
}

function mergeNames({ classes }: ClassList, tokenize: RowTokenizer): Pick<Classifier, "names" | "rowOf"> {
  const names: string[] = [];
  const rowOfKey = new Map<string, number>();
  const rowOf = Int32Array.from(classes, ({ name }) => {
    const key = rowKey(tokenize([name]));
    if (!rowOfKey.has(key)) rowOfKey.set(key, names.push(name) - 1);
    return rowOfKey.get(key)!;
  });
  return { names, rowOf };
}

/** This process' part of the names, in batches that are the same ones for any number of processes. */
async function* classBatches(
  names: readonly string[],
  options: ClassifierOptions & { group: ProcessGroup; tokenize: RowTokenizer },
): AsyncGenerator<Tensor> {
  const { group, classes, tokenize, onProgress } = options;
  const { templates } = classes;
  const namesAtOnce = Math.max(1, Math.floor(textsAtOnce / templates.length));
  const batches = partOf(Math.ceil(names.length / namesAtOnce), group);
  const own = names.slice(batches.start * namesAtOnce, batches.end * namesAtOnce);
  for (let start = 0; start < own.length; start += namesAtOnce) {
    const part = own.slice(start, start + namesAtOnce);
    const texts = part.flatMap((name) => templates.map((template) => fillTemplate(template, name)));
    const name = (row: number): string => `the class text "${texts[row]}"`;
    const report = (done: number): void => onProgress?.(start + Math.floor(done / templates.length), own.length);
    const features = await encodeTexts({
      ...options,
      group: undefined,
      tokens: tokenize(texts),
      name,
      onProgress: report,
    });
    yield averageTemplates(features, { names: part, templates: templates.length });
  }
}

/** [names x templates, d] -> [names, d]. Frees what it is given. */
function averageTemplates(
  features: Tensor,
  { names, templates }: { names: readonly string[]; templates: number },
): Tensor {
  try {
    return noGrad(() =>
      scope(() => {
        const means = features.view([names.length, templates, features.size(1)]).meanDim({ dim: [1] });
        return unitNorm(means, (row) => `the class name "${names[row]}"`);
      }),
    );
  } finally {
    features.free();
  }
}

/**
 * Where the class of each picture stands among all classes.
 *
 * `labels` [N] holds the class of every picture, -1 for one that has none; `rows` of the result says which pictures have one.
 */
export function rankClasses(options: {
  /** [N, d], float32, unit norm. */
  images: Tensor;
  classifier: Classifier;
  labels: Int32Array;
  /** Scores held at a time. */
  held?: number;
  /** The processes that share the work and all get its result; by default this one alone. */
  group?: ProcessGroup | undefined;
}): { ranks: Ranks; rows: number[] } {
  const { images, classifier, labels, ...rest } = options;
  const rows = Array.from(labels.keys()).filter((i) => labels[i]! >= 0);
  const targets = rows.map((i) => classifier.rowOf[labels[i]!]!);
  const ranks = scope(() => {
    const queries = rows.length === labels.length ? images : images.indexSelect(0, indexTensor(rows, images.device));
    return rankTargets({ ...rest, queries, candidates: classifier.weights, targets });
  });
  return { ranks, rows };
}
