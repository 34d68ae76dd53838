// Finds the engine that set-up built: the addon and the libtorch it stands on.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What set-up writes into build/engine.json. */
export interface Engine {
  /** Path of the compiled addon. */
  readonly addon: string;
  /** Folder of the torch package that holds lib/ and include/. */
  readonly torch: string;
  readonly version: string;
  readonly cuda: boolean;
}

/** The folder that holds this package's package.json, from src/ and from dist/ alike. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
  return folder;
}

/** Reads build/engine.json, or the file that the environment variable FASTCLIP_ENGINE names. */
export function locateEngine(): Engine {
  const path = process.env["FASTCLIP_ENGINE"] ?? join(packageRoot(), "build", "engine.json");
  if (!existsSync(path)) throw new Error(`the engine is not built: ${path} is missing; run \`npm run setup\``);
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Engine;
  } catch {
    throw new Error(`${path} is not valid JSON; run \`npm run setup\``);
  }
}
