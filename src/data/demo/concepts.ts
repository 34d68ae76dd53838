import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fnv1a } from "./hash.ts";

/** What a picture shows: one emoji of Unicode CLDR, without skin tone. */
export interface Concept {
  /** CLDR key, such as "waving_hand": stable and unique. */
  key: string;
  /** CLDR name, such as "waving hand". */
  name: string;
  tags: readonly string[];
  hexcode: string;
  /** A person or a part of the body: sets have skin-tone variants of it. */
  people: boolean;
  /** Position in classes.json. */
  class: number;
  /** No picture of it is trained on, in no style. */
  heldOut: boolean;
}

// Numbers of Unicode's emoji groups in emojibase-data.
const peopleGroup = 1;
const componentGroup = 2;

/** One concept in ten is held out: FNV-1a of the CLDR key falls into bucket 0 of 10. */
export function isHeldOutConcept(key: string): boolean {
  return fnv1a(key) % 10 === 0;
}

/**
 * Reads the concepts of an unpacked emojibase-data package, in CLDR order. Parts of other emoji (skin tones, hair,
 * regional indicators) are no concepts.
 */
export function readConcepts(directory: string): Concept[] {
  const data = readJson<{ label: string; hexcode: string; tags?: string[]; group?: number }[]>(
    join(directory, "en/data.json"),
  );
  const keys = readJson<Record<string, string>>(join(directory, "en/shortcodes/cldr.json"));
  return data
    .filter(({ group }) => group !== undefined && group !== componentGroup)
    .map(({ label, hexcode, group, tags = [] }, index) => {
      const key = keys[hexcode];
      if (key === undefined) throw new Error(`emojibase-data has no CLDR key for ${hexcode} ("${label}")`);
      const people = group === peopleGroup;
      return { key, name: label, tags, hexcode, people, class: index, heldOut: isHeldOutConcept(key) };
    });
}

/** Reads a JSON file of a package; an error names the file. */
export function readJson<T>(path: string): T {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (error) {
    throw new Error(`${path} should be a JSON file of a downloaded package: ${(error as Error).message}`);
  }
}
