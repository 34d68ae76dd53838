import { repairC1 } from "./mojibake.ts";

/** Latin ligatures and digraphs that stand for letters by accident of type or encoding. */
const ligatures: Readonly<Record<string, string>> = {
  ...{ Ĳ: "IJ", ĳ: "ij", ŉ: "ʼn", Ǳ: "DZ", ǲ: "Dz", ǳ: "dz", Ǆ: "DŽ", ǅ: "Dž", ǆ: "dž" },
  ...{ Ǉ: "LJ", ǈ: "Lj", ǉ: "lj", Ǌ: "NJ", ǋ: "Nj", ǌ: "nj" },
  ...{ ﬀ: "ff", ﬁ: "fi", ﬂ: "fl", ﬃ: "ffi", ﬄ: "ffl", ﬅ: "ſt", ﬆ: "st" },
};
const ligature = new RegExp(`[${Object.keys(ligatures).join("")}]`, "g");
/** What colours text in a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const terminalEscape = /\x1b\[[\p{Nd};]*[a-zA-Z]/gu;
/** Control characters without an effect on text. Tab, line feed, form feed and carriage return stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const invisible = /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;

/**
 * Every repair of single characters, in ftfy's order: C1 controls, ligatures, full and half width, curly quotes, line
 * breaks, unpaired surrogates, terminal escapes, invisible characters, and NFC.
 */
export function repairCharacters(text: string): string {
  return repairC1(text)
    .replace(ligature, (found) => ligatures[found]!)
    .replace(/[\u3000\uff01-\uffef]/g, (wide) => wide.normalize("NFKC"))
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/\r\n?|[\u2028\u2029\x85]/g, "\n")
    .replace(/\p{Surrogate}/gu, "\ufffd")
    .replace(terminalEscape, "")
    .replace(invisible, "")
    .normalize("NFC");
}
