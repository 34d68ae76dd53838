// The processes of a run and what they exchange.
import { span } from "../telemetry/spans.ts";
import { type c10d, dtypes, empty, noGrad, type Tensor } from "../tensor/index.ts";
import { Connection } from "./connection.ts";
import { alone, type Place } from "./environment.ts";
import { type TrafficByName, TrafficCounter } from "./traffic.ts";

export interface GroupOptions {
  /** For all processes to meet. */
  readonly joinTimeoutMs?: number;
  /** For one collective: from its start until the slowest process has come and all is sent. */
  readonly timeoutMs?: number;
  /** Between two signs of life; a process without one for three intervals is called lost. */
  readonly heartbeatMs?: number;
  /** The number of the GPU that this process uses; with it the collectives work on CUDA tensors too (NCCL). */
  readonly cudaDevice?: number | undefined;
}

/** A collective under way. Its tensors must be left alone until `wait` returns, which is to be called once. */
export interface Pending<T> {
  isCompleted(): boolean;
  wait(): T;
}

/**
 * The processes of a run. Every process must call the same collectives in the same order; `name` is what each is counted under. A
 * call blocks this thread. A process that dies, stops or stays away makes it throw a `PeerError`, at the latest after `timeoutMs`.
 */
export class ProcessGroup {
  readonly rank: number;
  readonly size: number;
  /** Among the processes of this machine. */
  readonly localRank: number;
  /** How many processes this machine runs, where the launcher tells. */
  readonly localSize: number | undefined;
  /** Which of the machines this is. */
  readonly node: number;
  /** How often the run was started again. */
  readonly attempt: number;
  /** Whether some processes run on other machines, which share no memory and maybe no files with this one. */
  readonly severalMachines: boolean;
  readonly timeoutMs: number;
  /** None for a single process, whose collectives change and count nothing. */
  readonly connection: Connection | undefined;
  readonly #traffic = new TrafficCounter();
  readonly #gatherings = new Map<string, c10d.Gatherings>();

  private constructor(place: Place, timeoutMs: number, connection: Connection | undefined) {
    this.rank = place.rank;
    this.size = place.size;
    this.localRank = place.localRank;
    this.localSize = place.localSize;
    this.node = place.node;
    this.attempt = place.attempt;
    this.severalMachines = place.localSize !== place.size;
    this.timeoutMs = timeoutMs;
    this.connection = connection;
  }

  /** The group of a process that is alone. */
  static alone(): ProcessGroup {
    return new ProcessGroup(alone, 0, undefined);
  }

  /** Whether this process is the first on its machine: the one that does what one process of each machine has to do. */
  get isFirstOfMachine(): boolean {
    return this.localRank === 0;
  }

  /** Meets the other processes. */
  static async open(place: Place, options: GroupOptions = {}): Promise<ProcessGroup> {
    const { joinTimeoutMs = 300_000, timeoutMs = 600_000, heartbeatMs = 1000, cudaDevice } = options;
    const complete = { joinTimeoutMs, timeoutMs, heartbeatMs, cudaDevice };
    const connection = place.meeting && (await Connection.open(place, place.meeting, complete));
    return new ProcessGroup(place, timeoutMs, connection);
  }

  /** What this process is doing ("step 12: backward"), for the others to tell if it is lost. */
  set phase(phase: string) {
    if (this.connection) this.connection.presence.phase = phase;
  }

  /** All that was sent so far, by collective. */
  get traffic(): TrafficByName {
    for (const [name, gatherings] of this.#gatherings) {
      const { calls, bytes, milliseconds } = gatherings.counts();
      if (calls > 0) this.count(name, { calls, bytes, milliseconds, exposedMilliseconds: milliseconds });
    }
    return this.#traffic.totals();
  }

  /** All processes' tensors, which must be of one shape [b, ...], in the order of ranks: [K b, ...], without gradient. */
  allGather(tensor: Tensor, name = "allGather"): Tensor {
    return this.startAllGather(tensor, name).wait();
  }

  startAllGather(tensor: Tensor, name = "allGather"): Pending<Tensor> {
    const input = tensor.detach().contiguous();
    const { connection } = this;
    if (!connection) return finished(input);
    const [b = 1, ...rest] = input.shape;
    const output = empty([this.size * b, ...rest], { dtype: input.dtype, device: input.device });
    const begin = () => connection.group.allGather(output, input);
    return this.#start(connection, { name, bytes: bytesOf(output), begin, result: () => output });
  }

  /**
   * An all-gather that backward goes through: the gradient of this process' tensor is the sum of what all processes send back. Both
   * ways are counted under the name. Every process must go through the same ones in the same order, backward too.
   */
  gatherWithGradient(name: string): (tensor: Tensor) => Tensor {
    const { connection } = this;
    if (!connection) return (tensor) => tensor;
    const gatherings = this.#gatherings.get(name) ?? connection.group.gatherings();
    this.#gatherings.set(name, gatherings);
    return (tensor) => span(exchanged(name), () => connection.run(name, () => gatherings.gather(tensor)));
  }

