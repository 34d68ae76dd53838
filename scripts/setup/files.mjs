// Hashes of inputs, stamps that remember them, and files that appear whole or not at all.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** All files below `folder` in a fixed order, as paths relative to it; none when the folder does not exist. */
export function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort();
}

/** One hash over the names and contents of files (those that exist) and over `extra` strings. */
export function hashInputs(root, files, extra = []) {
  const hash = createHash("sha256").update(JSON.stringify(extra));
  for (const file of files) {
    const path = join(root, file);
    hash.update(`\0${file}\0`);
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  return hash.digest("hex");
}

/** Writes a file so that a reader sees the old text or the new one, never a part. */
export function writeWhole(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

/** The JSON in a file, or undefined when there is none that can be read. */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Whether the step `name` was last finished with exactly these inputs. */
export function stampFits(build, name, inputs) {
  return readJson(join(build, "stamps", `${name}.json`))?.inputs === inputs;
}

/** Forgets the step `name` before it is done anew, so that one which fails halfway is never taken for the one before. */
export function unstamp(build, name) {
  rmSync(join(build, "stamps", `${name}.json`), { force: true });
}

/** Remembers that the step `name` is finished for these inputs. */
export function stamp(build, name, inputs) {
  writeWhole(join(build, "stamps", `${name}.json`), `${JSON.stringify({ inputs })}\n`);
}
