import type { Concept } from "./concepts.ts";
import { otherNames } from "./otherNames.ts";

/** Finds the concept that a picture of some set shows. */
export interface ConceptFinder {
  /** By code points, such as "1f44b" or "0023-fe0f-20e3"; variation selectors and leading zeros do not matter. */
  byHexcode(hexcode: string): Concept | undefined;
  /** By an icon's name in a set, such as "waving-hand", "flag-for-chad" or "robot-2". */
  byName(name: string, set: string): Concept | undefined;
}

export function conceptFinder(concepts: readonly Concept[]): ConceptFinder {
  const byHexcode = new Map(concepts.map((concept) => [plainHexcode(concept.hexcode), concept]));
  const byKey = new Map(concepts.map((concept) => [letters(concept.key), concept]));
  const byOtherName = (name: string) => byKey.get(letters(otherNames.get(name) ?? ""));
  return {
    byHexcode: (hexcode) => byHexcode.get(plainHexcode(hexcode)),
    byName: (name, set) => {
      for (const spelling of spellings(name)) {
        const plain = letters(spelling);
        const found = byOtherName(`${set}/${plain}`) ?? byKey.get(plain) ?? byOtherName(plain);
        if (found) return found;
      }
      return undefined;
    },
  };
}

/**
 * True for a skin-tone variant. Code points tell it; where a set has only names, the end of a name that is no concept's
 * does, and so does a second drawing of a person ("man-artist-2").
 */
export function isSkinTone(
  { name, hexcodes }: { name: string; hexcodes: readonly string[] },
  concept: Concept | undefined,
): boolean {
  if (hexcodes.length > 0) return concept === undefined && hexcodes.some((hexcode) => /1f3f[b-f]/i.test(hexcode));
  if (concept) return concept.people && /-[2-9]$/.test(name);
  return /-(tone[1-5]|((medium-)?(light|dark)|medium)(-skin-tone.*)?)$/.test(name);
}

/**
 * Spellings to try, the name itself first: flags come as "flag-for-chad", "flag-for-flag-chad" or "chad" and with
 * "and", which CLDR keys leave out; several drawings of one thing end in "-1", "-2".
 */
function* spellings(name: string): Generator<string> {
  const country = name.replace(/^flag-(for-)?(flag-)?/, "");
  const numbered = /^(.+)-\d+$/.exec(name)?.[1];
  yield name;
  yield `flag-${country}`;
  yield `flag-${country.replaceAll("-and-", "-")}`;
  if (name.startsWith("flag-")) yield country;
  if (numbered !== undefined) yield* spellings(numbered);
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}

function plainHexcode(hexcode: string): string {
  return hexcode
    .toLowerCase()
    .split(/[-_ ]/)
    .map((code) => code.replace(/^0+/, ""))
    .filter((code) => code !== "fe0f")
    .join("-");
}
