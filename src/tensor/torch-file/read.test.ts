import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { isTorchFile, liveTensors, readTorchFile, scope, type Tensor } from "../index.ts";
import { numbers, zipOf } from "./zip.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "torch-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name);

let count = 0;
function fileOf(bytes: Buffer): string {
  const path = join(folder, `${count++}.pt`);
  writeFileSync(path, bytes);
  return path;
}

/** A file of torch.save with this pickle (behind its protocol, before its end) and one storage of eight bytes. */
const withPickle = (pickle: string): string =>
  fileOf(zipOf({ "x/data.pkl": `\x80\x02${pickle}.`, "x/byteorder": "little", "x/data/0": "\0\0\x80\x3f\0\0\0\x40" }));

/** What reading fails with; one line that begins with the path. */
function refusal(path: string): string {
  try {
    readTorchFile(path);
  } catch (error) {
    const { message, name } = error as Error;
    expect(name === "Error" && message.startsWith(`${path}: `) && !message.includes("\n"), message).toBe(true);
    return message.slice(path.length + 2);
  }
  return "accepted";
}

const values = (tensor: Tensor): number[] => scope(() => tensor.to("float32").toArray());

test("every element type and layout that torch.save wrote is read", () => {
  const tensors = readTorchFile(fixture("types.pt"));
  const found = Object.fromEntries([...tensors].map(([name, t]) => [name, [t.dtype, t.shape, values(t)]]));
  const names = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"];
  expect(found).toEqual({
    ...Object.fromEntries(names.map((name) => [name, [name, [3], [1, 0, 3]]])),
    bool: ["bool", [2], [1, 0]],
    scalar: ["float32", [], [2.5]],
    empty: ["float32", [0, 3], []],
    whole: ["float32", [12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
    slice: ["float32", [2], [3, 4]],
    turned: ["float32", [4, 3], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]],
    spread: ["float32", [3], [0, 0, 0]],
    parameter: ["float32", [1], [6]],
    noted: ["float32", [1], [7]],
    "noted parameter": ["float32", [1], [8]],
  });
});

test("tensors that share a storage share it still, and the file stays as it is", () => {
  const before = readFileSync(fixture("types.pt"));
  const tensors = readTorchFile(fixture("types.pt"));
  tensors.get("slice")!.fill_(-1);
  expect(values(tensors.get("whole")!).slice(2, 6)).toEqual([2, -1, -1, 5]);
  expect(tensors.get("turned")!.strides).toEqual([1, 4]);
  expect(readFileSync(fixture("types.pt"))).toEqual(before);
});

test("of a checkpoint of training the state dict is taken, and nothing else is read", () => {
  const tensors = readTorchFile(fixture("epoch_1.pt"));
  expect(tensors.size).toBe(38);
  expect([...tensors.keys()].every((name) => name.startsWith("module."))).toBe(true);
  // The storages lie in the order of the pickle: those of the state dict, then the optimizer's moments.
  const bytes = readFileSync(fixture("epoch_1.pt"));
  const at = (name: string): number => bytes.indexOf(name) + 100;
  const changed = (offset: number): string => {
    const copy = Buffer.from(bytes);
    copy[offset]! ^= 1;
    return fileOf(copy);
  };
  expect(refusal(changed(at("epoch_1/data/11")))).toBe('the entry "epoch_1/data/11" is damaged: its checksum differs');
  expect(readTorchFile(changed(at("epoch_1/data/41"))).size).toBe(38);
});

test("a TorchScript archive gives its parameters and buffers, its code unread", () => {
  const tensors = readTorchFile(fixture("script.pt"));
  const saved = readTorchFile(fixture("epoch_1.pt"));
  const names = [...saved.keys()].map((name) => name.replace("module.", ""));
  expect([...tensors.keys()].sort()).toEqual([...names, "attn_mask"].sort());
  const close = (name: string): boolean =>
    scope(
      () =>
        tensors
          .get(name)!
          .to("float32")
          .sub(saved.get(`module.${name}`)!)
          .abs()
          .max()
          .item() < 2e-3,
    );
  expect(names.filter((name) => !close(name))).toEqual([]);
});

test("reading makes no tensor beside those it gives", () => {
  const before = liveTensors();
  scope(() => {
    const tensors = readTorchFile(fixture("types.pt"));
    expect(liveTensors() - before).toBe(tensors.size);
  });
  expect(liveTensors()).toBe(before);
});

test("a file without checksums is read", () => {
  expect(values(readTorchFile(fixture("unchecked.pt")).get("x")!)).toEqual([1, 1]);
});

test("torch's files are told from others by how they begin", () => {
  const names = ["types.pt", "old.pt", "script.pt", "epoch_1.json"];
  expect(names.map((name) => isTorchFile(fixture(name)))).toEqual([true, true, true, false]);
  expect(isTorchFile(fileOf(Buffer.alloc(0)))).toBe(false);
});

test("a file cut off anywhere is refused", () => {
  const bytes = readFileSync(fixture("types.pt"));
  const path = fileOf(bytes);
  for (let length = 0; length < bytes.length; length += 7) {
    writeFileSync(path, bytes.subarray(0, length));
    expect(refusal(path), `at ${length} bytes`).not.toBe("accepted");
  }
});

test("a pickle that would run something is refused, and does not", () => {
  const message = refusal(fixture("runs.pt"));
  expect(message).toBe(
    'data.pkl: names "posix.system", which is not among the few things that weights are made of (byte 193)',
  );
  expect(existsSync("executed")).toBe(false);
});

// Pieces of hand-made pickles, by the operations of Python's pickletools.
const text = (value: string): string => `X${numbers([value.length, 4]).toString("latin1")}${value}`;
const int = (value: number): string => `K${String.fromCharCode(value)}`;
const tuple = (...items: readonly string[]): string => `(${items.join("")}t`;
const huge = "\x8a\x07\0\0\0\0\0\0\x10"; // 2^52

/** A state dict of one tensor. */
const one = (tensor: string): string => `}${text("a")}${tensor}s`;

type Layout = readonly [offset: string, shape: string, strides: string];
const scalar: Layout = [int(0), ")", ")"];

/** A tensor over a storage of float32. */
function rebuild(layout: Layout, options: { key?: string; elements?: number; metadata?: string } = {}): string {
  const { key = "0", elements = 2, metadata = "" } = options;
  const storage = tuple(text("storage"), "ctorch\nFloatStorage\n", text(key), text("cpu"), int(elements));
  return `ctorch._utils\n_rebuild_tensor_v2\n${tuple(`${storage}Q`, ...layout, "\x89", ")", metadata)}R`;
}

const oneOf = (...args: Parameters<typeof rebuild>): string => withPickle(one(rebuild(...args)));

/** Modules of a script in one another. */
const nested = (depth: number): string =>
  `${`c__torch__.a\nB\n)\x81}${text("a")}`.repeat(depth)}N${"sb".repeat(depth)}`;

