// Objects of S3, and of servers that speak its protocol.
import { defaultPatience, type Patience, persist } from "../patience.ts";
import { RemoteReader } from "../remote.ts";
import type { FileInfo, FilePart, Storage, StreamOptions } from "../storage.ts";
import { S3Client } from "./client.ts";
import { listObjects } from "./list.ts";
import { upload } from "./upload.ts";

export class S3Storage implements Storage {
  readonly #patience: Patience;
  readonly #client: S3Client;
  readonly #reader: RemoteReader;

  constructor({ patience = defaultPatience }: { patience?: Patience } = {}) {
    this.#patience = patience;
    this.#client = new S3Client({ patience });
    this.#reader = new RemoteReader((location, options) => this.#client.send(location, { method: "GET", ...options }), {
      patience,
    });
  }

  stat(location: string): Promise<FileInfo> {
    return this.#reader.stat(location);
  }

  read(location: string, part: FilePart): Promise<Uint8Array> {
    return this.#reader.read(location, part);
  }

  stream(location: string, options?: StreamOptions): AsyncIterable<Uint8Array> {
    return this.#reader.stream(location, options);
  }

  list(prefix: string): Promise<string[]> {
    return listObjects(prefix, { client: this.#client, patience: this.#patience });
  }

  write(location: string, file: string): Promise<void> {
    return upload(location, { file, stat: (name) => this.stat(name), client: this.#client, patience: this.#patience });
  }

  async remove(location: string): Promise<void> {
    await persist(location, {
      patience: this.#patience,
      attempt: async (remainingMs) => {
        const answer = await this.#client.send(location, { method: "DELETE", remainingMs });
        await answer.finish();
      },
    });
  }
}
