// A few drawings with captions, for a check of training that needs no data.
import { join } from "node:path";
import sharp from "sharp";
import { type TarEntry, writeTar } from "../data/tar/write.ts";

const colors: Readonly<Record<string, string>> = {
  red: "#d02020",
  green: "#20a040",
  blue: "#2040d0",
  yellow: "#e0d020",
};
/** On 64 x 64. */
const shapes: Readonly<Record<string, string>> = {
  circle: '<circle cx="32" cy="32" r="24"/>',
  square: '<rect x="10" y="10" width="44" height="44"/>',
  bar: '<rect x="4" y="24" width="56" height="16"/>',
  triangle: '<path d="M32 6 L58 58 L6 58 Z"/>',
};

/** Writes a shard of 16 drawings, each a shape in a colour, into the folder and returns its path. */
export async function writeDrawings(folder: string): Promise<string> {
  const things = Object.keys(colors).flatMap((color) => Object.keys(shapes).map((shape) => ({ color, shape })));
  const path = join(folder, "drawings.tar");
  await writeTar(path, (await Promise.all(things.map(sampleOf))).flat());
  return path;
}

async function sampleOf({ color, shape }: { color: string; shape: string }): Promise<TarEntry[]> {
  const drawing = `<g fill="${colors[color]}">${shapes[shape]}</g>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64" fill="#fff"/>${drawing}</svg>`;
  const key = `${color}-${shape}`;
  return [
    { name: `${key}.png`, data: await sharp(Buffer.from(svg)).removeAlpha().png().toBuffer() },
    { name: `${key}.txt`, data: Buffer.from(`a ${color} ${shape}`) },
  ];
}
