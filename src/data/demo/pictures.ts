import type { Concept } from "./concepts.ts";
import { type ConceptFinder, isSkinTone } from "./finder.ts";
import { type Drawing, type Icon, readIcons } from "./icons.ts";
import type { Credit, Style } from "./sources.ts";

/** One drawing of one concept. */
export interface Picture {
  /** Base name of its three files in a shard; stable, and unique in the data set. */
  key: string;
  style: string;
  license: string;
  concept: Concept;
  drawing: Drawing;
}

/** What was found in a set, and what of it was left out. */
export interface StyleContent {
  style: Style;
  credit: Credit;
  pictures: Picture[];
  /** Different concepts among the pictures. */
  concepts: number;
  skinTones: number;
  /** The same code points under another spelling. */
  repeated: number;
  /** Icons that show no concept, such as single letters and logos. */
  unmatched: number;
}

/** Reads an unpacked package and maps its icons to concepts. */
export function readStyle(
  style: Style,
  { directory, finder }: { directory: string; finder: ConceptFinder },
): StyleContent {
  const { icons, credit } = readIcons(style, directory);
  const content: StyleContent = { style, credit, pictures: [], concepts: 0, skinTones: 0, repeated: 0, unmatched: 0 };
  const seen = new Set<Concept>();
  for (const icon of icons) {
    const concept = conceptOf(icon, { set: style.id, finder });
    if (isSkinTone(icon, concept)) content.skinTones++;
    else if (concept === undefined) content.unmatched++;
    else if (seen.has(concept) && icon.hexcodes.length > 0) content.repeated++;
    else {
      seen.add(concept);
      content.pictures.push(picture(icon, { style, credit, concept }));
    }
  }
  content.concepts = seen.size;
  return content;
}

/** The pictures that go into shards: of a training set those of seen concepts, of the held-out set all. */
export function written({ style, pictures }: StyleContent): Picture[] {
  return style.role === "train" ? pictures.filter(({ concept }) => !concept.heldOut) : pictures;
}

function picture(
  { name, drawing }: Icon,
  { style, credit, concept }: { style: Style; credit: Credit; concept: Concept },
): Picture {
  return { key: `${style.id}_${name}`, style: style.id, license: credit.license.spdx, concept, drawing };
}

/** One drawing can stand for several code points (territories share flags): then its name decides. */
function conceptOf(
  { name, hexcodes }: Icon,
  { set, finder }: { set: string; finder: ConceptFinder },
): Concept | undefined {
  const named = finder.byName(name, set);
  if (hexcodes.length === 0) return named;
  const found = hexcodes.flatMap((hexcode) => finder.byHexcode(hexcode) ?? []);
  return found.find((concept) => concept === named) ?? found.sort((a, b) => a.class - b.class)[0];
}
