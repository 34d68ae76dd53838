import { createHash } from "node:crypto";

/** FNV-1a, 32 bits, over the UTF-8 bytes of the text. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * An even 32-bit number that depends on all parts. It stands in for a random generator: a choice made with it for one
 * sample does not change when other samples come or go.
 */
export function hashOf(...parts: readonly (string | number)[]): number {
  return createHash("sha256").update(JSON.stringify(parts)).digest().readUInt32BE(0);
}

/** The items in the order of their hashes: a shuffle that is the same on every machine. */
export function shuffled<T>(items: readonly T[], hash: (item: T) => number): T[] {
  return items
    .map((item) => ({ item, hash: hash(item) }))
    .sort((a, b) => a.hash - b.hash)
    .map(({ item }) => item);
}
