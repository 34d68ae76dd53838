// The addon as TypeScript sees it. Tensors are handles here (numbers); src/tensor gives them a face.
import { createRequire } from "node:module";
import { chosenAllocator } from "./allocator.ts";
import { locateEngine } from "./locate.ts";
import { withShortWaits } from "./waiting.ts";

/** A tensor of this thread; one that was freed is refused, never mistaken for another. */
export type Handle = number;

/** What the C++ addon exports; see addon/*.cc, one file per block. */
export interface Addon {
  // dispatch.cc
  operator(name: string, overload: string): number;
  schema(name: string, overload: string): string;
  call(operator: number, ...args: unknown[]): unknown;

  // tensor.cc
  fromBuffer(memory: NodeJS.TypedArray, dtype: number, shape: readonly number[]): Handle;
  copyOut(tensor: Handle, target: NodeJS.TypedArray): void;
  shape(tensor: Handle): number[];
  strides(tensor: Handle): number[];
  dtype(tensor: Handle): number;
  device(tensor: Handle): string;
  numel(tensor: Handle): number;
  free(tensor: Handle): boolean;
  isAlive(tensor: Handle): boolean;
  liveTensors(): number;

  // autograd.cc
  backward(roots: readonly Handle[], gradients: readonly (Handle | null)[], retainGraph: boolean): void;
  grad(roots: readonly Handle[], inputs: readonly Handle[], gradients: readonly (Handle | null)[]): (Handle | null)[];
  gradOf(tensor: Handle): Handle | null;
  setGrad(tensor: Handle, gradient: Handle | null): void;
  setGradDType(tensor: Handle, dtype: number): void;
  requiresGrad(tensor: Handle): boolean;
  setRequiresGrad(tensor: Handle, requiresGrad: boolean): void;
  setGradMode(enabled: boolean): boolean;
  autocastEnter(device: string, dtype: number): void;
  autocastPause(device: string): void;
  autocastLeave(): void;
  autocastDType(device: string): number | null;

  // function.cc
  recordFunction(
    inputs: readonly Handle[],
    output: Handle,
    kept: readonly Handle[],
    derivative: (gradient: Handle, kept: readonly Handle[], wanted: readonly boolean[]) => readonly (Handle | null)[],
  ): Handle;

  // runtime.cc
  manualSeed(seed: number): void;
  rngState(): Handle;
  setRngState(state: Handle): void;
  setThreads(threads: number): void;
  threads(): number;
  kernelThreads(): number;
  flushDenormals(on: boolean): void;
  version(): string;
  cpuCapability(): string;
  hasAmx(): boolean;
  /** Of this CPU, and not switched off by ATEN_CPU_CAPABILITY. */
  hasAvx512BFloat16(): boolean;
  cudaDevices(): number;
  hasNccl(): boolean;
  useCachingAllocator(): void;
  memory(): [used: number, cached: number, peak: number];
  resetPeakMemory(): void;
  emptyCache(): void;
  endWithParent(): void;

  // profile.cc
  profileBegin(): void;
  profileEnd(): [names: string[], numbers: Float64Array];

  // store.cc
  closeObject(object: number): boolean;
  storeOpen(host: string, port: number, isServer: boolean, timeoutMs: number, prefix: string): number;
  storePort(store: number): number;
  storeSet(store: number, key: string, value: string): void;
  storeGet(store: number, key: string, timeoutMs: number): string;
  storeCheck(store: number, keys: readonly string[]): boolean;
  storeWait(store: number, keys: readonly string[], timeoutMs: number): void;
  storeAdd(store: number, key: string, amount: number): number;
  storeDelete(store: number, key: string): boolean;

  // heartbeat.cc
  heartbeatStart(store: number, key: string, overKey: string, intervalMs: number): number;
  heartbeatPhase(heartbeat: number, phase: string): void;

  // process-group.cc
  groupOpen(
    store: number,
    rank: number,
    size: number,
    timeoutMs: number,
    at: string,
    cudaDevice: number,
    heartbeat: number,
  ): number;
  allGather(group: number, output: Handle, input: Handle): number;
  reduceScatter(group: number, output: Handle, input: Handle): number;
  allReduce(group: number, tensor: Handle): number;
  broadcast(group: number, tensors: readonly Handle[], root: number): void;
  workWait(work: number): number;
  workIsCompleted(work: number): boolean;

