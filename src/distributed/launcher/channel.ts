// The connection between two launchers. It is not the store that the processes meet at: a call of that one blocks its thread for as
// long as the server's machine is silent, while a launcher must go on watching its processes.
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { onLines } from "./lines.ts";

export interface ChannelEvents<In> {
  readonly received: (message: In) => void;
  /** Told once, unless the channel was closed at this end. */
  readonly lost: (reason: string) => void;
}

/** A peer that is silent for so many intervals is lost. */
const patience = 4;
/** For the other end to take the last message. */
const farewellMs = 2000;
const beat = "";

/** Messages are lines of JSON; an empty line only says that its sender lives. */
export class Channel<In, Out> {
  readonly #socket: Socket;
  readonly #beatMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #isGone: Promise<unknown>;
  #events: ChannelEvents<In> | undefined;
  #silence = 0;
  #isOver = false;

  constructor(socket: Socket, beatMs: number) {
    this.#socket = socket.setNoDelay(true);
    this.#beatMs = beatMs;
    this.#isGone = new Promise((resolve) => socket.once("close", resolve));
    // Counted in beats of this end and not read from a clock, which also runs while this process is stopped.
    this.#timer = setInterval(() => this.#beat(), beatMs);
  }

  listen(events: ChannelEvents<In>): void {
    this.#events = events;
    let why = "";
    this.#socket.on("error", ({ message }) => {
      why = ` (${message})`;
    });
    this.#socket.once("close", () => this.#lose(`the connection with its launcher was closed${why}`));
    onLines(this.#socket, (lines) => {
      for (const line of lines) this.#receive(line);
    });
  }

  send(message: Out): void {
    if (!this.#isOver) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Sends the last message, if there is one, and closes. */
  async close(last?: Out): Promise<void> {
    if (last !== undefined) this.send(last);
    this.#finish();
    this.#socket.end();
    await Promise.race([this.#isGone, delay(farewellMs, undefined, { ref: false })]);
    this.#socket.destroy();
  }

  #receive(line: string): void {
    if (this.#isOver) return;
    this.#silence = 0;
    if (line === beat) return;
    const message = parsed<In>(line);
    if (message === undefined) this.#lose("it does not speak as a launcher does");
    else this.#events?.received(message);
  }

  #beat(): void {
    this.#socket.write(`${beat}\n`);
    if (++this.#silence > patience) this.#lose(`its launcher was silent for ${(patience * this.#beatMs) / 1000} s`);
  }

  #lose(reason: string): void {
    if (this.#isOver) return;
    this.#finish();
    this.#socket.destroy();
    this.#events?.lost(reason);
  }

  #finish(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
  }
}

function parsed<T>(line: string): T | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === "object" && message !== null ? (message as T) : undefined;
  } catch {
    return undefined;
  }
}
