// How long set-up took, as it wrote it down.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../native/locate.ts";

/** Seconds of the last set-up of this clone; nothing when it was not done by the set-up script. */
export function setupSeconds(): { setup?: number } {
  try {
    const { seconds } = JSON.parse(readFileSync(join(packageRoot(), "build", "setup.json"), "utf8")) as {
      seconds: number;
    };
    return { setup: seconds };
  } catch {
    return {};
  }
}