  /** Replaces the tensor by the mean over all processes. */
  allReduceMean_(tensor: Tensor, name = "allReduce"): Tensor {
    return this.startAllReduceMean_(tensor, name).wait();
  }

  startAllReduceMean_(tensor: Tensor, name = "allReduce"): Pending<Tensor> {
    return this.#startAllReduce(tensor, name, () => noGrad(() => tensor.div_(this.size)));
  }

  /** Replaces the tensor by the sum over all processes. */
  allReduceSum_(tensor: Tensor, name = "allReduce"): Tensor {
    return this.#startAllReduce(tensor, name, () => tensor).wait();
  }

  #startAllReduce(tensor: Tensor, name: string, result: () => Tensor): Pending<Tensor> {
    const { connection } = this;
    if (!connection) return finished(tensor);
    const begin = () => connection.group.allReduce(tensor);
    return this.#start(connection, { name, bytes: bytesOf(tensor), begin, result });
  }

  /** Sums all processes' tensors [K b, ...] and returns this rank's part of the sum, [b, ...]. */
  reduceScatterSum(tensor: Tensor, name = "reduceScatter"): Tensor {
    return this.startReduceScatterSum(tensor, name).wait();
  }

  startReduceScatterSum(tensor: Tensor, name = "reduceScatter"): Pending<Tensor> {
    const input = tensor.detach().contiguous();
    const { connection } = this;
    if (!connection) return finished(input);
    const [whole = 0, ...rest] = input.shape;
    if (whole % this.size !== 0)
      throw new TypeError(`${name}: expected ${this.size} equal parts, got a tensor of shape [${input.shape}]`);
    const output = empty([whole / this.size, ...rest], { dtype: input.dtype, device: input.device });
    const begin = () => connection.group.reduceScatter(output, input);
    return this.#start(connection, { name, bytes: bytesOf(input), begin, result: () => output });
  }

  /** Replaces the tensors by those of rank `root`; small ones travel together. */
  broadcast_(tensors: readonly Tensor[], options: { root?: number; name?: string } = {}): void {
    const { root = 0, name = "broadcast" } = options;
    const { connection } = this;
    if (!connection || tensors.length === 0) return;
    const bytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
    this.#timed(connection, name, bytes, () => connection.group.broadcast(tensors, { root }));
  }

  /** Waits for all processes; names those that do not come in time. */
  barrier(options: { name?: string; timeoutMs?: number } = {}): void {
    const { name = "barrier", timeoutMs = this.timeoutMs } = options;
    const { connection } = this;
    if (connection) this.#timed(connection, name, 0, () => connection.awaitAll(timeoutMs));
  }

  count(name: string, traffic: Parameters<TrafficCounter["add"]>[1]): void {
    this.#traffic.add(name, traffic);
  }

  /** Leaves the group; with a reason, which the others are told, when the run is over with that. */
  close(reason?: string): void {
    this.connection?.close(reason);
  }

  #timed(connection: Connection, name: string, bytes: number, body: () => void): void {
    const start = performance.now();
    span(exchanged(name), () => connection.run(name, body));
    const milliseconds = performance.now() - start;
    this.count(name, { calls: 1, bytes, milliseconds, exposedMilliseconds: milliseconds });
  }

  #start<T>(connection: Connection, { name, bytes, begin, result }: Start<T>): Pending<T> {
    const began = performance.now();
    const work = connection.own(span(exchanged(name), () => connection.run(name, begin)));
    // A small one may be over when its start returns.
    const starting = performance.now() - began;
    let isOver = false;
    return {
      isCompleted: () => isOver || work.isCompleted(),
      wait: () => {
        const start = performance.now();
        const milliseconds = starting + span(exchanged(name), () => connection.run(name, () => work.wait()));
        connection.disown(work);
        isOver = true;
        const exposedMilliseconds = starting + performance.now() - start;
        this.count(name, { calls: 1, bytes, milliseconds, exposedMilliseconds });
        return result();
      },
    };
  }
}

/** The name of the span in which this process does nothing but communicate. */
export const exchanged = (name: string): string => `exchange ${name}`;

interface Start<T> {
  readonly name: string;
  readonly bytes: number;
  readonly begin: () => c10d.Work;
  readonly result: () => T;
}

function finished<T>(result: T): Pending<T> {
  return { isCompleted: () => true, wait: () => result };
}

function bytesOf(tensor: Tensor): number {
  return tensor.numel * dtypes[tensor.dtype].bytes;
}
