// The small JSON files of a run, which may have been damaged since they were written.
import { readFileSync } from "node:fs";

/** What a JSON file holds; undefined where it is not JSON. */
export function readJson(path: string): unknown {
  const text = readFileSync(path, "utf8");
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
