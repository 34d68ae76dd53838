// Writing an object: in one request, or where it is large in parts, of which several are on their way at a time.
import type { FileHandle } from "node:fs/promises";
import { openFile } from "../local.ts";
import { Passing, type Patience, persist } from "../patience.ts";
import { type FileInfo, StorageError } from "../storage.ts";
import type { S3Client, S3Request } from "./client.ts";
import { textOf } from "./problems.ts";

/** S3 wants at least 5 MiB in every part but the last, and takes at most 10,000 of them. */
const smallestPart = 16 * 1024 * 1024;
const mostParts = 10_000;
const together = 4;

interface UploadOptions {
  readonly file: string;
  readonly stat: (location: string) => Promise<FileInfo>;
  readonly client: S3Client;
  readonly patience: Patience;
}

/** What the file held when it was opened is written, also where more is added to it meanwhile. */
export async function upload(location: string, { file: path, stat, client, patience }: UploadOptions): Promise<void> {
  const ask = (request: Omit<S3Request, "remainingMs">): Promise<string> =>
    persist(location, {
      patience,
      attempt: async (remainingMs) => {
        const answer = await client.send(location, { ...request, remainingMs });
        const text = await answer.text();
        // S3 may answer 200 while it still puts parts together, and then say that it failed.
        if (text.includes("<Error>"))
          throw new Passing(`S3 failed after it had answered 200 (${textOf(text, "Code")})`);
        return text === "" ? (answer.headers.get("etag") ?? "") : text;
      },
    });
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    if (size <= smallestPart)
      await ask({ method: "PUT", body: await readPart(file, { path, offset: 0, length: size }) });
    else await new PartedUpload(location, { ask, stat, path, file, size }).run();
  } finally {
    await file.close();
  }
}

/** Asks with all its tries. Returns the ETag of what was sent, or else the answer's text. */
type Ask = (request: Omit<S3Request, "remainingMs">) => Promise<string>;

interface PartedOptions extends Pick<UploadOptions, "stat"> {
  readonly ask: Ask;
  readonly path: string;
  readonly file: FileHandle;
  readonly size: number;
}

/** A multipart upload: nothing of it is seen before its last request. */
class PartedUpload {
  readonly #location: string;
  readonly #from: PartedOptions;
  readonly #partSize: number;

  constructor(location: string, from: PartedOptions) {
    this.#location = location;
    this.#from = from;
    this.#partSize = Math.max(smallestPart, Math.ceil(from.size / mostParts));
  }

  async run(): Promise<void> {
    const begun = await this.#from.ask({ method: "POST", query: { uploads: "" } });
    const uploadId = textOf(begun, "UploadId");
    if (uploadId === undefined)
      throw new StorageError("bad-answer", { location: this.#location, problem: "S3 began no upload in parts" });
    try {
      await this.#complete(uploadId, await this.#sendParts(uploadId));
    } catch (error) {
      // Parts that are left behind cost their owner money.
      await this.#from.ask({ method: "DELETE", query: { uploadId } }).catch(() => undefined);
      throw error;
    }
  }

  /** Returns the ETags of all parts. */
  async #sendParts(uploadId: string): Promise<string[]> {
    const tags = new Array<string>(Math.ceil(this.#from.size / this.#partSize));
    let next = 0;
    let hasFailed = false;
    const sendOneByOne = async (): Promise<void> => {
      while (next < tags.length && !hasFailed) {
        const index = next++;
        const offset = index * this.#partSize;
        const length = Math.min(this.#partSize, this.#from.size - offset);
        const body = await readPart(this.#from.file, { path: this.#from.path, offset, length });
        tags[index] = await this.#from.ask({ method: "PUT", query: { partNumber: `${index + 1}`, uploadId }, body });
      }
    };
    const senders = Array.from({ length: together }, () =>
      sendOneByOne().catch((error: unknown) => {
        hasFailed = true;
        throw error;
      }),
    );
    for (const sender of await Promise.allSettled(senders)) if (sender.status === "rejected") throw sender.reason;
    return tags;
  }

  /** An answer may be lost, and asked again S3 knows no such upload any more: then the object shows that it was completed. */
  async #complete(uploadId: string, tags: readonly string[]): Promise<void> {
    const before = await this.#find();
    try {
      await this.#askToComplete(uploadId, tags);
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind !== "not-found") throw error;
      const now = await this.#find();
      if (now?.size !== this.#from.size || now.version === before?.version) throw error;
    }
  }

  /** The object as it is; undefined where there is none. */
  async #find(): Promise<FileInfo | undefined> {
    try {
      return await this.#from.stat(this.#location);
    } catch (error) {
      if (error instanceof StorageError && error.kind === "not-found") return undefined;
      throw error;
    }
  }

  async #askToComplete(uploadId: string, tags: readonly string[]): Promise<void> {
    const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
    const headers = { "content-type": "application/xml" };
    const body = new TextEncoder().encode(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
    await this.#from.ask({ method: "POST", query: { uploadId }, headers, body, isSlow: true });
  }
}

async function readPart(
  file: FileHandle,
  { path, offset, length }: { path: string; offset: number; length: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0)
      throw new StorageError("changed", { location: path, problem: "became shorter while it was sent" });
    done += bytesRead;
  }
  return bytes;
}
