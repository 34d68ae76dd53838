import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { falseNegatives } from "../falseNegatives.ts";
import { attribution } from "./attribution.ts";
import { type Concept, readConcepts } from "./concepts.ts";
import { type DemoRecord, type DemoSettings, fillFolder, findWhole, recordName, refuseForeign } from "./dataset.ts";
import { defaultSourceDirectory, downloadPackages, packageDirectory } from "./download.ts";
import { conceptFinder } from "./finder.ts";
import { type Picture, readStyle, type StyleContent, written } from "./pictures.ts";
import { writeShards } from "./shards.ts";
import { chooseStyles, conceptPackage, type Package, type Style } from "./sources.ts";

export interface DemoOptions {
  /** Where the data set goes; missing, empty, or an older data set of this kind. */
  directory: string;
  /** Cache of downloaded packages. Default `demo-sources` in the cache folder. */
  sourceDirectory?: string;
  /** Width and height in pixels. Default 72: a random resized crop then gives 64 pixels without enlarging. */
  size?: number;
  /** Samples in a shard. Default 1000. */
  shardSize?: number;
  /** Pictures rendered at the same time. Default 8: twice libuv's threads, so that none of them waits. */
  concurrency?: number;
  /** Decides the order of the samples and which captions carry tags. Default 0. */
  seed?: number;
  /** Ids of the training sets to use. Default all; the held-out style is always there. */
  sets?: readonly string[];
  onProgress?: (line: string) => void;
}

export interface DemoSummary {
  directory: string;
  /** Brace pattern of the shards, with the folder. */
  train: { pattern: string; samples: number };
  heldOutStyle: { pattern: string; samples: number };
  /** Path of classes.json: `{ templates: string[], classes: { name, concept, heldOut }[] }`. */
  classes: string;
  /** Everything that dataset.json holds: settings, counts by set, false negatives, seconds by stage. */
  record: DemoRecord;
  /** True when the data set was there already. */
  reused: boolean;
  seconds: number;
}

/** Raised when changed code would make other shards from the same packages. */
const builderVersion = 1;
const defaultConcurrency = 8;
const reportedBatchSizes = [64, 256];

/**
 * Builds the demonstration data set: emoji of several vendors with their CLDR names as captions, in WebDataset shards.
 * All drawings of one vendor, and all drawings of one concept in ten, are kept out of the training shards.
 *
 * A whole data set with the same settings is reused. The folder appears only when it is whole.
 *
 * @throws an error of one sentence when npm, the network or the disk fails or the folder holds other files.
 */
export async function buildDemo(options: DemoOptions): Promise<DemoSummary> {
  const started = performance.now();
  const directory = resolve(options.directory);
  const chosen = chooseStyles(options.sets);
  const settings = settle(options, chosen);
  const present = findWhole(directory, settings);
  const record = present ?? (await build({ ...options, directory }, { settings, chosen }).catch(explain(directory)));
  const { train, heldOutStyle } = record;
  return {
    directory,
    train: { pattern: join(directory, train.pattern), samples: train.samples },
    heldOutStyle: { pattern: join(directory, heldOutStyle.pattern), samples: heldOutStyle.samples },
    classes: join(directory, "classes.json"),
    record,
    reused: present !== undefined,
    seconds: secondsSince(started),
  };
}

function settle(options: DemoOptions, chosen: readonly Style[]): DemoSettings {
  const { size = 72, shardSize = 1000, seed = 0, concurrency = defaultConcurrency } = options;
  const ranges = [
    { name: "concurrency", value: concurrency, least: 1, most: 1024 },
    { name: "size", value: size, least: 8, most: 1024 },
    { name: "shardSize", value: shardSize, least: 1, most: 1_000_000 },
    { name: "seed", value: seed, least: 0, most: 2 ** 32 - 1 },
  ];
  for (const { name, value, least, most } of ranges) {
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    throw new Error(`${name} should be a whole number from ${least} to ${most}, got ${value}`);
  }
  const packages = Object.fromEntries(packagesOf(chosen).map(({ name, version }) => [name, version]));
  return { builder: builderVersion, size, shardSize, seed, sets: chosen.map(({ id }) => id), packages };
}

