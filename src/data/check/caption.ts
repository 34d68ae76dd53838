// What can be said of a caption from its text alone.

/** Captions are judged by their first characters: a text of a megabyte tells no more. */
const judgedCharacters = 1000;

/** What may be wrong with a caption that can be read, as bits. */
export const captionFlag = { nearEmpty: 1, fileName: 2 } as const;

/** Writing systems that are told apart, by their names in Unicode. */
const knownScripts = [
  "Latin",
  "Cyrillic",
  "Greek",
  "Arabic",
  "Hebrew",
  "Devanagari",
  "Bengali",
  "Tamil",
  "Telugu",
  "Thai",
  "Han",
  "Hiragana",
  "Katakana",
  "Hangul",
] as const;

/** What a caption may be written in: the script of most of its letters. */
export const scripts: readonly string[] = ["no letters", "other", ...knownScripts];

const matchers = knownScripts.map((script) => new RegExp(`\\p{Script=${script}}`, "gu"));
const letters = /\p{L}/gu;
/** Names that cameras give their pictures, names with a picture's ending, and web addresses. */
const fileNames =
  /https?:\/\/\S{1,500}|www\.\S{1,500}|\S{1,200}\.(?:jpe?g|png|gif|webp|tiff?|bmp|svg|heic|avif)\b|\b(?:img|dsc[nf]?|dcim|pict)[-_ ]?\d+\b/giu;
const words = new Intl.Segmenter("en", { granularity: "word" });

/** The part of a caption that the functions below and the language detector look at. */
export function judgedPart(caption: string): string {
  return caption.slice(0, judgedCharacters).trim();
}

/** The bits of `captionFlag` for the judged part of a caption. */
export function flagsOf(text: string): number {
  return (isNearEmpty(text) ? captionFlag.nearEmpty : 0) | (isFileName(text) ? captionFlag.fileName : 0);
}

/** Fewer than two words (by Unicode's boundaries, which find them in scripts without spaces too), or fewer than three letters and digits. */
function isNearEmpty(text: string): boolean {
  const signs = text.match(/[\p{L}\p{N}]/gu)?.length ?? 0;
  if (signs < 3) return true;
  let found = 0;
  for (const { isWordLike } of words.segment(text)) if (isWordLike && ++found === 2) return false;
  return true;
}

/** More than half of it is a file name or a web address. */
function isFileName(text: string): boolean {
  const covered = (text.match(fileNames) ?? []).reduce((sum, name) => sum + name.length, 0);
  return covered > text.length / 2;
}

/** Position in `scripts` for the judged part of a caption; of two with equally many letters the first there. */
export function scriptOf(text: string): number {
  const all = count(text, letters);
  if (all === 0) return 0;
  const counts = matchers.map((matcher) => count(text, matcher));
  const most = Math.max(...counts);
  const known = counts.reduce((sum, one) => sum + one, 0);
  return most === 0 || most < all - known ? 1 : 2 + counts.indexOf(most);
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

/** Unicode code points of a text. */
export function countCharacters(text: string): number {
  let characters = 0;
  for (const _ of text) characters++;
  return characters;
}
