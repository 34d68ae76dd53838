// The process as the engine sees it: seeds, threads, devices, memory.
import { native } from "../native/addon.ts";
import { Tensor } from "./ops.generated.ts";

/** Seeds the default random generators of all devices. */
export function manualSeed(seed: number): void {
  native.manualSeed(seed);
}

/** The state of the default CPU generator, uint8. */
export function rngState(): Tensor {
  return new Tensor(native.rngState());
}

export function setRngState(state: Tensor): void {
  native.setRngState(state.handle);
}

/** How many threads one operator may use. */
export function setThreads(threads: number): void {
  native.setThreads(threads);
}

export function threads(): number {
  return native.threads();
}

/** The threads that the addon's own kernels run on: as many, or one where they were not built with libtorch's OpenMP. */
export function kernelThreads(): number {
  return native.kernelThreads();
}

/**
 * Runs it with numbers below the least normal one (float32: 1.2e-38) as 0, in operators and in JavaScript. A CPU takes many times as
 * long for such numbers.
 */
export function withoutDenormals<T>(run: () => T): T {
  native.flushDenormals(true);
  try {
    return run();
  } finally {
    native.flushDenormals(false);
  }
}

/** Tensors alive in this thread, freed ones not counted. */
export function liveTensors(): number {
  return native.liveTensors();
}

/** Bytes of CPU tensors in this process: in use, kept for reuse, and the most ever in use. All 0 with FASTCLIP_ALLOCATOR=system. */
export function tensorMemory(): { used: number; cached: number; peak: number } {
  const [used, cached, peak] = native.memory();
  return { used, cached, peak };
}

export function resetPeakMemory(): void {
  native.resetPeakMemory();
}

/** Gives memory that is kept for reuse back to the system. */
export function emptyCache(): void {
  native.emptyCache();
}

/**
 * From now on the kernel kills this process when the one that started it has ended, also while a tensor call blocks this thread.
 * Whoever calls this then checks that its parent is still there.
 */
export function endWithParent(): void {
  native.endWithParent();
}

export interface EngineInfo {
  /** Of libtorch. */
  readonly version: string;
  /** The vector instructions that it uses on this CPU. */
  readonly cpuCapability: string;
  readonly cudaDevices: number;
  /** Whether collectives on CUDA tensors are built in. */
  readonly nccl: boolean;
}

export function engineInfo(): EngineInfo {
  return {
    version: native.version(),
    cpuCapability: native.cpuCapability(),
    cudaDevices: native.cudaDevices(),
    nccl: native.hasNccl(),
  };
}
