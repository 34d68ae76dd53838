// Languages of captions, guessed. Of short texts a guess is worth little, so they are left out: see docs/checking-data.md for how often
// the detector was right.
import { eld } from "eld";

/** The caption has fewer bytes than a guess needs. */
export const tooShort = 0;
/** The detector found no language, or says itself that it is not sure. */
export const unclear = 1;

/** Bytes in UTF-8 below which nothing is guessed: 30 Latin letters, 15 Cyrillic ones, 10 Chinese characters. */
export const leastBytes = 30;

/** A function from a caption to the packed code of its language, or to `tooShort` or `unclear`. */
export async function createGuesser(): Promise<(text: string) => number> {
  if ("load" in eld) await eld.load("small");
  return (text) => {
    if (Buffer.byteLength(text) < leastBytes) return tooShort;
    const guess = eld.detect(text);
    return guess.language === "" || !guess.isReliable() ? unclear : packLanguage(guess.language);
  };
}

/** A code of two letters (ISO 639-1) as a 16-bit number. */
function packLanguage(code: string): number {
  return code.charCodeAt(0) * 256 + code.charCodeAt(1);
}

/** The code that was packed. */
export function unpackLanguage(packed: number): string {
  return String.fromCharCode(packed >> 8, packed & 255);
}
