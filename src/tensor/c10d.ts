// c10d, libtorch's own means for several processes, as it is: src/distributed adds what a run needs on top.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

/** Something of c10d that lives until it is closed. */
class Held {
  /** The native object's number. */
  readonly handle: number;

  protected constructor(handle: number) {
    this.handle = handle;
  }

  /** Gives it up; any later use is an error. */
  close(): void {
    native.closeObject(this.handle);
  }
}

/** Where a store is, and whether this process serves it. */
export interface StoreOptions {
  readonly host: string;
  /** 0 takes a free one, where this process serves. */
  readonly port: number;
  readonly serve: boolean;
  readonly timeoutMs: number;
  /** Stands before every key. */
  readonly prefix: string;
}

/** Keys and values that several processes share (TCPStore). Every call but `set` waits for the server's answer. */
export class Store extends Held {
  /** Serves the store or connects to it; waits until the server answers. */
  static open({ host, port, serve, timeoutMs, prefix }: StoreOptions): Store {
    return new Store(native.storeOpen(host, port, serve, timeoutMs, prefix));
  }

  get port(): number {
    return native.storePort(this.handle);
  }

  set(key: string, value: string): void {
    native.storeSet(this.handle, key, value);
  }

  /** Waits until the key is there. */
  get(key: string, options: { timeoutMs: number }): string {
    return native.storeGet(this.handle, key, options.timeoutMs);
  }

  /** Whether all of the keys are there. */
  has(keys: readonly string[]): boolean {
    return native.storeCheck(this.handle, keys);
  }

  /** Waits until all of the keys are there. */
  wait(keys: readonly string[], options: { timeoutMs: number }): void {
    native.storeWait(this.handle, keys, options.timeoutMs);
  }

  /** Adds to the number under the key, 0 at first, and returns the sum. */
  add(key: string, amount: number): number {
    return native.storeAdd(this.handle, key, amount);
  }

  delete(key: string): boolean {
    return native.storeDelete(this.handle, key);
  }

  /**
   * Writes "<count> <phase>" under the key over and over, also while this thread stands in a collective; and has it give that up when
   * something is written under the key `over`, or the store is gone.
   */
  beat(key: string, { over, intervalMs }: { over: string; intervalMs: number }): Heartbeat {
    return new Heartbeat(native.heartbeatStart(this.handle, key, over, intervalMs));
  }

  /**
   * Connects `size` processes: over Gloo for tensors of the CPU and, with a `cudaDevice`, the number of the GPU that this process
   * uses, over NCCL for tensors of GPUs. `at` is a network interface or an address of this machine that the others reach.
   */
  connect(options: ConnectOptions): Group {
    const { rank, size, timeoutMs, at, cudaDevice = noDevice, heartbeat } = options;
    return new Group(native.groupOpen(this.handle, rank, size, timeoutMs, at, cudaDevice, heartbeat.handle));
  }
}

export interface ConnectOptions {
  readonly rank: number;
  readonly size: number;
  readonly timeoutMs: number;
  readonly at: string;
  readonly cudaDevice?: number | undefined;
  readonly heartbeat: Heartbeat;
}

const noDevice = -1;

/** Tells the other processes that this one lives. */
export class Heartbeat extends Held {
  /** What this process is doing, in words. */
  set phase(phase: string) {
    native.heartbeatPhase(this.handle, phase);
  }
}

/** A collective under way. */
export class Work extends Held {
  isCompleted(): boolean {
    return native.workIsCompleted(this.handle);
  }

  /**
   * Waits for its end and returns how many milliseconds it took from its start. Closes the work. Of tensors on a GPU only the
   * GPU waits, and what is queued on it from now on finds the data: the milliseconds are those that queueing took the host.
   */
  wait(): number {
    return native.workWait(this.handle);
  }
}

/** Collectives on contiguous tensors of one device. Each process must call the same ones in the same order. */
export class Group extends Held {
  /** `output` becomes every process' `input` in the order of ranks. */
  allGather(output: Tensor, input: Tensor): Work {
    return new Work(native.allGather(this.handle, output.handle, input.handle));
  }

  /** `output` becomes this rank's part of the sum of all inputs. */
  reduceScatter(output: Tensor, input: Tensor): Work {
    return new Work(native.reduceScatter(this.handle, output.handle, input.handle));
  }

  /** The tensor becomes the sum over all processes. */
  allReduce(tensor: Tensor): Work {
    return new Work(native.allReduce(this.handle, tensor.handle));
  }

  /** The tensors become those of the root. */
  broadcast(tensors: readonly Tensor[], options: { root: number }): void {
    const handles = tensors.map((tensor) => tensor.handle);
    native.broadcast(this.handle, handles, options.root);
  }

  /** PyTorch's engine of DistributedDataParallel over these parameters. */
  reducer(parameters: readonly Tensor[], options: { firstBucketBytes: number; bucketBytes: number }): Reducer {
    const handles = parameters.map((parameter) => parameter.handle);
    return new Reducer(native.reducerOpen(this.handle, handles, options.firstBucketBytes, options.bucketBytes));
  }

  gatherings(): Gatherings {
    return new Gatherings(native.gatherOpen(this.handle));
  }
}

/** Gathers that backward goes through, of one name. Each process must call and backward through the same ones in the same order. */
export class Gatherings extends Held {
  /** Every process' tensor [b, ...] in the order of ranks, [K b, ...]. Its gradient is the sum of what all processes send back. */
  gather(tensor: Tensor): Tensor {
    return new Tensor(native.gather(this.handle, tensor.handle));
  }

  /** What was gathered and sent back since this was last asked. */
  counts(): { calls: number; bytes: number; milliseconds: number } {
    const [calls, bytes, milliseconds] = native.gatherCounts(this.handle);
    return { calls, bytes, milliseconds };
  }
}

/** Averages gradients over all processes, bucket by bucket, while backward runs. */
export class Reducer extends Held {
  /** The next backward reduces; one without this before it only adds to the gradients. */
  prepare(): void {
    native.reducerPrepare(this.handle);
  }

  /** After that backward: what it sent. An error when a parameter got no gradient. */
  finish(): { buckets: number; bytes: number; milliseconds: number; exposedMilliseconds: number } {
    const [buckets, bytes, milliseconds, exposedMilliseconds] = native.reducerFinish(this.handle);
    return { buckets, bytes, milliseconds, exposedMilliseconds };
  }
}
