import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readJson } from "./concepts.ts";
import type { Credit, Style } from "./sources.ts";

/** A drawing before it is rendered: SVG text, or a picture file. */
export type Drawing = { kind: "svg"; text: string } | { kind: "file"; path: string };

/** A drawing under the name that its set gives it, with its code points where the set knows them. */
export interface Icon {
  name: string;
  hexcodes: readonly string[];
  drawing: Drawing;
}

interface IconifyIcon {
  body: string;
  left?: number;
  top?: number;
  width?: number;
  height?: number;
  hidden?: boolean;
}

interface IconifySet {
  icons: Record<string, IconifyIcon>;
  width?: number;
  height?: number;
}

interface IconifyInfo {
  name: string;
  author: { name: string; url?: string };
  license: Credit["license"];
}

/** Reads the drawings of an unpacked package and whom to credit for them. */
export function readIcons({ format }: Style, directory: string): { icons: Icon[]; credit: Credit } {
  if (format.kind === "iconify") return readIconify(directory);
  return { icons: readFiles(join(directory, format.folder)), credit: format.credit };
}

/** Icons that the set itself hides are older names of others. */
function readIconify(directory: string): { icons: Icon[]; credit: Credit } {
  const set = readJson<IconifySet>(join(directory, "icons.json"));
  const info = readJson<IconifyInfo>(join(directory, "info.json"));
  const codes = codesByName(directory);
  const icons = Object.entries(set.icons)
    .filter(([name, icon]) => !icon.hidden && (codes.size === 0 || codes.has(name)))
    .map(([name, icon]): Icon => ({ name, hexcodes: codes.get(name) ?? [], drawing: svg(icon, set) }));
  const { author, license } = info;
  return { icons, credit: { title: info.name, author: author.name, url: author.url ?? license.url, license } };
}

/** chars.json maps code points to names; in half of the sets it is empty and names are all there is. */
function codesByName(directory: string): Map<string, string[]> {
  const path = join(directory, "chars.json");
  const names = new Map<string, string[]>();
  if (!existsSync(path)) return names;
  for (const [hexcode, name] of Object.entries(readJson<Record<string, string>>(path))) {
    names.set(name, [...(names.get(name) ?? []), hexcode]);
  }
  return names;
}

/** The whole picture, fitted into whatever square it is rendered at; iconify's own default box is 16 by 16. */
function svg(icon: IconifyIcon, set: IconifySet): Drawing {
  const { left = 0, top = 0, width = set.width ?? 16, height = set.height ?? 16, body } = icon;
  const spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
  return { kind: "svg", text: `<svg ${spaces} viewBox="${left} ${top} ${width} ${height}">${body}</svg>` };
}

function readFiles(directory: string): Icon[] {
  const files = readdirSync(directory).sort();
  return files.map((file) => {
    const name = file.replace(/\.[^.]+$/, "");
    return { name, hexcodes: [name], drawing: { kind: "file", path: join(directory, file) } };
  });
}
