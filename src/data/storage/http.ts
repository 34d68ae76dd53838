// Files behind HTTP(S): read, not written.
import { type Answer, send } from "./exchange.ts";
import { retryAfter } from "./headers.ts";
import { defaultPatience, Passing, type Patience, persist } from "./patience.ts";
import { type GetOptions, RemoteReader } from "./remote.ts";
import {
  type FileInfo,
  type FilePart,
  type Storage,
  StorageError,
  type StorageErrorKind,
  type StreamOptions,
} from "./storage.ts";

export class HttpStorage implements Storage {
  readonly #patience: Patience;
  readonly #reader: RemoteReader;

  constructor({ patience = defaultPatience }: { patience?: Patience } = {}) {
    this.#patience = patience;
    this.#reader = new RemoteReader((location, options) => this.#get(location, options), { patience });
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

  /**
   * The whole of a small file by one request, from servers too that know neither sizes nor parts.
   * @throws StorageError, also where it has more than `mostBytes`.
   */
  async fetch(location: string, { mostBytes }: { mostBytes: number }): Promise<Uint8Array> {
    return persist(location, {
      patience: this.#patience,
      attempt: async (remainingMs) => {
        const answer = await this.#get(location, { headers: {}, remainingMs });
        const chunks: Uint8Array[] = [];
        let bytes = 0;
        for await (const chunk of answer.chunks()) {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > mostBytes) throw refused(location, `has more than the ${mostBytes} bytes allowed`);
        }
        return Buffer.concat(chunks);
      },
    });
  }

  async list(prefix: string): Promise<string[]> {
    throw refused(prefix, "files behind HTTP cannot be listed: name them, with braces where there are many");
  }

  async write(location: string): Promise<void> {
    throw refused(location, "files behind HTTP are read and not written");
  }

  async remove(location: string): Promise<void> {
    throw refused(location, "files behind HTTP are read and not removed");
  }

  async #get(location: string, { headers, remainingMs }: GetOptions): Promise<Answer> {
    const { url, authorization } = addressOf(location);
    const all = new Headers({ ...headers, ...authorization, "accept-encoding": "identity" });
    const call = { location, url, headers: all, redirect: "follow" } as const;
    const answer = await send(call, { patience: this.#patience, remainingMs });
    if (answer.status === 200 || answer.status === 206 || answer.status === 416) return answer;
    answer.discard();
    throw problemOf(location, answer);
  }
}

/** fetch takes no user and password in a URL. */
function addressOf(location: string): { url: URL; authorization: Record<string, string> } {
  if (!URL.canParse(location)) throw refused(location, "is not a URL");
  const url = new URL(location);
  const { username, password } = url;
  [url.username, url.password] = ["", ""];
  if (username === "" && password === "") return { url, authorization: {} };
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { url, authorization: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
}

/** Statuses that may be others the next time. */
export const passingStatus: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

const kinds: Readonly<Record<number, StorageErrorKind>> = {
  401: "denied",
  403: "denied",
  404: "not-found",
  410: "not-found",
  412: "changed",
};

const hints: Readonly<Record<number, string>> = {
  401: "it asks for a user and password, which can stand in the URL",
  403: "it is not to be read from here; a signed URL may have expired",
  404: "there is no such file",
  410: "the file is gone",
  412: "the file was changed since it was opened",
};

function problemOf(location: string, answer: Answer): Error {
  const { status, redirectedTo } = answer;
  const who = redirectedTo === undefined ? "the server" : `${redirectedTo}, where it was redirected to,`;
  const text = `${who} answered ${status}`;
  if (passingStatus.has(status)) return new Passing(text, { askedMs: retryAfter(answer) });
  const hint = hints[status];
  const problem = hint === undefined ? text : `${text}: ${hint}`;
  return new StorageError(kinds[status] ?? "bad-answer", { location, problem });
}

function refused(location: string, problem: string): StorageError {
  return new StorageError("denied", { location, problem });
}
