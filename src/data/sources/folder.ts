// A folder of pictures: captions beside them as text files, or the names of sub-folders as labels.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative } from "node:path";
import { imageExtensions } from "../members.ts";
import type { Row, Source } from "./source.ts";

/** NAME.jpg with NAME.txt (a caption in each line), or LABEL/NAME.jpg, whose caption is "LABEL" with spaces for underscores. */
export function folderSource(folder: string): Source {
  const pictures = listPictures(folder);
  if (pictures.length === 0) throw new Error(`${folder} holds no picture (${imageExtensions.join(", ")})`);
  return { fingerprint: fingerprintOf(folder, pictures), rows: () => rowsOf(folder, pictures) };
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
  for (const picture of pictures) {
    const where = relative(folder, picture);
    const beside = captionFile(picture);
    if (existsSync(beside)) {
      const captions = readFileSync(beside, "utf8").split("\n");
      yield { where, picture, captions: trimmed(captions), more: {} };
    } else if (dirname(where) === ".") {
      yield { where, picture, captions: [], more: {} };
    } else {
      const label = basename(dirname(where));
      yield { where, picture, captions: trimmed([label.replaceAll("_", " ")]), more: { label } };
    }
  }
}

function trimmed(captions: readonly string[]): string[] {
  return captions.map((caption) => caption.trim()).filter((caption) => caption !== "");
}