async function build(
  options: DemoOptions,
  { settings, chosen }: { settings: DemoSettings; chosen: readonly Style[] },
): Promise<DemoRecord> {
  const {
    directory,
    sourceDirectory = defaultSourceDirectory(),
    concurrency = defaultConcurrency,
    onProgress = () => {},
  } = options;
  const started = performance.now();
  await refuseForeign(directory);
  await downloadPackages(packagesOf(chosen), { sourceDirectory, onProgress });
  const download = secondsSince(started);

  const concepts = readConcepts(packageDirectory(sourceDirectory, conceptPackage));
  const contents = readStyles(chosen, { sourceDirectory, concepts });
  const read = secondsSince(started) - download;

  return fillFolder(directory, async (temporary) => {
    // Set for the whole process: parallel work comes from the pictures in flight, and no picture is asked for twice.
    sharp.concurrency(1);
    sharp.cache(false);
    const training = samplesOf(contents, "train");
    const shared = { ...settings, directory: temporary, concurrency, onProgress };
    const train = await writeShards(training, { ...shared, name: "train" });
    const heldOutStyle = await writeShards(samplesOf(contents, "heldOut"), { ...shared, name: "heldout-style" });
    await writeFile(join(temporary, "classes.json"), classesJson(concepts));
    await writeFile(join(temporary, "ATTRIBUTION.md"), attribution(contents, settings));
    const total = secondsSince(started);
    const record: DemoRecord = {
      kind: "fastclip-demo",
      settings,
      train,
      heldOutStyle,
      classes: { count: concepts.length, heldOut: concepts.filter(({ heldOut }) => heldOut).length },
      sets: contents.map(countsOf),
      falseNegatives: falseNegativesOf(training),
      seconds: { download, read, render: total - read - download, total },
    };
    await writeFile(join(temporary, recordName), `${JSON.stringify(record, undefined, 2)}\n`);
    return record;
  });
}

function packagesOf(chosen: readonly Style[]): Package[] {
  return [conceptPackage, ...chosen.map((style) => style.package)];
}

function readStyles(
  chosen: readonly Style[],
  { sourceDirectory, concepts }: { sourceDirectory: string; concepts: readonly Concept[] },
): StyleContent[] {
  const finder = conceptFinder(concepts);
  return chosen.map((style) =>
    readStyle(style, { directory: packageDirectory(sourceDirectory, style.package), finder }),
  );
}

function samplesOf(contents: readonly StyleContent[], role: Style["role"]): Picture[] {
  return contents.filter(({ style }) => style.role === role).flatMap(written);
}

/** Captions are bare names, so the only template is the name itself. */
function classesJson(concepts: readonly Concept[]): string {
  const classes = concepts.map(({ name, key, heldOut }) => ({ name, concept: key, heldOut }));
  return `${JSON.stringify({ templates: ["{}"], classes }, undefined, 1)}\n`;
}

function countsOf(content: StyleContent): DemoRecord["sets"][number] {
  const { style, credit, pictures, concepts, skinTones, repeated, unmatched } = content;
  return {
    id: style.id,
    role: style.role,
    package: `${style.package.name}@${style.package.version}`,
    license: credit.license.spdx,
    samples: written(content).length,
    matched: pictures.length,
    ofHeldOutConcepts: pictures.filter(({ concept }) => concept.heldOut).length,
    concepts,
    skinTones,
    repeated,
    unmatched,
  };
}

function falseNegativesOf(pictures: readonly Picture[]): DemoRecord["falseNegatives"] {
  const counts = new Map<string, number>();
  for (const { concept } of pictures) counts.set(concept.key, (counts.get(concept.key) ?? 0) + 1);
  return Object.fromEntries(reportedBatchSizes.map((size) => [size, falseNegatives([...counts.values()], size)]));
}

/** Errors of the operating system name a call and a file; the user also needs to know what was being done. */
function explain(directory: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new Error(`the demonstration data could not be built in ${directory}: ${error.message}`, { cause: error });
  };
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
