import sharp from "sharp";

/** Larger files are made smaller, so that a page of many pictures stays small. */
const largestFile = 24_000;
/** Width and height into which a smaller copy fits. */
const smallSize = 192;

/** Formats that browsers show, by sharp's names. */
const shown: ReadonlySet<string> = new Set(["png", "jpeg", "gif", "webp"]);

/**
 * A picture file as a `data:` address: its own bytes where they are few and a browser can show them, otherwise a smaller copy.
 *
 * @throws when the bytes are no picture.
 */
export async function pictureUri(file: Buffer): Promise<string> {
  const { format } = await sharp(file).metadata();
  if (file.length <= largestFile && shown.has(format)) return dataUri(format, file);
  const copy = sharp(file).resize(smallSize, smallSize, { fit: "inside", withoutEnlargement: true });
  return dataUri("webp", await copy.webp({ quality: 80 }).toBuffer());
}

function dataUri(format: string, bytes: Buffer): string {
  return `data:image/${format};base64,${bytes.toString("base64")}`;
}
