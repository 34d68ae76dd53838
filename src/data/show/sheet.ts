// Samples as the model gets them in training.
import type { Dataset } from "../dataset.ts";
import { type Fault, SampleError } from "../faults.ts";
import type { Pixels } from "../image/pixels.ts";
import type { Picture } from "../image/resample.ts";
import { createTransform, type ImageSettings, type Transform } from "../image/transform.ts";
import { createPlan, type Mix, type Order } from "../plan/plan.ts";
import { createRandom } from "../random.ts";
import { chooseCaption, readSample } from "../read-sample.ts";
import { SampleReader } from "../samples.ts";
import { decodeTokens } from "../tokenizer/decode.ts";
import { createTokenizer } from "../tokenizer/tokenizer.ts";

export interface SheetOptions {
  readonly dataset: Dataset;
  readonly image: ImageSettings;
  readonly contextLength: number;
  readonly seed: number;
  readonly order: Order;
  readonly mix?: Mix | undefined;
  readonly epoch: number;
  /** Samples shown, the first ones of the epoch. */
  readonly count: number;
  /** How often each is shown: as it comes in so many epochs from `epoch` on. */
  readonly augmentations: number;
  /** Told of samples that cannot be shown; the next ones take their places. */
  readonly onFault: (fault: Fault) => void;
}

export interface Sheet {
  readonly cards: readonly Card[];
  /** Width and height of the pictures. */
  readonly size: number;
  readonly contextLength: number;
  readonly seed: number;
  readonly epoch: number;
  readonly augmentations: number;
}

/** One sample. */
export interface Card {
  readonly id: number;
  readonly key: string;
  readonly shard: string;
  /** The caption of the first epoch as the model reads it: cleaned, split into tokens, cut at the context length. */
  readonly caption: string;
  /** Tokens of the whole caption, start and end included; more than the context length where it is cut. */
  readonly tokens: number;
  /** One for each epoch. */
  readonly pictures: readonly Pixels[];
}

/** Makes the first samples of an epoch as the loader makes them, with its order and its random numbers. */
export async function makeSheet(options: SheetOptions): Promise<Sheet> {
  const { dataset, image, contextLength, seed, order, mix, epoch, count, augmentations, onFault } = options;
  const plan = createPlan({ seed, order, starts: dataset.table.starts, mix }, epoch);
  const maker = new CardMaker(options);
  const cards: Card[] = [];
  try {
    for (let position = 0; position < plan.length && cards.length < count; position++) {
      const made = await maker.make(plan.at(position));
      if ("cause" in made) onFault(made);
      else cards.push(made);
    }
  } finally {
    maker.close();
  }
  return { cards, size: image.size, contextLength, seed, epoch, augmentations };
}

class CardMaker {
  readonly #options: SheetOptions;
  readonly #reader: SampleReader;
  readonly #transform: Transform;
  readonly #tokenizer: ReturnType<typeof createTokenizer>;

  constructor(options: SheetOptions) {
    this.#options = options;
    this.#reader = new SampleReader(options.dataset.table);
    this.#transform = createTransform(options.image);
    this.#tokenizer = createTokenizer({ contextLength: options.contextLength });
  }

  async make(id: number): Promise<Card | Fault> {
    const reader = this.#reader;
    try {
      const { seed, epoch } = this.#options;
      const { picture, captions } = await readSample(reader, id);
      const text = chooseCaption(captions(), { seed, epoch, id });
      return {
        id,
        key: reader.key(id),
        shard: reader.segmentName(id),
        ...this.#read(text),
        pictures: this.#epochs().map((epoch) => this.#augment(picture, { id, epoch })),
      };
    } catch (error) {
      if (error instanceof SampleError) return error.fault;
      throw error;
    }
  }

  close(): void {
    this.#reader.close();
  }

  #epochs(): number[] {
    const { epoch, augmentations } = this.#options;
    return Array.from({ length: augmentations }, (_, i) => epoch + i);
  }

  #read(text: string): Pick<Card, "caption" | "tokens"> {
    const row = new Int32Array(this.#options.contextLength);
    this.#tokenizer.encodeInto(text, row);
    return { caption: decodeTokens(row), tokens: this.#tokenizer.encode(text).length };
  }

  #augment(picture: Picture, { id, epoch }: { id: number; epoch: number }): Pixels {
    const { image, seed } = this.#options;
    const planes = new Float32Array(3 * image.size ** 2);
    this.#transform(picture, createRandom([seed, epoch, id]), planes);
    return denormalize(planes, image);
  }
}

/** The picture whose normalized planes [3, size, size] these are; exactly, because those have 256 levels. */
function denormalize(planes: Float32Array, { size, mean, std }: ImageSettings): Pixels {
  const area = size * size;
  const data = new Uint8Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < area; i++)
      data[3 * i + channel] = Math.round(255 * (planes[channel * area + i]! * std[channel]! + mean[channel]!));
  }
  return { width: size, height: size, data };
}
