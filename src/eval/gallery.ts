// What a person looks at: text queries with the pictures that the model finds for them.
import { createRandom } from "../data/random.ts";
import { noGrad, scope, type Tensor } from "../tensor/index.ts";
import { indexTensor } from "./index-tensor.ts";
import type { Reader } from "./labels.ts";
import { pictureUri } from "./picture.ts";

/** A text query and the pictures found for it, the nearest first. */
export interface GalleryRow {
  readonly query: string;
  readonly items: readonly GalleryItem[];
}

interface GalleryItem {
  readonly id: number;
  /** Cosine similarity of query and picture. */
  readonly score: number;
  /** Whether the picture shows what the query names. */
  readonly correct: boolean;
  readonly caption: string;
  /** A `data:image/` address. */
  readonly image: string;
}

export interface Query {
  readonly text: string;
  /** Its row in the features of the queries. */
  readonly row: number;
  /** What a right picture shows. */
  readonly shows: number;
  /** Some queries of every kind are shown. */
  readonly kind: string;
}

export interface GalleryOptions {
  reader: Reader;
  /** [N] */
  ids: readonly number[];
  captions: readonly string[];
  /** [N, d], float32, unit norm. */
  images: Tensor;
  /** [N]: what each picture shows; -1 where that is not known. */
  shows: Int32Array;
  queries: readonly Query[];
  /** [Q, d], float32, unit norm. */
  features: Tensor;
  /** Queries shown; default 12. */
  count?: number;
  /** Pictures for each; default 5. */
  nearest?: number;
  /** Decides which queries are shown. */
  seed?: number;
}

/** Queries that are looked at for each that is shown: enough to find right and wrong ones of every kind. */
const triedForEach = 32;

/**
 * Chooses queries and finds their nearest pictures. The choice shows every kind of query, and of each kind those whose first picture
 * is right and those where it is wrong in equal numbers, as far as there are any: it shows what both look like, not how often they
 * occur. It is a function of the seed and the features.
 */
export async function makeGallery(options: GalleryOptions): Promise<GalleryRow[]> {
  const { queries, count = 12, nearest = 5, seed = 0 } = options;
  const order = shuffledIndexes(queries.length, seed).slice(0, count * triedForEach);
  const tried = order.map((i) => queries[i]!);
  if (tried.length === 0) return [];
  const found = findNearest(tried, { ...options, nearest });
  const chosen = takeTurns(found, count, ({ query, hits }) => {
    const isRight = options.shows[hits[0]!.row] === query.shows;
    return `${query.kind}, ${isRight ? "right" : "wrong"}`;
  });
  return Promise.all(chosen.map((one) => makeRow(one, options)));
}

/** The pictures nearest to one query, by their rows in `images`. */
interface Found {
  readonly query: Query;
  readonly hits: readonly { row: number; score: number }[];
}

function findNearest(
  tried: readonly Query[],
  { features, images, nearest }: GalleryOptions & { nearest: number },
): Found[] {
  const k = Math.min(nearest, images.size(0));
  const [scores, rows] = noGrad(() =>
    scope(() => {
      const rows = tried.map(({ row }) => row);
      const queries = features.indexSelect(0, indexTensor(rows, features.device));
      return queries
        .mm(images.t())
        .topk(k)
        .map((part) => part.toArray()) as [number[], number[]];
    }),
  );
  return tried.map((query, i) => ({
    query,
    hits: Array.from({ length: k }, (_, j) => ({ row: rows[i * k + j]!, score: scores[i * k + j]! })),
  }));
}

/** Up to `count` of the items: one of each kind in turn, in their order. */
function takeTurns<T>(items: readonly T[], count: number, kindOf: (item: T) => string): T[] {
  const kinds = new Map<string, T[]>();
  for (const item of items) {
    const kind = kindOf(item);
    kinds.set(kind, [...(kinds.get(kind) ?? []), item]);
  }
  const queues = [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, queue]) => queue);
  const turns = Math.max(...queues.map((queue) => queue.length));
  const inTurn = Array.from({ length: turns }, (_, turn) =>
    queues.flatMap((queue) => queue.slice(turn, turn + 1)),
  ).flat();
  return inTurn.slice(0, count);
}

async function makeRow({ query, hits }: Found, options: GalleryOptions): Promise<GalleryRow> {
  const { reader, ids, captions, shows } = options;
  const items = hits.map(async ({ row, score }) => ({
    id: ids[row]!,
    score,
    correct: shows[row] === query.shows,
    caption: captions[row]!,
    image: await pictureUri((await reader.sample(ids[row]!)).image),
  }));
  return { query: query.text, items: await Promise.all(items) };
}

/** 0 to length - 1 in an order that the seed decides (Fisher and Yates). */
function shuffledIndexes(length: number, seed: number): number[] {
  const random = createRandom([seed]);
  const order = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
