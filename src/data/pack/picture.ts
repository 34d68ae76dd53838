// The bytes of a row's picture, wherever they are.
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import type { FaultCause } from "../faults.ts";
import { type Format, formatOf, noPicture } from "../image/format.ts";
import { imageExtensions } from "../members.ts";
import type { Picture } from "../sources/source.ts";
import { HttpStorage } from "../storage/http.ts";
import { StorageError, storageOf } from "../storage/index.ts";
import { defaultPatience, type Patience } from "../storage/patience.ts";

/** The picture as a file, or why there is none. */
export type PictureFile =
  | { readonly data: Uint8Array; readonly extension: string }
  | { readonly cause: FaultCause; readonly detail: string };

/** What an index of shards allows too. */
const mostBytes = 256 * 2 ** 20;

/** For one of many pictures: the next one may be there. */
const shortPatience: Patience = {
  ...defaultPatience,
  tries: 3,
  longestDelayMs: 5_000,
  longestAskedMs: 10_000,
  answerMs: 10_000,
  stallMs: 10_000,
  leastBytes: 16 * 1024,
  totalMs: 120_000,
};

const web = new HttpStorage({ patience: shortPatience });

const extensions: Readonly<Record<Format, string>> = {
  png: "png",
  jpeg: "jpg",
  gif: "gif",
  webp: "webp",
  tiff: "tiff",
  avif: "avif",
};

export async function pictureFile(picture: Picture): Promise<PictureFile> {
  if (picture.kind === "file") return localFile(picture.path);
  if (picture.kind === "bytes") return sniffed(picture.bytes, picture.name ?? "the picture");
  try {
    return sniffed(await download(picture.url), picture.url);
  } catch (error) {
    if (error instanceof StorageError) return { cause: "no-picture", detail: error.message };
    throw error;
  }
}

async function localFile(path: string): Promise<PictureFile> {
  const extension = extname(path).slice(1).toLowerCase();
  if (!imageExtensions.includes(extension))
    return { cause: "bad-picture", detail: `${path} is none of ${imageExtensions.join(", ")}` };
  const data = await readFile(path).catch((error: NodeJS.ErrnoException) => error);
  if (data instanceof Error)
    return { cause: "no-picture", detail: data.code === "ENOENT" ? `${path} does not exist` : data.message };
  return data.length === 0 ? { cause: "no-picture", detail: `${path} is empty` } : { data, extension };
}

/** A picture whose name, if it has one, need not tell what it is. */
function sniffed(data: Uint8Array, name: string): PictureFile {
  if (data.length === 0) return { cause: "no-picture", detail: `${name} is empty` };
  const format = formatOf(data);
  if (format === undefined) return { cause: "bad-picture", detail: `${name} ${noPicture(data)}` };
  return { data, extension: extensions[format] };
}

async function download(url: string): Promise<Uint8Array> {
  if (/^https?:/i.test(url)) return web.fetch(url, { mostBytes });
  const storage = storageOf(url);
  const { size, version } = await storage.stat(url);
  if (size <= mostBytes) return storage.read(url, { offset: 0, length: size, version });
  throw new StorageError("denied", { location: url, problem: `has more than the ${mostBytes} bytes allowed` });
}
