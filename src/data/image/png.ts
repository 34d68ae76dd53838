// A decoder for the plain kinds of PNG (W3C PNG, third edition): 8 bits a channel, not interlaced. A picture of 72 x 72 takes some 60 us
// of CPU time here, and more than 500 us through libvips, most of it for the call. The other kinds go through libvips: see decode.ts.
import { crc32, inflateSync } from "node:zlib";
import { PictureError, type Pixels } from "./pixels.ts";

/** Channels in the file by PNG's colour type. */
const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

interface Chunks {
  width: number;
  height: number;
  colorType: number;
  palette: Uint8Array | undefined;
  compressed: Buffer;
}

/**
 * The picture in a PNG file, as PIL's convert("RGB") gives it: transparency is dropped, not blended; grey becomes three equal channels.
 * Returns undefined for a PNG of another kind (16 bits, fewer than 8 bits, interlaced).
 * Throws PictureError when the file is damaged or has more than `maxPixels` pixels.
 */
export function decodePng(file: Buffer, options: { maxPixels: number }): Pixels | undefined {
  const header = readHeader(file);
  const { width, height, bitDepth, colorType, interlace } = header;
  if (width * height > options.maxPixels) {
    throw new PictureError(`has ${width} x ${height} pixels, more than the ${options.maxPixels} allowed`);
  }
  const channels = channelsOf[colorType];
  if (bitDepth !== 8 || interlace !== 0 || channels === undefined) return undefined;
  const { palette, compressed } = readChunks(file, { width, height, colorType });
  const rowSize = width * channels;
  const size = height * (rowSize + 1);
  const raw = inflate(compressed, size);
  if (raw.length !== size) throw new PictureError(`holds ${raw.length} bytes of pixels where ${size} are expected`);
  unfilter(raw, { height, rowSize, channels });
  return { width, height, data: toRgb(raw, { width, height, channels, palette }) };
}

/** At most `size` bytes. */
function inflate(compressed: Buffer, size: number): Buffer {
  try {
    // One chunk as large as the result: zlib allocates once, and a bomb stops there.
    return inflateSync(compressed, { chunkSize: Math.max(64, size + 1), maxOutputLength: size });
  } catch (error) {
    throw new PictureError(`cannot be decompressed: ${(error as Error).message}`);
  }
}

function readHeader(file: Buffer): {
  width: number;
  height: number;
  bitDepth: number;
  colorType: number;
  interlace: number;
} {
  if (file.length < 33 || file.toString("latin1", 12, 16) !== "IHDR")
    throw new PictureError("is cut off inside its header");
  const width = file.readUInt32BE(16);
  const height = file.readUInt32BE(20);
  if (width === 0 || height === 0) throw new PictureError(`has ${width} x ${height} pixels`);
  return { width, height, bitDepth: file[24]!, colorType: file[25]!, interlace: file[28]! };
}

function readChunks(file: Buffer, header: Pick<Chunks, "width" | "height" | "colorType">): Chunks {
  const parts: Buffer[] = [];
  let palette: Uint8Array | undefined;
  for (let offset = 8; ; ) {
    if (offset + 12 > file.length) throw new PictureError(`is cut off at byte ${file.length}`);
    const length = file.readUInt32BE(offset);
    const end = offset + 12 + length;
    if (end > file.length) throw new PictureError(`is cut off at byte ${file.length}`);
    const type = file.toString("latin1", offset + 4, offset + 8);
    const critical = (file[offset + 4]! & 0x20) === 0;
    if (critical && crc32(file.subarray(offset + 4, end - 4)) !== file.readUInt32BE(end - 4)) {
      throw new PictureError(`has a damaged ${type} chunk at byte ${offset}`);
    }
    const data = file.subarray(offset + 8, end - 4);
    if (type === "IDAT") parts.push(data);
    else if (type === "PLTE") palette = data;
    else if (type === "IEND") break;
    else if (critical && type !== "IHDR") throw new PictureError(`has an unknown chunk ${type} at byte ${offset}`);
    offset = end;
  }
  if (header.colorType === 3 && !palette) throw new PictureError("has no palette");
  return { ...header, palette, compressed: parts.length === 1 ? parts[0]! : Buffer.concat(parts) };
}

