import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Makes a folder and those above it. Throws with the reason, and with `instead`, which says what can be done. */
export function makeFolder(folder: string, instead: string): string {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch (error) {
    throw new Error(`${folder} cannot be made or written (${reasonOf(folder, error as Error)}): ${instead}`);
  }
}

/** mkdir itself says ENOENT where the file system is read-only, so the nearest folder that is there is asked. */
function reasonOf(folder: string, error: NodeJS.ErrnoException): string | undefined {
  let above = folder;
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above);
  try {
    if (!statSync(above).isDirectory()) return "ENOTDIR";
    accessSync(above, constants.W_OK);
  } catch (reason) {
    return (reason as NodeJS.ErrnoException).code;
  }
  return error.code;
}
