import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildDemo, type DemoOptions } from "./build.ts";
import { packageDirectory } from "./download.ts";
import { fnv1a } from "./hash.ts";
import { conceptPackage, type Package, styles } from "./sources.ts";

const root = join(import.meta.dirname, "../../..");
const folder = mkdtempSync(join(tmpdir(), "fastclip-demo-"));
const sourceDirectory = join(folder, "sources");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Thirty made-up concepts in made-up packages: as the real ones are laid out, with no network.
const names = Array.from({ length: 30 }, (_, index) => `thing ${index}`);
const key = (name: string) => name.replace(" ", "_");
const hexcode = (index: number) => (0x1f400 + index).toString(16).toUpperCase();
const heldOut = names.filter((name) => fnv1a(key(name)) % 10 === 0);
const info = {
  author: { name: "Somebody", url: "https://example.org" },
  license: { title: "MIT", spdx: "MIT", url: "" },
};

beforeAll(async () => {
  writePackage(conceptPackage, {
    "en/data.json": [
      ...names.map((label, index) => ({ label, hexcode: hexcode(index), group: 3, tags: ["round", "red", "toy"] })),
      { label: "regional indicator A", hexcode: "1F1E6" },
    ],
    "en/shortcodes/cldr.json": Object.fromEntries(names.map((name, index) => [hexcode(index), key(name)])),
  });
  for (const id of ["noto", "openmoji", "twemoji"]) {
    const icons = names.map((name, index) => [
      name.replace(" ", "-"),
      { body: `<circle cx="8" cy="8" r="${index % 8}"/>` },
    ]);
    const coded =
      id === "twemoji" ? names.map((name, index) => [hexcode(index).toLowerCase(), name.replace(" ", "-")]) : [];
    writePackage(packageOf(id), {
      "icons.json": { icons: Object.fromEntries([...icons, ["logo", { body: "<g/>" }]]) },
      "chars.json": Object.fromEntries(coded),
      "info.json": { ...info, name: `Set ${id}` },
    });
  }
  const assets = join(packageDirectory(sourceDirectory, packageOf("fluent-emoji-3d")), "assets");
  mkdirSync(assets, { recursive: true });
  const blue = { create: { width: 20, height: 10, channels: 4, background: "#0000ff" } } as const;
  await sharp(blue).webp({ lossless: true }).toFile(join(assets, "1f401.webp"));
});

function packageOf(id: string): Package {
  return styles.find((style) => style.id === id)!.package;
}

function writePackage(item: Package, files: Record<string, unknown>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(packageDirectory(sourceDirectory, item), name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, JSON.stringify(content));
  }
}

function small(name: string, more: Partial<DemoOptions> = {}): DemoOptions {
  const sets = ["noto", "openmoji", "fluent-emoji-3d"];
  return { directory: join(folder, name), sourceDirectory, sets, size: 16, shardSize: 20, ...more };
}

function unpack(directory: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const shard of readdirSync(directory).filter((name) => name.endsWith(".tar"))) {
    const into = mkdtempSync(join(folder, "unpacked-"));
    execFileSync("tar", ["-xf", join(directory, shard), "-C", into]);
    for (const name of readdirSync(into)) files.set(`${shard}/${name}`, readFileSync(join(into, name)));
  }
  return files;
}

test("every sample has its picture, text and description, and nothing held out is trained on", async () => {
  const summary = await buildDemo(small("whole"));
  const files = unpack(summary.directory);
  const seen = names.length - heldOut.length;
  expect(heldOut.length).toBeGreaterThan(0);
  expect(summary.train.samples).toBe(2 * seen + (heldOut.includes("thing 1") ? 0 : 1));
  expect(summary.heldOutStyle.samples).toBe(names.length);
  expect(files.size).toBe(3 * (summary.train.samples + names.length));
  const classes = JSON.parse(readFileSync(summary.classes, "utf8"));
  expect(classes.classes.map(({ name }: { name: string }) => name)).toEqual(names);
  for (const [path, bytes] of files) {
    if (!path.endsWith(".json")) continue;
    const about = JSON.parse(bytes.toString());
    const text = files.get(path.replace(/json$/, "txt"))!.toString();
    expect(text === about.name || /^thing \d+, (round|red|toy), (round|red|toy)$/.test(text)).toBe(true);
    expect(classes.classes[about.class]).toEqual({
      name: about.name,
      concept: about.concept,
      heldOut: about.heldOutConcept,
    });
    expect(about).toMatchObject({ width: 16, height: 16, license: "MIT", concept: key(about.name) });
    expect(about.heldOutConcept).toBe(heldOut.includes(about.name));
    if (path.startsWith("train")) expect([about.style === "twemoji", about.heldOutConcept]).toEqual([false, false]);
    else expect(about.style).toBe("twemoji");
  }
  const unmatched = summary.record.sets.map(({ id, unmatched }) => [id, unmatched]);
  expect(unmatched).toEqual([
    ["noto", 1],
    ["openmoji", 1],
    ["fluent-emoji-3d", 0],
    ["twemoji", 0],
  ]);
  expect(readFileSync(join(summary.directory, "ATTRIBUTION.md"), "utf8")).toContain("author: Somebody");
});

