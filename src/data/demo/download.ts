import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../cache.ts";
import type { Package } from "./sources.ts";

/** Leftovers of killed runs are cleared after this long; no download or build takes an hour. */
const abandonedAfterMs = 3_600_000;

/** Where downloaded packages are kept for all clones of one user. */
export function defaultSourceDirectory(): string {
  return join(cacheFolder(), "demo-sources");
}

/** The folder of one unpacked package inside the source directory. */
export function packageDirectory(sourceDirectory: string, { name, version }: Package): string {
  return join(sourceDirectory, `${name.replace("/", "+")}@${version}`);
}

/**
 * Downloads with npm what is not there yet. Everything is unpacked in a folder of its own and renamed package by
 * package: a killed download leaves nothing half-made, and of two at once the later one finds its packages there.
 */
export async function downloadPackages(
  packages: readonly Package[],
  {
    sourceDirectory,
    npm = "npm",
    onProgress,
  }: { sourceDirectory: string; npm?: string; onProgress: (line: string) => void },
): Promise<void> {
  const missing = packages.filter((item) => !existsSync(packageDirectory(sourceDirectory, item)));
  if (missing.length === 0) return;
  onProgress(`downloading ${missing.length} packages with npm into ${sourceDirectory}`);
  await mkdir(sourceDirectory, { recursive: true });
  await clearAbandoned(sourceDirectory, ".download-");
  const temporary = await mkdtemp(join(sourceDirectory, ".download-"));
  try {
    await writeFile(join(temporary, "package.json"), '{ "private": true }\n');
    await install(missing, { npm, directory: temporary });
    for (const item of missing) {
      await renameUnlessThere(join(temporary, "node_modules", item.name), packageDirectory(sourceDirectory, item));
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Removes folders of killed runs: those with this prefix that nobody has touched for an hour. */
export async function clearAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(parent, name);
    const changed = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - changed > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}

async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

function install(packages: readonly Package[], { npm, directory }: { npm: string; directory: string }): Promise<void> {
  const names = packages.map(({ name, version }) => `${name}@${version}`);
  const flags = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const retries = ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"];
  return new Promise((resolve, reject) => {
    const child = spawn(npm, ["install", "--prefix", directory, ...flags, ...retries, ...names], {
      cwd: directory,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    child.on("error", (error) =>
      reject(new Error(`the demonstration data is downloaded with npm, which did not start: ${error.message}`)),
    );
    child.on("close", (code, signal) => {
      if (code === 0) return resolve();
      const reason = firstComplaint(complaint) ?? `it ended with ${signal ?? `status ${code}`}`;
      reject(
        new Error(
          `npm could not download ${names.length} packages of pictures (is the npm registry reachable?): ${reason}`,
        ),
      );
    });
  });
}

/** npm's first line that says what happened, after the one that only holds a code. */
function firstComplaint(text: string): string | undefined {
  const lines = text.split("\n").flatMap((line) => /^npm (?:error|ERR!) (.+)/.exec(line)?.[1] ?? []);
  return lines.find((line) => !/^(code|syscall|errno|network$)/.test(line)) ?? lines[0];
}