/** Undoes PNG's row filters in place. A row is a filter number and `rowSize` bytes. */
function unfilter(raw: Uint8Array, shape: { height: number; rowSize: number; channels: number }): void {
  const { height, rowSize, channels } = shape;
  const stride = rowSize + 1;
  for (let y = 0; y < height; y++) {
    const row = y * stride + 1;
    const filter = raw[row - 1]!;
    // Above the first row everything is zero, which turns Up into None, and Paeth into Sub.
    const first = y === 0;
    if (filter === 1 || (filter === 4 && first)) addLeft(raw, row, { rowSize, channels });
    else if (filter === 2) {
      if (!first) for (let x = row; x < row + rowSize; x++) raw[x] = raw[x]! + raw[x - stride]!;
    } else if (filter === 3) addAverage(raw, row, { rowSize, channels, stride: first ? 0 : stride });
    else if (filter === 4) addPaeth(raw, row, { rowSize, channels, stride });
    else if (filter !== 0) throw new PictureError(`has an unknown filter ${filter} in row ${y}`);
  }
}

interface Row {
  rowSize: number;
  channels: number;
}

function addLeft(raw: Uint8Array, row: number, { rowSize, channels }: Row): void {
  for (let x = row + channels; x < row + rowSize; x++) raw[x] = raw[x]! + raw[x - channels]!;
}

/** A stride of 0 says that there is no row above. */
function addAverage(raw: Uint8Array, row: number, { rowSize, channels, stride }: Row & { stride: number }): void {
  for (let x = row; x < row + rowSize; x++) {
    const left = x >= row + channels ? raw[x - channels]! : 0;
    const above = stride > 0 ? raw[x - stride]! : 0;
    raw[x] = raw[x]! + ((left + above) >> 1);
  }
}

function addPaeth(raw: Uint8Array, row: number, { rowSize, channels, stride }: Row & { stride: number }): void {
  for (let x = row; x < row + channels; x++) raw[x] = raw[x]! + raw[x - stride]!;
  for (let x = row + channels; x < row + rowSize; x++) {
    const left = raw[x - channels]!;
    const above = raw[x - stride]!;
    const corner = raw[x - stride - channels]!;
    const toLeft = Math.abs(above - corner);
    const toAbove = Math.abs(left - corner);
    const toCorner = Math.abs(left + above - 2 * corner);
    const nearest = toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner;
    raw[x] = raw[x]! + nearest;
  }
}

function toRgb(
  raw: Uint8Array,
  shape: { width: number; height: number; channels: number; palette: Uint8Array | undefined },
): Uint8Array {
  const { width, height, channels, palette } = shape;
  const data = new Uint8Array(width * height * 3);
  const stride = width * channels + 1;
  const colors = palette ? palette.length / 3 : 0;
  // Grey and grey with alpha repeat their one channel; colour takes the three in turn.
  const step = channels < 3 ? 0 : 1;
  for (let y = 0, to = 0; y < height; y++) {
    let from = y * stride + 1;
    for (let x = 0; x < width; x++, to += 3, from += channels) {
      if (palette && channels === 1) {
        const color = raw[from]!;
        if (color >= colors) throw new PictureError(`uses colour ${color} of a palette of ${colors}`);
        data[to] = palette[3 * color]!;
        data[to + 1] = palette[3 * color + 1]!;
        data[to + 2] = palette[3 * color + 2]!;
      } else {
        data[to] = raw[from]!;
        data[to + 1] = raw[from + step]!;
        data[to + 2] = raw[from + 2 * step]!;
      }
    }
  }
  return data;
}