test("pictures are RGB on white and keep their shape", async () => {
  const { directory } = await buildDemo(small("whole"));
  const path = [...unpack(directory)].find(([name]) => name.endsWith("fluent-emoji-3d_1f401.png"))!;
  const { data, info } = await sharp(path[1]).raw().toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ width: 16, height: 16, channels: 3 });
  const pixel = (x: number, y: number) => [...data.subarray(3 * (16 * y + x), 3 * (16 * y + x) + 3)];
  expect(pixel(8, 0)).toEqual([255, 255, 255]);
  expect(pixel(8, 8)).toEqual([0, 0, 255]);
});

test("two builds give the same bytes, another seed another order", async () => {
  const one = await buildDemo(small("one", { concurrency: 1 }));
  const two = await buildDemo(small("two", { concurrency: 7 }));
  const other = await buildDemo(small("other", { seed: 1 }));
  const shards = readdirSync(one.directory).filter((name) => name.endsWith(".tar"));
  expect(shards).toEqual([
    "heldout-style-000000.tar",
    "heldout-style-000001.tar",
    "train-000000.tar",
    "train-000001.tar",
    "train-000002.tar",
  ]);
  expect(one.train.pattern).toBe(join(one.directory, "train-{000000..000002}.tar"));
  const bytes = (directory: string) => shards.map((name) => readFileSync(join(directory, name)).toString("base64"));
  expect(bytes(two.directory)).toEqual(bytes(one.directory));
  expect(bytes(other.directory)).not.toEqual(bytes(one.directory));
});

test("the same settings reuse the data set, other settings and a missing shard rebuild it", async () => {
  const first = await buildDemo(small("again"));
  const second = await buildDemo(small("again"));
  expect([first.reused, second.reused]).toEqual([false, true]);
  expect(second.record).toEqual(first.record);
  expect(second.seconds).toBeLessThan(0.5);
  expect((await buildDemo(small("again", { shardSize: 10 }))).reused).toBe(false);
  expect(existsSync(join(first.directory, "train-000005.tar"))).toBe(true);
  rmSync(join(first.directory, "train-000005.tar"));
  expect((await buildDemo(small("again", { shardSize: 10 }))).reused).toBe(false);
});

test("a build killed half-way leaves no data set, and the next one works", async () => {
  const directory = join(folder, "killed");
  const options = JSON.stringify(small("killed", { shardSize: 5 }));
  const program = `
    import { buildDemo } from ${JSON.stringify(join(import.meta.dirname, "build.ts"))};
    await buildDemo({ ...${options}, onProgress: () => process.kill(process.pid, "SIGKILL") });`;
  const run = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], { cwd: root });
  expect(run.signal).toBe("SIGKILL");
  const left = readdirSync(folder).filter((name) => name.startsWith(".killed.building-"));
  expect(left).toHaveLength(1);
  expect(readdirSync(join(folder, left[0]!))).toEqual(["train-000000.tar"]);
  expect(existsSync(directory)).toBe(false);
  expect((await buildDemo(small("killed", { shardSize: 5 }))).reused).toBe(false);
});

test("a folder with other files is refused and untouched", async () => {
  const directory = join(folder, "mine");
  mkdirSync(directory);
  writeFileSync(join(directory, "thesis.txt"), "mine");
  await expect(buildDemo(small("mine"))).rejects.toThrow(/mine holds other files and no demonstration data/);
  expect(readdirSync(directory)).toEqual(["thesis.txt"]);
  await expect(buildDemo({ ...small("mine"), directory: join(directory, "thesis.txt") })).rejects.toThrow(
    /but is a file/,
  );
});

test("wrong options and broken packages are told in one sentence", async () => {
  await expect(buildDemo(small("bad", { sets: ["emoji"] }))).rejects.toThrow(
    /sets should name some of noto, .*; got "emoji"/,
  );
  await expect(buildDemo(small("bad", { size: 0 }))).rejects.toThrow(
    "size should be a whole number from 8 to 1024, got 0",
  );
  await expect(buildDemo(small("bad", { concurrency: 0 }))).rejects.toThrow(/concurrency should be a whole number/);
  const broken = packageOf("fxemoji");
  writePackage(broken, {
    "info.json": { ...info, name: "Broken" },
    "icons.json": { icons: { "thing-2": { body: "<g" } } },
  });
  await expect(buildDemo(small("bad", { sets: ["fxemoji"] }))).rejects.toThrow(
    /^fxemoji_thing-2 could not be rendered: /,
  );
  expect(existsSync(join(folder, "bad"))).toBe(false);
  expect(readdirSync(folder).filter((name) => name.startsWith(".bad"))).toEqual([]);
});
