// Small data sets and a small model for tests of whole runs.
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { writeTar } from "../../src/data/tar/write.ts";

const colors = {
  red: "#d02020",
  green: "#20a040",
  blue: "#2040d0",
  yellow: "#e0d020",
  black: "#101010",
  pink: "#f090b0",
};
const shapes: Record<string, (fill: string) => string> = {
  circle: (fill) => `<circle cx="12" cy="12" r="9" fill="${fill}"/>`,
  square: (fill) => `<rect x="3" y="3" width="18" height="18" fill="${fill}"/>`,
  bar: (fill) => `<rect x="1" y="9" width="22" height="6" fill="${fill}"/>`,
  triangle: (fill) => `<path d="M12 2 L22 22 L2 22 Z" fill="${fill}"/>`,
};

/** What can be told apart: a shape in a colour. */
const things = Object.entries(colors).flatMap(([color, fill]) =>
  Object.entries(shapes).map(([shape, draw]) => ({ caption: `a ${color} ${shape}`, svg: draw(fill) })),
);

/** Writes `count` shards of 24 pictures with captions into `folder` and returns their pattern. */
export async function writeShards(folder: string, count: number): Promise<string> {
  for (let shard = 0; shard < count; shard++) {
    const samples = await Promise.all(things.map((thing, i) => sample(thing, { shard, i })));
    await writeTar(join(folder, `shard-${shard}.tar`), samples.flat());
  }
  return join(folder, count === 1 ? "shard-0.tar" : `shard-{0..${count - 1}}.tar`);
}

async function sample(thing: (typeof things)[number], { shard, i }: { shard: number; i: number }) {
  const key = `s${shard}-${String(i).padStart(3, "0")}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><rect width="24" height="24" fill="#fff"/>${thing.svg}</svg>`;
  const png = await sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
  return [
    { name: `${key}.png`, data: png },
    { name: `${key}.txt`, data: Buffer.from(thing.caption) },
    { name: `${key}.json`, data: Buffer.from(JSON.stringify({ class: i })) },
  ];
}

/** Writes class names that fit the shards. */
export function writeClasses(folder: string): string {
  const path = join(folder, "classes.json");
  const classes = things.map(({ caption }) => ({ name: caption }));
  writeFileSync(path, JSON.stringify({ templates: ["{}"], classes }));
  return path;
}

/** Cuts the last part of a shard off, in the middle of a picture. */
export function cutOff(path: string, bytes: number): void {
  truncateSync(path, bytes);
}

/** A model that trains in seconds and has no batch norm, in OpenCLIP's JSON format. */
export function writeViT(folder: string): string {
  const path = join(folder, "tiny-vit.json");
  const vision_cfg = { image_size: 32, layers: 2, width: 32, patch_size: 8, head_width: 16 };
  const text_cfg = { context_length: 16, vocab_size: 49408, width: 32, heads: 2, layers: 1 };
  writeFileSync(path, JSON.stringify({ embed_dim: 32, vision_cfg, text_cfg }));
  return path;
}

/** A model that trains in seconds, in OpenCLIP's JSON format. */
export function writeModel(folder: string): string {
  const path = join(folder, "tiny.json");
  const vision_cfg = { image_size: 16, layers: [1, 1, 1, 1], width: 8, head_width: 32 };
  const text_cfg = { context_length: 16, vocab_size: 49408, width: 32, heads: 2, layers: 1 };
  writeFileSync(path, JSON.stringify({ embed_dim: 32, vision_cfg: { ...vision_cfg, image_size: 32 }, text_cfg }));
  return path;
}
