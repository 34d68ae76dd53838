// Files and folders that are whole or not there, also after a power cut.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Makes a folder in one piece: `fill` writes its files under a temporary name beside it; when all are on the disk, it takes its
 * name. A folder of that name is replaced. What a killed process left half-made is never seen under the name.
 */
export function writeFolder(folder: string, fill: (temporary: string) => void): void {
  const temporary = `${folder}.partial-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    fill(temporary);
    for (const name of readdirSync(temporary)) sync(join(temporary, name));
    sync(temporary);
    if (existsSync(folder)) rmSync(folder, { recursive: true });
    renameSync(temporary, folder);
    sync(dirname(folder));
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Writes a file in one piece. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.partial-${process.pid}`;
  writeFileSync(temporary, text);
  sync(temporary);
  renameSync(temporary, path);
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
