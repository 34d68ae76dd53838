import { createHash } from "node:crypto";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  arange,
  type DType,
  dtypes,
  full,
  liveTensors,
  ones,
  readSafetensors,
  resetPeakMemory,
  scope,
  type Tensor,
  tensorMemory,
  writeSafetensors,
  zeros,
} from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = join(import.meta.dirname, "fixtures", "python.safetensors");
let count = 0;
const fresh = (): string => join(folder, `${count++}.safetensors`);

/** A file with this header and so many bytes of data. */
function fileOf(header: string | Buffer, dataBytes = 0, headerLength = Buffer.byteLength(header)): string {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(headerLength));
  const path = fresh();
  writeFileSync(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]));
  return path;
}

/** What reading fails with; one line that begins with the path. */
function refusal(path: string): string {
  try {
    readSafetensors(path);
  } catch (error) {
    const { message } = error as Error;
    expect(message.startsWith(`${path}: `) && !message.includes("\n"), message).toBe(true);
    return message.slice(path.length + 2);
  }
  return "accepted";
}

test("a file that the Python package wrote is read", () => {
  const { tensors, metadata } = readSafetensors(fixture);
  expect(metadata).toEqual({ "made by": "safetensors 0.8.0" });
  const found = Object.fromEntries(
    [...tensors].map(([name, t]) => [name, [t.dtype, t.shape, Array.from(t.data(), Number)]]),
  );
  expect(found).toEqual({
    f32: ["float32", [1, 3], [1.5, -2, 3.25]],
    f64: ["float64", [1], [1e300]],
    f16: ["float16", [1], [0x3800]], // 0.5: exponent 14 of bias 15
    bf16: ["bfloat16", [2], [0x3f80, 0xc040]], // the upper halves of 1 and -3 in float32
    i64: ["int64", [2], [2 ** 53 - 1, -1]],
    i32: ["int32", [], [-7]],
    i16: ["int16", [1], [300]],
    i8: ["int8", [1], [-128]],
    u8: ["uint8", [3], [255, 0, 7]],
    bool: ["bool", [2, 1], [1, 0]],
    empty: ["float32", [0, 3], []],
  });
});

test("every element type and shape comes back as it was written", async () => {
  const path = fresh();
  const tensors = new Map<string, Tensor>();
  for (const dtype of Object.keys(dtypes) as DType[])
    for (const shape of [[], [1], [0], [3], [2, 3], [2, 0, 3]])
      tensors.set(
        `${dtype}.${shape.join("x")}`,
        arange(shape.reduce((a, b) => a * b, 1))
          .to(dtype)
          .view(shape),
      );
  tensors.set("turned", arange(6).view([2, 3]).t());
  tensors.set("spread", full([1], 2.5).expand([4]));
  await writeSafetensors(path, tensors);
  const back = readSafetensors(path).tensors;
  expect([...back.keys()].sort()).toEqual([...tensors.keys()].sort());
  for (const [name, t] of tensors) {
    expect([back.get(name)!.dtype, back.get(name)!.shape]).toEqual([t.dtype, t.shape]);
    expect(back.get(name)!.data()).toEqual(t.data());
  }
  expect(back.get("turned")!.toArray()).toEqual([0, 3, 1, 4, 2, 5]);
});

test("any name and metadata come back, from a path with any characters", async () => {
  const path = join(folder, "größe 猫 'x' \u{1f408}.safetensors");
  const names = ["", " ", "__proto__", "constructor", "10", "2", 'quo"te\\', "a:b{,}[", "new\nline", "猫"];
  await writeSafetensors(path, new Map(names.map((name, i) => [name, full([1], i)])), { "k:1": 'v"{\\', leer: "" });
  const { tensors, metadata } = readSafetensors(path);
  expect(metadata).toEqual({ "k:1": 'v"{\\', leer: "" });
  expect(names.map((name) => tensors.get(name)?.item())).toEqual(names.map((_, i) => i));
});

