// The 512-byte header of a tar entry: ustar (POSIX.1-1988) with the pax (POSIX.1-2001) and GNU extensions.

export const blockSize = 512;

const decoder = new TextDecoder();

export interface TarHeader {
  readonly name: string;
  readonly size: number;
  /** The type flag: "0" file, "5" folder, "x" pax header, "L" GNU long name, ... */
  readonly type: string;
}

/** The header in this block; undefined when it is none: a wrong checksum, or a size that is not a number. */
export function parseHeader(block: Uint8Array): TarHeader | undefined {
  if (!checksumHolds(block)) return undefined;
  const size = parseNumber(block.subarray(124, 136));
  if (size === undefined) return undefined;
  const flag = block[156]!;
  const name = parseText(block.subarray(0, 100));
  // Only the POSIX magic has a prefix field; GNU's ("ustar" and two spaces) keeps times there.
  const prefix = hasMagic(block) && block[262] === 0 ? parseText(block.subarray(345, 500)) : "";
  return {
    name: prefix ? `${prefix}/${name}` : name,
    size,
    type: flag === 0 ? "0" : String.fromCharCode(flag),
  };
}

/** Whether the block says "ustar" where both POSIX and GNU headers do. */
export function hasMagic(block: Uint8Array): boolean {
  return parseText(block.subarray(257, 262)) === "ustar";
}

export function isZero(block: Uint8Array): boolean {
  // The name comes first, so the first byte nearly always decides.
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/** Text up to the first zero byte. */
export function parseText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The records of a pax header, `LENGTH KEY=VALUE\n` each; undefined when they are damaged. */
export function parsePax(bytes: Uint8Array): Map<string, string> | undefined {
  const records = new Map<string, string>();
  let start = 0;
  while (start < bytes.length && bytes[start] !== 0) {
    const space = bytes.indexOf(32, start);
    const length = Number(decoder.decode(bytes.subarray(start, Math.max(start, space))));
    const end = start + length;
    const equals = bytes.indexOf(61, space);
    if (!Number.isInteger(length) || end > bytes.length || equals < 0 || equals >= end) return undefined;
    if (space < start || bytes[end - 1] !== 10) return undefined;
    records.set(decoder.decode(bytes.subarray(space + 1, equals)), decoder.decode(bytes.subarray(equals + 1, end - 1)));
    start = end;
  }
  return records;
}

function checksumHolds(block: Uint8Array): boolean {
  const expected = parseNumber(block.subarray(148, 156));
  // The checksum's own field counts as eight spaces.
  let unsigned = 8 * 32;
  let high = 0;
  for (let i = 0; i < blockSize; i++) {
    if (i === 148) i = 156;
    const byte = block[i]!;
    unsigned += byte;
    if (byte > 127) high++;
  }
  // Some old writers summed signed characters.
  return expected === unsigned || expected === unsigned - 256 * high;
}

/** Octal digits, or (GNU) a big-endian binary number behind a byte with its top bit set. */
function parseNumber(field: Uint8Array): number | undefined {
  if (field[0]! >= 0x80) {
    // 0xff starts a negative number, which no size is.
    const value = field.reduce((sum, byte, i) => sum * 256 + (i === 0 ? byte & 0x7f : byte), 0);
    return field[0] === 0x80 && Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = parseText(field).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : undefined;
}