  // reducer.cc
  reducerOpen(group: number, parameters: readonly Handle[], firstBucketBytes: number, bucketBytes: number): number;
  reducerPrepare(reducer: number): void;
  reducerFinish(reducer: number): [buckets: number, bytes: number, milliseconds: number, exposedMilliseconds: number];

  // gather.cc
  gatherOpen(group: number): number;
  gather(gathering: number, tensor: Handle): Handle;
  gatherCounts(gathering: number): [calls: number, bytes: number, milliseconds: number];

  // picture.cc
  resample(pixels: Uint8Array, width: number, height: number, resize: readonly number[], target: Uint8Array): void;
  toPlanes(pixels: Uint8Array, width: number, tables: Float32Array, mirrored: boolean, target: Float32Array): void;
  jpegVersion(): string;
  // These two only where jpegVersion() is not empty.
  jpegSize(file: Uint8Array): [width: number, height: number] | string;
  resampleJpeg(file: Uint8Array, resize: readonly number[], target: Uint8Array): string;

  // The rest only where hasAvx512BFloat16() is true.

  // activation.cc
  activate(x: Handle, bias: Handle, isQuick: boolean): Handle;
  activateBackward(gradient: Handle, x: Handle, bias: Handle, isQuick: boolean): Handle;

  // adamw.cc
  adamw(
    parameters: readonly Handle[],
    gradients: readonly Handle[],
    means: readonly Handle[],
    squares: readonly Handle[],
    steps: readonly Handle[],
    ...numbers: [rate: number, beta1: number, beta2: number, eps: number, decay: number, factor: number]
  ): void;

  // attention.cc
  canAttend(): boolean;
  attend(projected: Handle, heads: number, isCausal: boolean, starts: readonly number[] | undefined): Handle;
  attendBackward(
    gradient: Handle,
    projected: Handle,
    heads: number,
    isCausal: boolean,
    starts: readonly number[] | undefined,
  ): Handle[];

  // batch-norm.cc
  batchNormMoments(x: Handle): Handle;
  batchNormOutput(
    x: Handle,
    moments: Handle,
    weight: Handle,
    bias: Handle,
    eps: number,
    isRectified: boolean,
    shortcut: Handle | undefined,
  ): Handle;
  batchNormBackward(
    gradient: Handle,
    x: Handle,
    moments: Handle,
    weight: Handle,
    bias: Handle,
    eps: number,
    isRectified: boolean,
    output: Handle | undefined,
  ): [x: Handle, weight: Handle, bias: Handle, shortcut?: Handle];

  // contrast-statistics.cc, contrast.cc
  contrastStatistics(
    similarities: Handle,
    offset: number,
    own: readonly Handle[],
    others: readonly Handle[] | undefined,
  ): [rows: Handle, columns?: Handle];
  contrastTerms(
    similarities: Handle,
    offset: number,
    own: readonly Handle[],
    others: readonly Handle[] | undefined,
    pullsColumns: boolean,
  ): [sums: Handle, columnPull?: Handle];

  // norm.cc
  normOf(tensors: readonly Handle[]): number;

  // residual.cc
  normalize(
    x: Handle,
    weight: Handle,
    bias: Handle,
    eps: number,
    isRounded: boolean,
  ): [output: Handle, moments: Handle];
  normalizeBackward(
    gradient: Handle,
    x: Handle,
    moments: Handle,
    weight: Handle,
    passed: Handle,
  ): [x: Handle, weight: Handle, bias: Handle];
  addBranch(x: Handle, output: Handle, bias: Handle): Handle;

  // transpose.cc
  transposedCopy(matrix: Handle): [copy: Handle, sums: Handle];
}

function load(): Addon {
  const allocator = chosenAllocator();
  const engine = locateEngine();
  try {
    const addon = withShortWaits(() => createRequire(import.meta.url)(engine.addon) as Addon);
    // Before the first tensor is made.
    if (allocator === "caching") addon.useCachingAllocator();
    return addon;
  } catch (error) {
    throw new Error(`the engine ${engine.addon} does not load (${(error as Error).message}); run \`npm run setup\``);
  }
}

export const native: Addon = load();