test.each([
  ["a turned matrix", () => arange(600_000).view([600, 1000]).t()],
  ["rows larger than a part", () => arange(1_400_000).view([1000, 2, 700]).permute([1, 2, 0])],
  [
    "channels last",
    () =>
      arange(3 * 5 * 300 * 100)
        .view([3, 300, 100, 5])
        .permute([0, 3, 1, 2]),
  ],
  ["one row of a large array", () => arange(2_000_000).view([2, 1_000_000]).narrow(0, 1, 1)],
  ["whole numbers", () => arange(500_000, { dtype: "int64" })],
] as const)("%s comes back as it was written, and no more than parts of it are copied", async (_, make) => {
  const [path, x] = [fresh(), scope(make)];
  const live = liveTensors();
  resetPeakMemory();
  const { used } = tensorMemory();
  const { arrayBuffers } = process.memoryUsage();
  const hash = await writeSafetensors(path, new Map([["x", x]]));
  expect(tensorMemory().peak - used).toBeLessThan(2.2e6);
  expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(2.2e6);
  expect(liveTensors()).toBeLessThanOrEqual(live); // what other tests left may be collected meanwhile
  expect(hash).toBe(createHash("sha256").update(readFileSync(path)).digest("hex"));
  expect(scope(() => readSafetensors(path).tensors.get("x")!.ne(x).any().item())).toBe(0);
});

test("a file without tensors is read", async () => {
  const path = fresh();
  await writeSafetensors(path, new Map());
  expect(readSafetensors(path)).toEqual({ tensors: new Map(), metadata: {} });
});

test("data that is not aligned to its elements is read", () => {
  const header =
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}';
  const path = fileOf(header.padEnd(112), 0);
  writeFileSync(path, Buffer.from([9, 0, 0, 128, 63]), { flag: "a" });
  const { tensors } = readSafetensors(path);
  expect([tensors.get("a")!.item(), tensors.get("b")!.item()]).toEqual([9, 1]);
});

test("tensors of a file are private, and outlive its replacement", async () => {
  const path = fresh();
  await writeSafetensors(path, new Map([["x", ones([1024, 1024])]]));
  const { tensors } = readSafetensors(path);
  await writeSafetensors(path, new Map([["x", zeros([3])]]));
  const x = tensors.get("x")!.mul_(2);
  expect(x.sum().item()).toBe(2 * 1024 * 1024);
  expect(readSafetensors(path).tensors.get("x")!.toArray()).toEqual([0, 0, 0]);
});

test("writing that fails leaves the old file and no other", async () => {
  const path = join(mkdtempSync(join(folder, "w-")), "x.safetensors");
  await writeSafetensors(path, new Map([["x", ones([1])]]));
  const freed = ones([1]);
  freed.free();
  const good = ones([1024, 1024]); // more than one part
  const first = new Map([
    ["x", good],
    ["y", freed],
  ]);
  await expect(writeSafetensors(path, first)).rejects.toThrow("the tensor was freed");
  const reserved = new Map([["__metadata__", ones([1])]]);
  await expect(writeSafetensors(path, reserved)).rejects.toThrow("cannot be named __metadata__");
  expect(readSafetensors(path).tensors.get("x")!.item()).toBe(1);
  expect(readdirSync(join(path, ".."))).toEqual(["x.safetensors"]);
});

test("reading makes no tensor beside those it gives", () => {
  const before = liveTensors();
  scope(() => {
    const { tensors } = readSafetensors(fixture);
    expect(liveTensors() - before).toBe(tensors.size);
  });
  expect(liveTensors()).toBe(before);
});

test("a file cut off anywhere is refused", () => {
  const bytes = readFileSync(fixture);
  const path = fresh();
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(path, bytes.subarray(0, length));
    expect(refusal(path), `at ${length} bytes`).not.toBe("accepted");
  }
  writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(1)]));
  expect(refusal(path)).toBe(`the tensors need 54 bytes of data, the file holds 55`);
});

