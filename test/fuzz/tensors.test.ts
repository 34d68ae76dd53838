// Damaged files of tensors: safetensors, and torch.save's zip and pickle.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { dtypes, liveTensors, readSafetensors, readTorchFile, scope, type Tensor } from "../../src/tensor/index.ts";
import { zipOf } from "../../src/tensor/torch-file/zip.fixture.ts";
import { ZipFile } from "../../src/tensor/torch-file/zip.ts";
import { fuzz, mutated } from "../support/mutations.ts";

const folder = mkdtempSync(join(tmpdir(), "fastclip-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixtures = join(import.meta.dirname, "../../src/tensor");
const torchFile = (name: string): string => join(fixtures, "torch-file/fixtures", name);

/** Reads bytes through a file, and every byte of the tensors in it. */
function readThrough(bytes: Buffer, reader: (path: string) => ReadonlyMap<string, Tensor>): void {
  const path = join(folder, "damaged");
  writeFileSync(path, bytes);
  scope(() => {
    for (const tensor of reader(path).values()) check(tensor, bytes.length);
  });
}

function check(tensor: Tensor, fileBytes: number): void {
  const { shape, strides, numel } = tensor;
  const { bytes } = dtypes[tensor.dtype];
  expect(numel).toBe(shape.reduce((product, size) => product * size, 1));
  const reach = numel === 0 ? 0 : shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, 1);
  expect(reach * bytes).toBeLessThanOrEqual(fileBytes);
  // One element can stand for any number of them.
  if (numel * bytes <= fileBytes) expect(tensor.data().length).toBe(numel);
}

const zip = new ZipFile(torchFile("types.pt"));
/** The entries of a file of torch.save, without their folder. */
const entries = Object.fromEntries([...zip.entries.keys()].map((name) => [name, zip.read(name)]));
zip.close();

const cases = {
  safetensors: {
    original: readFileSync(join(fixtures, "fixtures/python.safetensors")),
    read: (bytes: Buffer) => readThrough(bytes, (path) => readSafetensors(path).tensors),
  },
  "a zip of torch.save": {
    original: readFileSync(torchFile("types.pt")),
    read: (bytes: Buffer) => readThrough(bytes, readTorchFile),
  },
  "a zip without checksums": {
    original: zipOf(entries, { unchecked: true }),
    read: (bytes: Buffer) => readThrough(bytes, readTorchFile),
  },
  "the pickle of torch.save": {
    original: entries["types/data.pkl"]!,
    read: (bytes: Buffer) => readThrough(zipOf({ ...entries, "types/data.pkl": bytes }), readTorchFile),
  },
  "the pickle of a TorchScript archive": {
    original: scriptPickle(),
    read: (bytes: Buffer) => readThrough(zipOf({ "s/data.pkl": bytes }), readTorchFile),
  },
};

function scriptPickle(): Buffer {
  const script = new ZipFile(torchFile("script.pt"));
  try {
    return script.read("archive/data.pkl");
  } finally {
    script.close();
  }
}

test.each(Object.entries(cases))(
  "%s: damaged files are read in bounds or refused in a sentence",
  async (_, { original, read }) => {
    const before = liveTensors();
    await fuzz(original, { seed: 1, count: 400, read });
    expect(liveTensors()).toBe(before);
  },
);

test("damage gives other bytes, and the same ones for a seed", () => {
  const original = readFileSync(torchFile("types.pt"));
  const copies = Array.from({ length: 100 }, (_, n) => mutated(original, { seed: 1, n }));
  expect(copies.filter((copy) => copy.equals(original)).length).toBeLessThan(10);
  expect(mutated(original, { seed: 1, n: 7 }).equals(copies[7]!)).toBe(true);
});
