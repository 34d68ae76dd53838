import type { Concept } from "./concepts.ts";
import { hashOf, shuffled } from "./hash.ts";

/**
 * The text of a picture: the CLDR name, and for a third of the pairs of concept and style two tags after it:
 * "scissors" or "scissors, cut, paper".
 */
export function caption(concept: Concept, { style, seed }: { style: string; seed: number }): string {
  if (hashOf("caption", seed, concept.key, style) % 3 !== 0) return concept.name;
  const tags = shuffled(tellingTags(concept), (tag) => hashOf("tag", seed, concept.key, style, tag));
  return [concept.name, ...tags.slice(0, 2)].join(", ");
}

/** Tags that say something the name does not: no word of the name, no bare sign. */
function tellingTags({ name, tags }: Concept): string[] {
  const said = new Set([name.toLowerCase(), ...name.toLowerCase().split(/[^\p{L}\p{N}-]+/u)]);
  return tags.filter((tag) => /[\p{L}\p{N}]/u.test(tag) && !said.has(tag.toLowerCase()));
}
