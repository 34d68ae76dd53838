import sharp, { type OverlayOptions } from "sharp";
import { printable } from "../../telemetry/format.ts";
import { type Html, html } from "../../telemetry/report/html.ts";
import type { Pixels } from "../image/pixels.ts";
import type { Card, Sheet } from "./sheet.ts";
import { cardsAcross, cutNote, enlargement, heading } from "./words.ts";
import { wrapText } from "./wrap.ts";

const margin = 16;
/** Between the pictures of one sample. */
const gap = 2;
const fontSize = 12;
const lineHeight = 15;
/** Width of a letter of that size, on average with room to spare. */
const letterWidth = 7;
/** Larger pictures than this to a side cannot be drawn at once. */
const largestSide = 16_383;

/** A sample's place on the sheet and what is written under it. */
interface Placed {
  readonly card: Card;
  readonly left: number;
  readonly top: number;
  readonly lines: readonly Line[];
}

interface Line {
  readonly text: string;
  readonly color: string;
}

/** The sheet as a PNG file. Throws when it would be too large for one. */
export async function sheetPng(sheet: Sheet): Promise<Buffer> {
  const side = sheet.size * enlargement(sheet.size);
  const { placed, width, height } = layOut(sheet, side);
  if (Math.max(width, height) > largestSide)
    throw new Error(
      `the sheet would have ${width} x ${height} pixels, and a PNG may have ${largestSide} to a side: fewer samples (--count) or .html`,
    );
  const texts: OverlayOptions = { input: Buffer.from(textLayer(sheet, { placed, width, height, side }).text) };
  const tiles = await Promise.all(placed.flatMap((one) => tilesOf(one, side)));
  return sharp({ create: { width, height, channels: 3, background: "white" } })
    .composite([...tiles, texts])
    .removeAlpha()
    .png()
    .toBuffer();
}

function layOut(sheet: Sheet, side: number): { placed: Placed[]; width: number; height: number } {
  const across = cardsAcross(sheet);
  const cardWidth = sheet.augmentations * (side + gap) - gap;
  const placed: Placed[] = [];
  let top = 2 * margin + lineHeight;
  for (let start = 0; start < sheet.cards.length; start += across) {
    const row = sheet.cards.slice(start, start + across).map((card, column) => ({
      card,
      left: margin + column * (cardWidth + margin),
      top,
      lines: linesOf(card, { sheet, columns: Math.floor(cardWidth / letterWidth) }),
    }));
    placed.push(...row);
    top += side + margin + lineHeight * Math.max(...row.map(({ lines }) => lines.length));
  }
  const words = 2 * margin + letterWidth * heading(sheet).length;
  return { placed, width: Math.max(words, margin + across * (cardWidth + margin)), height: top };
}

function linesOf(card: Card, { sheet, columns }: { sheet: Sheet; columns: number }): Line[] {
  const lines = (text: string, color: string): Line[] => wrapText(text, columns).map((line) => ({ text: line, color }));
  return [
    ...lines(card.caption, "#000"),
    ...lines(cutNote(card, sheet) ?? "", "#b00"),
    ...lines(card.key, "#777"),
    ...lines(card.shard, "#777"),
  ];
}

async function drawn({ width, height, data }: Pixels, side: number): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize(side, side, { kernel: "nearest" })
    .png()
    .toBuffer();
}

function tilesOf({ card, left, top }: Placed, side: number): Promise<OverlayOptions>[] {
  return card.pictures.map(async (pixels, i) => ({
    input: await drawn(pixels, side),
    left: left + i * (side + gap),
    top,
  }));
}

function textLayer(
  sheet: Sheet,
  { placed, width, height, side }: { placed: readonly Placed[]; width: number; height: number; side: number },
): Html {
  const under = placed.flatMap(({ left, top, lines }) =>
    lines.map((line, i) => textAt(line, { left, top: top + side + (i + 1) * lineHeight })),
  );
  const head = textAt({ text: heading(sheet), color: "#000" }, { left: margin, top: margin + fontSize });
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"
 font-family="sans-serif" font-size="${fontSize}">${head}${under}</svg>`;
}

function textAt({ text, color }: Line, { left, top }: { left: number; top: number }): Html {
  return html`<text x="${left}" y="${top}" fill="${color}">${xmlText(text)}</text>`;
}

/** Without the characters that XML cannot hold, escaped or not. */
function xmlText(text: string): string {
  return printable(text).replace(/[\uFFFE\uFFFF]/g, "\uFFFD");
}