const entry = (fields: string): string => `{"a":{${fields}}}`;
const lies: readonly [what: string, file: () => string, message: string | RegExp][] = [
  ["a header of 2^63 bytes", () => withLength(2n ** 63n), /the header says it has 9223372036854775808 bytes/],
  [
    "a header of all the file and one more",
    () => fileOf("{}", 0, 3),
    "the header says it has 3 bytes, the file has 2 after its first 8",
  ],
  ["an empty header", () => fileOf(""), "the safetensors header is not valid JSON"],
  ["half a JSON", () => fileOf('{"a":'), "the safetensors header is not valid JSON"],
  [
    "bytes that are not UTF-8",
    () => fileOf(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    "the safetensors header is not valid JSON",
  ],
  ["an array", () => fileOf("[]"), "the safetensors header is not a JSON object"],
  ["null", () => fileOf("null"), "the safetensors header is not a JSON object"],
  ["a blank before the object", () => fileOf(" {}"), "the safetensors header is not a JSON object"],
  ["deep JSON", () => fileOf("[".repeat(200_000) + "]".repeat(200_000)), /JSON/],
  [
    "deep JSON in a shape",
    () => fileOf(entry(`"dtype":"F32","shape":${"[".repeat(5000)}${"]".repeat(5000)},"data_offsets":[0,4]`), 4),
    'tensor "a" has no valid shape',
  ],
  [
    "deep JSON as element type",
    () => fileOf(entry(`"dtype":${"[".repeat(50_000)}${"]".repeat(50_000)},"shape":[],"data_offsets":[0,4]`), 4),
    'tensor "a" has no valid dtype',
  ],
  ["an entry that is a number", () => fileOf('{"a":4}'), 'tensor "a" has no valid dtype'],
  [
    "an unknown element type",
    () => fileOf(entry('"dtype":"F3","shape":[1],"data_offsets":[0,4]'), 4),
    'tensor "a" has the element type "F3", which is not supported',
  ],
  [
    "a negative size",
    () => fileOf(entry('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'), 4),
    'tensor "a" has no valid shape',
  ],
  [
    "a fractional size",
    () => fileOf(entry('"dtype":"U8","shape":[1.5],"data_offsets":[0,1]'), 1),
    'tensor "a" has no valid shape',
  ],
  [
    "sizes whose product overflows",
    () => fileOf(entry('"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]')),
    /tensor "a" needs \S+ bytes, its data_offsets give 0/,
  ],
  [
    "offsets before the data",
    () => fileOf(entry('"dtype":"U8","shape":[2],"data_offsets":[-1,1]'), 1),
    'tensor "a" has no valid data_offsets',
  ],
  [
    "offsets that are turned round",
    () => fileOf(entry('"dtype":"U8","shape":[1],"data_offsets":[1,0]'), 1),
    'tensor "a" has no valid data_offsets',
  ],
  [
    "fractional offsets",
    () => fileOf(entry('"dtype":"U8","shape":[1],"data_offsets":[0.5,1.5]'), 2),
    'tensor "a" has no valid data_offsets',
  ],
  [
    "three offsets",
    () => fileOf(entry('"dtype":"U8","shape":[1],"data_offsets":[0,1,1]'), 1),
    'tensor "a" has no valid data_offsets',
  ],
  [
    "text as offsets",
    () => fileOf(entry('"dtype":"U8","shape":[1],"data_offsets":["0","1"]'), 1),
    'tensor "a" has no valid data_offsets',
  ],
  [
    "offsets past the file",
    () => fileOf(entry('"dtype":"U8","shape":[9],"data_offsets":[0,9]'), 8),
    "the tensors need 9 bytes of data, the file holds 8",
  ],
  [
    "offsets past the file by far",
    () => fileOf(entry('"dtype":"U8","shape":[1],"data_offsets":[9007199254740990,9007199254740991]'), 1),
    /begins at 9007199254740990, expected 0/,
  ],
  [
    "a shape too small for its offsets",
    () => fileOf(entry('"dtype":"F32","shape":[1],"data_offsets":[0,8]'), 8),
    'tensor "a" needs 4 bytes, its data_offsets give 8',
  ],
  ["an overlap", () => fileOf(two([0, 4], [2, 6]), 6), 'tensor "b" begins at 2, expected 4'],
  ["a hole", () => fileOf(two([0, 4], [5, 9]), 9), 'tensor "b" begins at 5, expected 4'],
  [
    "two tensors of one name",
    () => fileOf(two([0, 4], [4, 8]).replace('"b"', '"a"'), 8),
    "the safetensors header names the same key twice",
  ],
  [
    "two tensors of one name and place",
    () => fileOf(two([0, 4], [0, 4]).replace('"b"', '"a"'), 4),
    "the safetensors header names the same key twice",
  ],
  ["a name with a line break", () => fileOf('{"a\\nb":{}}'), 'tensor "a\\nb" has no valid dtype'],
  [
    "two shapes",
    () => fileOf(entry('"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]'), 1),
    "the safetensors header names the same key twice",
  ],
  [
    "metadata that is a list",
    () => fileOf('{"__metadata__":["x"]}'),
    "__metadata__ of the safetensors header is not an object of strings",
  ],
  [
    "metadata that is null",
    () => fileOf('{"__metadata__":null}'),
    "__metadata__ of the safetensors header is not an object of strings",
  ],
  [
    "metadata with a number",
    () => fileOf('{"__metadata__":{"x":1}}'),
    "__metadata__ of the safetensors header is not an object of strings",
  ],
];

function withLength(length: bigint): string {
  const path = fileOf("{}", 100);
  const bytes = readFileSync(path);
  bytes.writeBigUInt64LE(length);
  writeFileSync(path, bytes);
  return path;
}

function two(a: readonly number[], b: readonly number[]): string {
  const of = (offsets: readonly number[]): unknown => ({ dtype: "U8", shape: [4], data_offsets: offsets });
  return JSON.stringify({ a: of(a), b: of(b) });
}

test.each(lies)("%s is refused", (_, file, message) => {
  const refused = refusal(file());
  if (typeof message === "string") expect(refused).toBe(message);
  else expect(refused).toMatch(message);
});

test("a huge size beside a zero is an empty tensor or an error, never a crash", () => {
  const path = fileOf(entry('"dtype":"U8","shape":[4503599627370496,4503599627370496,0],"data_offsets":[0,0]'));
  try {
    expect(readSafetensors(path).tensors.get("a")!.numel).toBe(0);
  } catch (error) {
    expect((error as Error).message).not.toContain("\n");
  }
});

test("no flipped bit makes it read out of bounds", () => {
  const bytes = readFileSync(fixture);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const path = fresh();
  let accepted = 0;
  for (let bit = 0; bit < (8 + headerBytes) * 8; bit += 5) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    writeFileSync(path, flipped);
    const reading = (): void =>
      scope(() => {
        for (const [name, t] of readSafetensors(path).tensors) expect(t.data().length, name).toBe(t.numel);
        accepted++;
      });
    try {
      reading();
    } catch (error) {
      expect((error as Error).message).toMatch(/^[^\n]+$/);
    }
  }
  // A flip inside a name or the metadata leaves a good file.
  expect(accepted).toBeGreaterThan(0);
});

test("a file larger than 2 GiB is mapped, not read", () => {
  const bytes = 3 * 2 ** 30;
  const zeros = `{"dtype":"U8","shape":[${bytes}],"data_offsets":[0,${bytes}]}`;
  const last = `{"dtype":"F32","shape":[2],"data_offsets":[${bytes},${bytes + 8}]}`;
  const header = `{"zeros":${zeros},"last":${last}}`.padEnd(256);
  const path = fileOf(header);
  truncateSync(path, 8 + header.length + bytes + 8); // sparse: takes no room on disk
  const file = openSync(path, "r+");
  writeSync(file, new Float32Array([0, 7]), 0, 8, 8 + header.length + bytes);
  closeSync(file);
  const { tensors } = readSafetensors(path);
  expect(tensors.get("last")!.toArray()).toEqual([0, 7]);
  expect(
    scope(() =>
      tensors
        .get("zeros")!
        .narrow(0, bytes - 3, 3)
        .toArray(),
    ),
  ).toEqual([0, 0, 0]);
});

test("a file that is not there is an error that names it", () => {
  expect(() => readSafetensors(join(folder, "none"))).toThrow(/ENOENT.*none/);
});
