import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { downloadPackages, packageDirectory } from "./download.ts";

const packages = [
  { name: "@icons/one", version: "1.0.0" },
  { name: "two", version: "2.0.0" },
];
let folder = "";
let sourceDirectory = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-download-"));
  sourceDirectory = join(folder, "sources");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Stands in for npm: notes each call and runs the body in the folder that --prefix names. */
function fakeNpm(body: string): string {
  const path = join(folder, "npm");
  writeFileSync(path, `#!/bin/sh\necho "$@" >> "${folder}/calls"\ncd "$3" || exit 9\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

function download(npm: string): Promise<void> {
  return downloadPackages(packages, { sourceDirectory, npm, onProgress: () => {} });
}

const unpack =
  "mkdir -p node_modules/@icons/one node_modules/two && touch node_modules/@icons/one/a node_modules/two/b";

test("packages are installed at their exact version, once, and nothing else is left", async () => {
  const npm = fakeNpm(unpack);
  await download(npm);
  expect(existsSync(join(packageDirectory(sourceDirectory, packages[0]!), "a"))).toBe(true);
  expect(existsSync(join(packageDirectory(sourceDirectory, packages[1]!), "b"))).toBe(true);
  expect(readdirSync(sourceDirectory)).toHaveLength(2);
  await download(join(folder, "there-is-no-npm-now"));
});

test("two downloads at once do not break each other", async () => {
  const npm = fakeNpm(`${unpack} && sleep 0.2`);
  await Promise.all([download(npm), download(npm)]);
  expect(existsSync(join(packageDirectory(sourceDirectory, packages[0]!), "a"))).toBe(true);
  expect(readdirSync(sourceDirectory)).toHaveLength(2);
});

test("a failed download says why in one sentence and leaves nothing", async () => {
  const npm = fakeNpm(`${unpack}\necho "npm error code ENOTFOUND" >&2\necho "npm error network no route" >&2\nexit 1`);
  await expect(download(npm)).rejects.toThrow(
    /^npm could not download 2 packages of pictures \(is the npm registry reachable\?\): network no route$/,
  );
  expect(readdirSync(sourceDirectory)).toEqual([]);
});

test("a machine without npm is told so", async () => {
  await expect(download(join(folder, "missing"))).rejects.toThrow(/downloaded with npm, which did not start: .*ENOENT/);
  expect(readdirSync(sourceDirectory)).toEqual([]);
});

test("folders of runs killed long ago are cleared, those of running ones are kept", async () => {
  for (const name of [".download-old", ".download-new"]) mkdirSync(join(sourceDirectory, name), { recursive: true });
  const twoHoursAgo = Date.now() / 1000 - 7200;
  utimesSync(join(sourceDirectory, ".download-old"), twoHoursAgo, twoHoursAgo);
  await download(fakeNpm(unpack));
  expect(readdirSync(sourceDirectory).filter((name) => name.startsWith("."))).toEqual([".download-new"]);
});
