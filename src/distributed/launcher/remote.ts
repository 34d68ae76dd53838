// Another machine, as the launcher of node 0 sees it.
import type { Attempt } from "./attempt.ts";
import type { Channel } from "./channel.ts";
import type { Failure, Outcome, Report } from "./ending.ts";
import type { Machine } from "./machine.ts";
import type { FromHead, Hello, ToHead } from "./messages.ts";

interface Running {
  readonly onFailure: (failure: Failure) => void;
  readonly resolve: (report: Report) => void;
}

const nothing: Report = { stopped: false, forced: [], signal: undefined };

export class Remote implements Machine {
  readonly node: number;
  readonly processes: number;
  readonly #name: string;
  readonly #channel: Channel<ToHead, FromHead>;
  #running: Running | undefined;
  #loss: Failure | undefined;

  constructor({ node, processes, host }: Hello, channel: Channel<ToHead, FromHead>) {
    this.node = node;
    this.processes = processes;
    this.#name = `node ${node} (${host})`;
    this.#channel = channel;
  }

  run(attempt: Attempt, onFailure: (failure: Failure) => void): Promise<Report> {
    return new Promise((resolve) => {
      this.#running = { onFailure, resolve };
      this.#channel.send({ kind: "start", attempt });
      // Not before all machines were told to start, or the stop that follows would come before the start.
      if (this.#loss) queueMicrotask(() => this.#lose(this.#loss!));
    });
  }

  stop(failure: Failure): void {
    this.#channel.send({ kind: "stop", failure });
  }

  receive(message: ToHead): void {
    if (message.kind === "failed") this.#running?.onFailure(message.failure);
    if (message.kind === "ended") this.#running?.resolve(message.report);
  }

  /** Its processes end with their launcher, or are out of reach. */
  lost(reason: string): void {
    this.#lose({ kind: "machine", sentence: `${this.#name} is lost: ${reason}`, status: 1 });
  }

  async finish(outcome: Outcome): Promise<void> {
    await this.#channel.close({ kind: "finished", outcome });
  }

  #lose(loss: Failure): void {
    this.#loss = loss;
    this.#running?.onFailure(loss);
    this.#running?.resolve(nothing);
  }
}
