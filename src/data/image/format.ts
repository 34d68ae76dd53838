// What kind of picture a file is, by its first bytes.

/** The kinds of picture files that are read. */
export const pictureFormats = ["png", "jpeg", "gif", "webp", "tiff", "avif"] as const;
export type Format = (typeof pictureFormats)[number];

/** The format whatever the file is called. SVG has none of these starts, so it is refused: it could name other files. */
export function formatOf(file: Uint8Array): Format | undefined {
  const start = Buffer.from(file.subarray(0, 12)).toString("latin1");
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (start.startsWith("\xff\xd8\xff")) return "jpeg";
  if (start.startsWith("GIF8")) return "gif";
  if (start.startsWith("RIFF") && start.endsWith("WEBP")) return "webp";
  if (start.startsWith("II*\0") || start.startsWith("MM\0*")) return "tiff";
  if (/^ftypavi[fs]$/.test(start.slice(4))) return "avif";
  return undefined;
}

/** What is wrong with a file that has no format, to stand behind its name. */
export function noPicture(file: Uint8Array): string {
  const start = Buffer.from(file.subarray(0, 100));
  const isMarkup = /^\s*<(\?xml|!doctype|!--|svg|html)/i.test(start.toString("latin1"));
  const seen = isMarkup ? "it is SVG, XML or HTML" : `it starts with the bytes ${start.subarray(0, 4).toString("hex")}`;
  return `is not a picture of a supported kind (${seen})`;
}
