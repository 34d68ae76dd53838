// The seal of a saved folder: what its files hold, so that one that was damaged since is not taken for whole.
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "./json.ts";

/** Written last: a folder that has it is whole. */
export const sealFile = "sha256.json";
/** Hashes in hexadecimal by file; a name leads nowhere out of the folder. */
const hashesSchema = z.record(z.string().regex(/^(?!\.{1,2}$)[^/\0]+$/), z.string());
const chunkBytes = 4 * 1024 * 1024;

/** Writes down the hashes of all files that a folder holds. Those that are known, of files hashed as they were written, are not computed again. */
export function seal(folder: string, known: Readonly<Record<string, string>> = {}): void {
  const hashes = readdirSync(folder).map((name) => [name, known[name] ?? hashOf(join(folder, name))] as const);
  writeFileSync(join(folder, sealFile), `${JSON.stringify(Object.fromEntries(hashes), null, 2)}\n`);
}

/** What is wrong with a sealed folder, in words; undefined when every file is as it was sealed. Files that came later are not looked at. */
export function findDamage(folder: string): string | undefined {
  const path = join(folder, sealFile);
  if (!existsSync(path)) return undefined; // of an older version
  const { success, data: hashes } = hashesSchema.safeParse(readJson(path));
  if (!success) return `${sealFile} is damaged`;
  for (const [name, hash] of Object.entries(hashes)) {
    if (!existsSync(join(folder, name))) return `${name} is missing`;
    if (hashOf(join(folder, name)) !== hash) return `${name} is not what was saved (its SHA-256 differs)`;
  }
  return undefined;
}

function hashOf(path: string): string {
  const [hash, chunk, file] = [createHash("sha256"), Buffer.alloc(chunkBytes), openSync(path, "r")];
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) hash.update(chunk.subarray(0, read));
    return hash.digest("hex");
  } finally {
    closeSync(file);
  }
}
