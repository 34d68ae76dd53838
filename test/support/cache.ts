// Tests keep index files and copies of shards in a folder of their own, not in the user's cache.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-cache-"));
  process.env["FASTCLIP_CACHE"] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
