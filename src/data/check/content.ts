// From the columns to the figures of the report.
import { falseNegatives } from "../falseNegatives.ts";
import { pictureFormats } from "../image/format.ts";
import { SampleReader, type SampleTable } from "../samples.ts";
import { captionFlag, judgedPart, scripts } from "./caption.ts";
import { collisionProbability } from "./collision.ts";
import type { Columns } from "./columns.ts";
import { groupsOf } from "./groups.ts";
import { tooShort, unclear, unpackLanguage } from "./language.ts";
import { quantiles } from "./quantiles.ts";
import type {
  BatchReport,
  CaptionReport,
  ContentReport,
  Counted,
  Duplicates,
  PictureReport,
  SampleName,
  Share,
} from "./report.ts";

export interface ContentOptions {
  readonly table: SampleTable;
  readonly columns: Columns;
  readonly batchSize: number;
  readonly contextLength: number;
  /** Side of the model's input in pixels. */
  readonly imageSize: number;
}

/** Characters of a caption that an example shows. */
const shownCharacters = 80;
/** Samples that an example of equal ones names. */
const shownEqual = 3;

/** The figures of the whole samples; undefined where there are none. */
export async function contentOf(options: ContentOptions): Promise<ContentReport | undefined> {
  const { columns, table } = options;
  const ids = idsWhere(columns, (id) => columns.whole[id] === 1);
  if (ids.length === 0) return undefined;
  const reader = new SampleReader(table);
  try {
    const { picture, caption, key } = columns;
    const equalCaptions = groupsOf(ids, [caption]);
    return {
      duplicates: {
        picture: duplicatesOf(groupsOf(ids, [picture]), reader),
        caption: duplicatesOf(equalCaptions, reader),
        both: duplicatesOf(groupsOf(ids, [picture, caption]), reader),
        key: duplicatesOf(
          groupsOf(
            idsWhere(columns, () => true),
            [key],
          ),
          reader,
        ),
      },
      batch: batchOf(equalCaptions, { samples: ids.length, size: options.batchSize }),
      captions: await captionsOf(ids, { ...options, reader }),
      pictures: picturesOf(ids, options),
    };
  } finally {
    reader.close();
  }
}

function idsWhere({ whole }: Columns, holds: (id: number) => boolean): Uint32Array {
  const ids = Uint32Array.from({ length: whole.length }, (_, id) => id);
  return ids.filter(holds);
}

function duplicatesOf(groups: readonly Uint32Array[], reader: SampleReader): Duplicates {
  const largest = groups.reduce((most, group) => (group.length > most.length ? group : most), new Uint32Array());
  return {
    samples: groups.reduce((sum, group) => sum + group.length, 0),
    contents: groups.length,
    largest: largest.length,
    example: Array.from(largest.subarray(0, shownEqual), (id) => nameOf(id, reader)),
  };
}

function nameOf(id: number, reader: SampleReader): SampleName {
  return { shard: reader.segmentName(id), key: reader.key(id) };
}

function batchOf(
  equalCaptions: readonly Uint32Array[],
  { samples, size }: { samples: number; size: number },
): BatchReport {
  const repeated = equalCaptions.map(({ length }) => length);
  const single = samples - repeated.reduce((sum, count) => sum + count, 0);
  const counts = [...repeated, ...new Array<number>(single).fill(1)];
  return { size, ...falseNegatives(counts, size), probability: collisionProbability(counts, size) };
}

async function captionsOf(
  ids: Uint32Array,
  { columns, contextLength, reader }: ContentOptions & { reader: SampleReader },
): Promise<CaptionReport> {
  const { tokens, characters, flags, script, language } = columns;
  const counted = async (holds: (id: number) => boolean): Promise<Counted> => {
    const found = ids.filter(holds);
    const [first] = found;
    if (first === undefined) return { samples: 0, example: undefined };
    const caption = judgedPart((await reader.sample(first)).captions()[0]!);
    const shown = [...caption].slice(0, shownCharacters).join("");
    return { samples: found.length, example: { ...nameOf(first, reader), caption: shown } };
  };
  const languages = countsOf(ids, language);
  return {
    contextLength,
    tokens: quantiles(pick(ids, tokens)),
    cut: await counted((id) => tokens[id]! > contextLength),
    characters: quantiles(pick(ids, characters)),
    nearEmpty: await counted((id) => (flags[id]! & captionFlag.nearEmpty) !== 0),
    fileNames: await counted((id) => (flags[id]! & captionFlag.fileName) !== 0),
    scripts: sharesOf(countsOf(ids, script), (index) => scripts[index]!),
    languages: {
      unclear: languages.get(unclear) ?? 0,
      tooShort: languages.get(tooShort) ?? 0,
      guessed: sharesOf(new Map([...languages].filter(([code]) => code > unclear)), unpackLanguage),
    },
  };
}

function picturesOf(ids: Uint32Array, { columns, imageSize }: ContentOptions): PictureReport {
  const { width, height, bytes, format } = columns;
  return {
    width: quantiles(pick(ids, width)),
    height: quantiles(pick(ids, height)),
    aspect: quantiles(Float64Array.from(ids, (id) => width[id]! / height[id]!)),
    bytes: quantiles(pick(ids, bytes)),
    totalBytes: ids.reduce((sum, id) => sum + bytes[id]!, 0),
    smaller: { than: imageSize, samples: ids.filter((id) => Math.min(width[id]!, height[id]!) < imageSize).length },
    formats: sharesOf(countsOf(ids, format), (index) => pictureFormats[index]!),
  };
}

function pick(ids: Uint32Array, column: Uint32Array): Uint32Array {
  return ids.map((id) => column[id]!);
}

function countsOf(ids: Uint32Array, column: Uint8Array | Uint16Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(column[id]!, (counts.get(column[id]!) ?? 0) + 1);
  return counts;
}

/** The most frequent first, of equally many in the order of their names. */
function sharesOf(counts: ReadonlyMap<number, number>, name: (value: number) => string): Share[] {
  return [...counts]
    .map(([value, samples]) => ({ name: name(value), samples }))
    .sort((a, b) => b.samples - a.samples || (a.name < b.name ? -1 : 1));
}
