import sharp from "sharp";
import { type Html, html, verbatim } from "../../telemetry/report/html.ts";
import type { Pixels } from "../image/pixels.ts";
import type { Card, Sheet } from "./sheet.ts";
import { cardsAcross, cutNote, enlargement, heading } from "./words.ts";

const style = verbatim(`
  :root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
  body { margin: 1.5rem; }
  main { display: grid; gap: 1.25rem; justify-content: start; }
  figure { margin: 0; }
  img { image-rendering: pixelated; margin-right: 2px; vertical-align: top; }
  figcaption { overflow-wrap: anywhere; }
  small { color: GrayText; display: block; }
`);

/** The sheet as one page that needs no other file. */
export async function sheetHtml(sheet: Sheet): Promise<string> {
  const side = sheet.size * enlargement(sheet.size);
  const width = sheet.augmentations * (side + 2);
  const columns = `grid-template-columns: repeat(${cardsAcross(sheet)}, ${width}px)`;
  const figures = await Promise.all(sheet.cards.map((card) => figure(card, { sheet, side })));
  return `${
    html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${heading(sheet)}</title>
<style>${style}</style>
<h1>${heading(sheet)}</h1>
<p>Pictures as the model gets them, captions as it reads them.</p>
<main style="${columns}">
${figures}</main>
</html>`.text
  }\n`;
}

async function figure(card: Card, { sheet, side }: { sheet: Sheet; side: number }): Promise<Html> {
  const images = await Promise.all(card.pictures.map(pngUri));
  const note = cutNote(card, sheet);
  return html`<figure>${images.map((uri) => html`<img src="${uri}" width="${side}" height="${side}" alt="">`)}
<figcaption>${card.caption}${note === undefined ? "" : html` <small>${note}</small>`}
<small>${card.key}</small><small>${card.shard}</small></figcaption></figure>
`;
}

async function pngUri({ width, height, data }: Pixels): Promise<string> {
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}
