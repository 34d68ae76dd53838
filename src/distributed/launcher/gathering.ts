// Node 0 waits for the launchers of the other machines.
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Channel } from "./channel.ts";
import type { FromHead, Hello, ToHead } from "./messages.ts";
import { Remote } from "./remote.ts";
import { say } from "./say.ts";

export interface GatheringOptions {
  readonly port: number;
  readonly nodes: number;
  readonly joinTimeoutMs: number;
  readonly beatMs: number;
}

type HeadChannel = Channel<ToHead, FromHead>;

/** The door at which other launchers come in. */
export class Gathering {
  readonly #options: GatheringOptions;
  readonly #server: Server;
  readonly #channels = new Set<HeadChannel>();
  readonly #present = new Map<number, { hello: Hello; remote: Remote }>();
  #arrived: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #isComplete = false;

  private constructor(options: GatheringOptions, server: Server) {
    this.#options = options;
    this.#server = server.on("connection", (socket) => this.#admit(socket));
  }

  static async open(options: GatheringOptions): Promise<Gathering> {
    const server = createServer();
    try {
      await once(server.listen(options.port), "listening");
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE")
        throw new Error(`port ${options.port} of this machine is in use: give all nodes another one by --rdzv`);
      throw new Error(`port ${options.port} of this machine cannot be used (--rdzv): ${message}`);
    }
    return new Gathering(options, server);
  }

  /** All other machines, in the order of nodes. Throws an error that names those that do not come in time. */
  async all(): Promise<Remote[]> {
    const { nodes, joinTimeoutMs } = this.#options;
    const others = Array.from({ length: nodes - 1 }, (_, index) => index + 1);
    say(`node 0 waits for ${nameNodes(others)} on port ${this.#options.port}`);
    const absent = (): number[] => others.filter((node) => !this.#present.has(node));
    await new Promise<void>((resolve) => {
      this.#timer = setTimeout(resolve, joinTimeoutMs);
      this.#arrived = () => void (absent().length === 0 && resolve());
    });
    clearTimeout(this.#timer);
    if (absent().length === 0) {
      this.#isComplete = true;
      return others.map((node) => this.#present.get(node)!.remote);
    }
    const reason = `${nameNodes(absent())} of ${nodes} did not come within ${joinTimeoutMs / 1000} s (--join-timeout)`;
    await this.#closeAll({ kind: "refused", reason });
    throw new Error(reason);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#server.close();
    await this.#closeAll();
  }

  #admit(socket: Socket): void {
    const channel: HeadChannel = new Channel(socket, this.#options.beatMs);
    let remote: Remote | undefined;
    this.#channels.add(channel);
    channel.listen({
      received: (message) => {
        if (message.kind === "hello") remote = this.#welcome(message, channel);
        else remote?.receive(message);
      },
      lost: (reason) => {
        this.#channels.delete(channel);
        remote?.lost(reason);
        // Before the start it may come again.
        if (remote && !this.#isComplete) this.#present.delete(remote.node);
      },
    });
  }

  #welcome(hello: Hello, channel: HeadChannel): Remote | undefined {
    const reason = this.#objection(hello);
    if (reason !== undefined) {
      say(`refused ${hello.host}: ${reason}`);
      void channel.close({ kind: "refused", reason });
      return undefined;
    }
    const remote = new Remote(hello, channel);
    this.#present.set(hello.node, { hello, remote });
    say(`node ${hello.node} is here (${hello.host})`);
    this.#arrived();
    return remote;
  }

  #objection({ node, nodes }: Hello): string | undefined {
    if (nodes !== this.#options.nodes)
      return `node ${node} was started with --nnodes ${nodes}, node 0 with --nnodes ${this.#options.nodes}`;
    const other = this.#present.get(node)?.hello;
    if (this.#isComplete) return `the run has begun with ${other?.host ?? "other machines"}`;
    return other && `--node-rank ${node} is taken by ${other.host}: each machine needs a number of its own`;
  }

  async #closeAll(last?: FromHead): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close(last)));
  }
}

function nameNodes(nodes: readonly number[]): string {
  const last = nodes.at(-1);
  return nodes.length === 1 ? `node ${last}` : `nodes ${nodes.slice(0, -1).join(", ")} and ${last}`;
}