test("a tensor as a hand-made pickle describes it", () => {
  const tensors = readTorchFile(oneOf([int(1), tuple(int(1)), tuple(int(1))]));
  expect(values(tensors.get("a")!)).toEqual([2]);
});

test("modules that hold themselves are named once", () => {
  const self = withPickle(`c__torch__.a\nB\n)\x81q\0}(${text("a")}h\0${text("b")}${rebuild(scalar)}ub`);
  expect([...readTorchFile(self).keys()]).toEqual(["b"]);
});

const refusedPickles: readonly [what: string, pickle: string, message: string | RegExp][] = [
  ["Python 2's eval", "c__builtin__\neval\n", /names "builtins\.eval"/],
  ["control characters in a name", "cos\r\x1b[2J\nsystem\n", /names "os\\r\\u001b\[2J\.system"/],
  ["a name without an end", "cos", /a name does not end/],
  ["calling a class of a script", "c__torch__.a\nB\n)R", /calls what is no function/],
  ["calling a number", `${int(1)})R`, /calls what is no function/],
  ["making an object of a function", "ccollections\nOrderedDict\n)\x81", /no class of TorchScript/],
  ["attributes of a list", "]}b", /sets attributes of what has none/],
  ["wrong arguments", `ctorch\nSize\n${tuple(int(1))}R`, /torch\.Size is called with arguments/],
  ["an operation of another protocol", "\x95", /the operation 0x95 is not one that torch\.save writes \(byte 2\)/],
  ["an empty stack", "", /takes more values than there are/],
  ["a mark that is missing", "t", /a mark is missing/],
  ["what was never remembered", "h\x07", /nothing is remembered as 7/],
  ["a text that is cut off", "X\xff\xff\xff\x7fa", /is cut off at byte 9/],
  ["a persistent id of something else", `${int(1)}Q`, /does not describe a storage/],
  ["a list", "]", "expected a state dict, got a list"],
  ["None", "N", "expected a state dict, got None"],
  [
    "a checkpoint of another kind",
    `}${text("epoch")}${int(1)}s`,
    'expected a state dict, or a checkpoint that holds one as "state_dict"; "epoch" is a number',
  ],
  ["modules that are nested without end", nested(2000), "its modules are nested too deeply"],
];

