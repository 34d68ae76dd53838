// Zero-shot classification: a picture belongs to the class whose name's features are nearest to its own.
import { createTokenizer } from "../data/tokenizer/tokenizer.ts";
import { noGrad, scope, type Tensor } from "../tensor/index.ts";
import { type ClassList, checkClasses, fillTemplate } from "./classes.ts";
import { type Compute, collect, type Encoder, encodeTexts, rowKey } from "./encode.ts";
import { indexTensor } from "./index-tensor.ts";
import { type Ranks, rankTargets } from "./ranks.ts";

export interface ClassifierOptions extends Compute {
  model: Encoder;
  classes: ClassList;
  contextLength: number;
  /** Texts encoded at a time. */
  batchSize: number;
  onProgress?: (done: number) => void;
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
 * Features of the class names as OpenCLIP's `build_zero_shot_classifier` makes them: those of a name in every template are
 * normalised, averaged and normalised again.
 *
 * Classes whose names the tokenizer gives the same ids share a row: the model cannot tell them apart, so a picture of either is
 * right when the name is chosen, and chance counts them once.
 */
export async function buildClassifier(options: ClassifierOptions): Promise<Classifier> {
  const { model, classes, contextLength, batchSize, onProgress } = options;
  checkClasses(classes, "zero-shot classification");
  const tokenizer = createTokenizer({ contextLength });
  const tokenize = (texts: readonly string[]): Int32Array => {
    const tokens = new Int32Array(texts.length * contextLength);
    for (const [i, text] of texts.entries())
      tokenizer.encodeInto(text, tokens.subarray(i * contextLength, (i + 1) * contextLength));
    return tokens;
  };
  const { names, rowOf } = mergeNames(classes, (name) => rowKey(tokenize([name])));
  const { templates } = classes;
  const namesAtOnce = Math.max(1, Math.floor(batchSize / templates.length));
  async function* parts(): AsyncGenerator<Tensor> {
    for (let start = 0; start < names.length; start += namesAtOnce) {
      const part = names.slice(start, start + namesAtOnce);
      const texts = part.flatMap((name) => templates.map((template) => fillTemplate(template, name)));
      const { device, precision } = options;
      const features = await encodeTexts({
        model,
        device,
        precision,
        tokens: tokenize(texts),
        contextLength,
        batchSize,
        name: (row) => `the class name "${texts[row]}"`,
      });
      yield averageTemplates(features, templates.length);
      onProgress?.(start + part.length);
    }
  }
  return { weights: await collect(parts()), names, rowOf };
}
