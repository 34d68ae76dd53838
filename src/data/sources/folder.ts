// A folder of pictures: captions beside them as text files, or the names of sub-folders as labels.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative } from "node:path";
import { imageExtensions } from "../members.ts";
import type { Contents, PlaceSource, Row } from "./source.ts";

/** NAME.jpg with NAME.txt (a caption in each line), or LABEL/NAME.jpg, whose caption is "LABEL" with spaces for underscores. */
export function folderSource(folder: string): PlaceSource {
  const pictures = listPictures(folder);
  if (pictures.length === 0)
    throw new Error(`${folder} holds no picture (${imageExtensions.join(", ")})${hint(folder)}`);
  return {
    name: basename(folder),
    fingerprint: fingerprintOf(folder, pictures),
    folders: [folder],
    hasFiles: async () => true,
    rows: () => rowsOf(folder, pictures),
  };
}

function hint(folder: string): string {
  const hasShards = readdirSync(folder).some((name) => name.endsWith(".tar"));
  return hasShards ? `; the shards in it are named by ${join(folder, "*.tar")}` : "";
}

function listPictures(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const pictures = files.filter(({ name }) => imageExtensions.includes(extname(name).slice(1).toLowerCase()));
  return pictures.map(({ parentPath, name }) => join(parentPath, name)).sort();
}

function fingerprintOf(folder: string, pictures: readonly string[]): string {
  const hash = createHash("sha256");
  for (const picture of pictures) {
    for (const path of [picture, captionFile(picture)]) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found) hash.update(`${relative(folder, path)}\n${found.size}\n${found.mtimeMs}\n`);
    }
  }
  return hash.digest("hex");
}

function captionFile(picture: string): string {
  return `${picture.slice(0, -extname(picture).length)}.txt`;
}

async function* rowsOf(folder: string, pictures: readonly string[]): AsyncGenerator<Row> {
  for (const path of pictures) {
    const where = relative(folder, path);
    yield { where, read: async () => ({ picture: { kind: "file", path }, ...textsOf(path, where) }) };
  }
}

function textsOf(path: string, where: string): Pick<Contents, "captions" | "more"> {
  const beside = captionFile(path);
  if (existsSync(beside)) return { captions: trimmed(readFileSync(beside, "utf8").split("\n")), more: {} };
  if (dirname(where) === ".") return { captions: [], more: {} };
  const label = basename(dirname(where));
  return { captions: trimmed([label.replaceAll("_", " ")]), more: { label } };
}

function trimmed(captions: readonly string[]): string[] {
  return captions.map((caption) => caption.trim()).filter((caption) => caption !== "");
}