const reachesPast = 'tensor "a" reaches past the 8 bytes of its storage';
const refusedFiles: readonly [what: string, file: () => string, message: string | RegExp][] = [
  ["a NumPy scalar", () => fixture("numpy.pt"), /names "numpy\._core\.multiarray\.scalar"/],
  ["an element type that libtorch has and fastclip has not", () => fixture("uint16.pt"), /names "torch\.uint16"/],
  ["a file from before PyTorch 1.6", () => fixture("old.pt"), /format from before PyTorch 1\.6.*save it anew/],
  ["another protocol", () => fileOf(zipOf({ "x/data.pkl": "\x80\x04N." })), /has pickle protocol 4, expected 2/],
  ["more elements than the storage", () => oneOf([int(0), tuple(int(3)), tuple(int(1))]), reachesPast],
  ["a stride out of the storage", () => oneOf([int(0), tuple(int(2)), tuple(int(2))]), reachesPast],
  ["an offset past the storage", () => oneOf([huge, tuple(int(1)), tuple(int(1))]), reachesPast],
  [
    "sizes whose product overflows",
    () => oneOf([int(0), tuple(huge, huge), tuple(int(0), int(0))]),
    'tensor "a" has more elements than can be counted',
  ],
  ["fewer strides than sizes", () => oneOf([int(0), tuple(int(1)), ")"]), /is called with arguments/],
  ["a negative stride", () => oneOf([int(0), tuple(int(1)), tuple("J\xff\xff\xff\xff")]), /is called with arguments/],
  [
    "a tensor that is negated when it is read",
    () => oneOf(scalar, { metadata: `}${text("neg")}\x88s` }),
    /_rebuild_tensor_v2 is called with arguments/,
  ],
  ["a storage that is not there", () => oneOf(scalar, { key: "9" }), 'the entry "x/data/9" is missing'],
  [
    "a storage of another size",
    () => oneOf(scalar, { elements: 3 }),
    'tensor "a": its storage has 8 bytes, expected 12',
  ],
  [
    "a machine of the other byte order",
    () => fileOf(zipOf({ "x/data.pkl": "\x80\x02}.", "x/byteorder": "big" })),
    "was saved on a machine with another order of bytes",
  ],
  [
    "a zip file of something else",
    () => fileOf(zipOf({ "a.txt": "" })),
    "expected a file of torch.save, got a zip file with 0 data.pkl",
  ],
  [
    "compressed entries",
    () => fileOf(zipOf({ "x/data.pkl": "}." }, { method: 8 })),
    'the entry "x/data.pkl" is compressed, which torch.save does not do',
  ],
  ["text", () => fileOf(Buffer.from("hello")), "is cut off, or no zip file: its end record is missing"],
];

function expectRefusal(path: string, message: string | RegExp): void {
  const found = refusal(path);
  if (typeof message === "string") expect(found).toBe(message);
  else expect(found).toMatch(message);
}

test.each(refusedPickles)("%s is refused", (_, pickle, message) => expectRefusal(withPickle(pickle), message));
test.each(refusedFiles)("%s is refused", (_, file, message) => expectRefusal(file(), message));
