import type { ByteSource } from "../tar/read.ts";

/** Bytes that come in order, read at offsets that only grow; what lies between is let go. */
export function streamedBytes(stream: AsyncIterable<Uint8Array>, size: number): ByteSource & { close(): void } {
  const chunks = stream[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array();
  /** Where `chunk` starts. */
  let start = 0;
  const advance = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done) return false;
    start += chunk.length;
    chunk = next.value;
    return true;
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    if (offset < start) throw new Error(`byte ${offset} of a stream is past; it stands at ${start}`);
    const parts: Uint8Array[] = [];
    let at = offset;
    const end = Math.min(offset + length, size);
    while (at < end) {
      if (at >= start + chunk.length) {
        if (await advance()) continue;
        break;
      }
      const part = chunk.subarray(at - start, end - start);
      parts.push(part);
      at += part.length;
    }
    return Buffer.concat(parts);
  };
  return { size, read, close: () => void chunks.return?.() };
}
