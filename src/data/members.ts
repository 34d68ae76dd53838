// What a sample consists of, by the names of its files.

/** Files that count as the sample's picture; the first of them that a sample has. */
export const imageExtensions: readonly string[] = ["jpg", "png", "jpeg", "webp", "gif", "tif", "tiff", "avif"];

/** WebDataset's split of a path: folder and file name up to the first dot, and what follows it, in lower case. */
export function splitName(name: string): { key: string; extension: string } | undefined {
  const start = name.lastIndexOf("/") + 1;
  const dot = name.indexOf(".", start);
  return dot > start ? { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() } : undefined;
}
