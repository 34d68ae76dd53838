// What the text files of a sample say.
import type { FaultCause, SampleError } from "../faults.ts";

/** Makes the error of a sample; `detail` is to stand behind the segment's name. */
export type Complain = (cause: FaultCause, detail: string) => SampleError;

interface TextFile {
  /** Name of the file, for messages. */
  readonly file: string;
  readonly complain: Complain;
}

export function decodeText(bytes: Uint8Array, { file, complain }: TextFile): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw complain("bad-caption", `${file} is not UTF-8`);
  }
}

export function parseJson(bytes: Uint8Array, textFile: TextFile): unknown {
  const text = decodeText(bytes, textFile);
  try {
    return JSON.parse(text);
  } catch {
    throw textFile.complain("bad-caption", `${textFile.file} is not valid JSON`);
  }
}

/** The captions under `keys`, each a text or a list of texts; those that are empty or absent do not count, as long as one is there. */
export function captionsUnder(keys: readonly string[], json: unknown, { file, complain }: TextFile): string[] {
  const fields = json !== null && typeof json === "object" ? (json as Record<string, unknown>) : {};
  const captions: string[] = [];
  for (const key of keys) {
    const value = fields[key];
    const texts = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
    if (!texts.every((text) => typeof text === "string"))
      throw complain("no-caption", `key "${key}" of ${file} is neither a text nor a list of texts`);
    if (!texts.every((text) => text.isWellFormed()))
      throw complain("bad-caption", `key "${key}" of ${file} holds half of a character (an unpaired surrogate)`);
    captions.push(...texts);
  }
  return captions.filter((text) => text.trim() !== "");
}
