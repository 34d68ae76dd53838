// One request over HTTP and its answer, with an end to all waiting.
import { Passing, type Patience } from "./patience.ts";
import { StorageError } from "./storage.ts";

export interface Call {
  /** What errors name. */
  readonly location: string;
  readonly url: URL;
  readonly method?: "GET" | "PUT" | "POST" | "DELETE";
  readonly headers: Headers;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly redirect: "follow" | "manual";
}

/** A body goes out at least this fast, or the answer is late. */
const slowestUpload = 64; // bytes per millisecond
/** Sooner read than a new connection made. */
const worthReading = 16 * 1024;

/** Sends a request. Throws Passing where no answer began in time. */
export async function send(
  call: Call,
  { patience, remainingMs }: { patience: Patience; remainingMs: number },
): Promise<Answer> {
  const { location, url, method = "GET", headers, body, redirect } = call;
  const wait = Math.min(patience.answerMs + (body?.length ?? 0) / slowestUpload, remainingMs);
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(new Passing(`no answer came in ${seconds(wait)} s`)), wait);
  try {
    const { signal } = control;
    const response = await fetch(url, { method, headers, redirect, signal, ...(body && { body }) });
    return new Answer(response, { location, control, patience, until: performance.now() + remainingMs });
  } catch (error) {
    throw explained(location, control.signal.aborted ? control.signal.reason : error);
  } finally {
    clearTimeout(timer);
  }
}

interface AnswerContext {
  readonly location: string;
  readonly control: AbortController;
  readonly patience: Patience;
  /** When all must be read, in performance.now()'s milliseconds. */
  readonly until: number;
}

/** An answer of which the head has come. Its body has to be read to its end or discarded. */
export class Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The host that answered in the end, where that is another. */
  readonly redirectedTo: string | undefined;
  readonly #response: Response;
  readonly #context: AnswerContext;

  constructor(response: Response, context: AnswerContext) {
    this.#response = response;
    this.#context = context;
    this.status = response.status;
    this.headers = response.headers;
    this.redirectedTo = response.redirected ? new URL(response.url).host : undefined;
  }

  /** The body as it comes. Throws Passing where it breaks, stops or comes too slowly. Whether it was all of it, the caller has to count. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const reader = this.#response.body?.getReader();
    if (reader === undefined) return;
    const pace = new Pace(this.#context);
    try {
      for (;;) {
        const { done, value } = await pace.wait(reader.read());
        if (done) return;
        yield value;
      }
    } finally {
      this.discard();
    }
  }

  /** The whole body as text. */
  async text(): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.chunks()) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const announced = this.headers.get("content-length");
    if (announced !== null && !this.headers.has("content-encoding") && bytes.length !== Number(announced))
      throw new Passing(`the answer was cut off after ${bytes.length} of ${announced} bytes`);
    return bytes.toString("utf8");
  }

  /** Has done with the body, and keeps the connection where little is left to come over it. */
  async finish(): Promise<void> {
    if (this.#response.body === null) return;
    const length = Number(this.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
    if (length <= worthReading) await this.text().catch(() => {});
    else this.discard();
  }

  /** Ends the connection if anything is still to come over it. */
  discard(): void {
    this.#context.control.abort(new Error("not wanted any more"));
  }
}

/** Sees that a body comes fast enough. The time in which nobody waits for it does not count. */
class Pace {
  readonly #context: AnswerContext;
  #waitedMs = 0;
  #bytes = 0;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  async wait<T extends { readonly done: boolean; readonly value?: Uint8Array | undefined }>(
    read: Promise<T>,
  ): Promise<T> {
    const { location, control, patience, until } = this.#context;
    const started = performance.now();
    const stall = patience.stallMs - this.#waitedMs;
    const left = until - started;
    const message =
      stall <= left
        ? `in ${seconds(patience.stallMs)} s only ${this.#bytes} bytes of the body came`
        : "the body was not there in the time that the whole request may take";
    const timer = setTimeout(() => control.abort(new Passing(message)), Math.max(0, Math.min(stall, left)));
    try {
      const result = await read;
      this.#count(result.value?.length ?? 0, performance.now() - started);
      return result;
    } catch (error) {
      throw explained(location, control.signal.aborted ? control.signal.reason : error);
    } finally {
      clearTimeout(timer);
    }
  }

  #count(bytes: number, waitedMs: number): void {
    this.#bytes += bytes;
    this.#waitedMs += waitedMs;
    if (this.#bytes >= this.#context.patience.leastBytes) [this.#bytes, this.#waitedMs] = [0, 0];
  }
}

const seconds = (milliseconds: number): string => String(Number((milliseconds / 1000).toFixed(1)));

/** Codes of Node's sockets and of undici, which is behind fetch. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  UND_ERR_SOCKET: "the connection was closed",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name of the host could not be looked up",
  ETIMEDOUT: "no connection was made in time",
  UND_ERR_CONNECT_TIMEOUT: "no connection was made in time",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the body was not as long as announced",
};

function explained(location: string, error: unknown): Error {
  if (error instanceof Passing) return error;
  const { cause = error } = error as Error;
  const { code = "", message } = cause as NodeJS.ErrnoException;
  // Neither a certificate nor a protocol gets better by itself.
  if (/CERT|SELF_SIGNED|UNABLE_TO|EPROTO|^ERR_SSL/.test(code))
    return new StorageError("unavailable", { location, problem: `no safe connection can be made: ${message}`, cause });
  return new Passing(words[code] ?? `the request failed: ${message}`, { cause: error });
}
