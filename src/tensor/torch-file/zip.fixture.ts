// Zip files for tests, laid out as torch.save does it, or wrong in a way that the test chooses.
import { crc32 } from "node:zlib";

export interface ZipOptions {
  /** Zeros in place of checksums, as torch.save writes them when it is told to. */
  readonly unchecked?: boolean;
  /** Method of compression that every entry claims; 0 is none. */
  readonly method?: number;
}

/** A zip file with these entries, in their order. */
export function zipOf(entries: Readonly<Record<string, Buffer | string>>, options: ZipOptions = {}): Buffer {
  const { unchecked = false, method = 0 } = options;
  const [locals, list]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const [title, data] = [Buffer.from(name), Buffer.from(content as string, "latin1")];
    const crc = unchecked ? 0 : crc32(data);
    // Version, flags, method, time; checksum, both sizes; lengths of name and extra field: in both headers the same.
    const about = Buffer.concat([
      numbers([0, 2], [0, 2], [method, 2], [0, 4]),
      numbers([crc, 4], [data.length, 4], [data.length, 4], [title.length, 2], [0, 2]),
    ]);
    const local = Buffer.concat([numbers([0x04034b50, 4]), about, title, data]);
    list.push(Buffer.concat([numbers([0x02014b50, 4], [0, 2]), about, numbers([0, 2], [0, 8], [offset, 4]), title]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(list);
  const count = list.length;
  const end = numbers([0x06054b50, 4], [0, 4], [count, 2], [count, 2], [directory.length, 4], [offset, 4], [0, 2]);
  return Buffer.concat([...locals, directory, end]);
}

/** Little-endian numbers, each in so many bytes. */
export function numbers(...fields: readonly (readonly [value: number, bytes: number])[]): Buffer {
  return Buffer.concat(
    fields.map(([value, bytes]) => {
      const field = Buffer.alloc(Math.max(8, bytes));
      field.writeBigUInt64LE(BigInt(value));
      return field.subarray(0, bytes);
    }),
  );
}
