// How a server on loopback gives its answers: well, or with a fault.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What goes wrong with one answer. */
export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The connection is reset after so many bytes of the body; before there is any answer where that is 0. */
  | { readonly kind: "reset"; readonly after: number }
  /** After so many bytes nothing comes any more. */
  | { readonly kind: "stall"; readonly after: number }
  /** Byte by byte, without an end to be waited for. */
  | { readonly kind: "drip"; readonly everyMs: number }
  /** The connection is closed in good order, so many bytes before the announced end. */
  | { readonly kind: "short"; readonly by: number };

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface Asked {
  readonly method: string;
  /** As it stands in the request. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** A server whose answers can be spoilt: the faults are taken one by one, one for each request; undefined stands for none. */
export abstract class FaultyServer {
  faults: (Fault | undefined)[] = [];
  /** Asked where there are no more `faults`. */
  faultOf: (asked: Asked) => Fault | undefined = () => undefined;
  readonly asked: Asked[] = [];
  /** So many have been made. */
  connections = 0;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", () => this.connections++);
  }

  protected abstract reply(asked: Asked): Promise<Reply>;

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (body === undefined) return;
    const { method = "GET", url = "/", headers } = request;
    const asked = { method, url, headers, body };
    this.asked.push(asked);
    const fault = this.faults.length > 0 ? this.faults.shift() : this.faultOf(asked);
    if (fault?.kind === "reset" && fault.after === 0) return void request.socket.resetAndDestroy();
    if (fault?.kind === "status") return void response.writeHead(fault.status, fault.headers).end(fault.body);
    const reply = await this.reply(asked);
    await deliver(response, { reply, fault });
  }
}

/** Undefined where the client went away before it had sent all. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  }
}

async function deliver(
  response: ServerResponse,
  { reply, fault }: { reply: Reply; fault: Exclude<Fault, { kind: "status" }> | undefined },
): Promise<void> {
  const body = Buffer.from(reply.body ?? "");
  response.writeHead(reply.status, { "content-length": String(body.length), ...reply.headers });
  if (fault === undefined) return void response.end(body);
  if (fault.kind === "drip") {
    for (let i = 0; i < body.length && !response.destroyed; i++) {
      response.write(body.subarray(i, i + 1));
      await delay(fault.everyMs);
    }
    return;
  }
  const end = fault.kind === "short" ? Math.max(0, body.length - fault.by) : Math.min(fault.after, body.length);
  response.flushHeaders();
  await new Promise((resolve) => response.write(body.subarray(0, end), resolve));
  if (fault.kind === "stall") return;
  await delay(20); // so that what was written arrives before the end of the connection
  if (fault.kind === "reset") response.socket?.resetAndDestroy();
  else response.socket?.end();
}
