import sharp from "sharp";
import type { Drawing } from "./icons.ts";

/** Renders a drawing as a PNG of size x size RGB pixels on white; the drawing keeps its shape. */
export async function renderPng(drawing: Drawing, size: number): Promise<Buffer> {
  // The SVG's own size, so that librsvg draws at the final resolution and nothing is resampled.
  const input = drawing.kind === "file" ? drawing.path : Buffer.from(sized(drawing.text, size));
  return sharp(input, { failOn: "error" })
    .resize(size, size, { fit: "contain", background: "#ffffff" })
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .png({ compressionLevel: 6 })
    .toBuffer();
}

function sized(svg: string, size: number): string {
  return svg.replace("<svg ", `<svg width="${size}" height="${size}" `);
}

/**
 * Maps with at most `limit` calls under way and yields in the order of the items. sharp works in libuv's threads, so
 * some calls in flight keep all cores busy without worker threads.
 */
export async function* inFlight<In, Out>(
  items: readonly In[],
  { limit, map }: { limit: number; map: (item: In) => Promise<Out> },
): AsyncGenerator<Out> {
  const window: Promise<Out>[] = [];
  let next = 0;
  for (let done = 0; done < items.length; done++) {
    while (next < items.length && window.length < limit) {
      const result = map(items[next++]!);
      // A later call may fail while an earlier one is awaited: its turn to be reported comes.
      result.catch(() => undefined);
      window.push(result);
    }
    yield await window.shift()!;
  }
}
