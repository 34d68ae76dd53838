// The addon as TypeScript sees it. Tensors are handles here (numbers); src/tensor gives them a face.
import { createRequire } from "node:module";
import { locateEngine } from "./locate.ts";

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
  requiresGrad(tensor: Handle): boolean;
  setRequiresGrad(tensor: Handle, requiresGrad: boolean): void;
  setGradMode(enabled: boolean): boolean;
  autocastEnter(device: string, dtype: number): void;
  autocastLeave(): void;

  // runtime.cc
  manualSeed(seed: number): void;
  rngState(): Handle;
  setRngState(state: Handle): void;
  setThreads(threads: number): void;
  threads(): number;
  version(): string;
  cpuCapability(): string;
  cudaDevices(): number;
  memory(): [used: number, cached: number, peak: number];
  resetPeakMemory(): void;
  emptyCache(): void;
}

function load(): Addon {
  const engine = locateEngine();
  try {
    return createRequire(import.meta.url)(engine.addon) as Addon;
  } catch (error) {
    throw new Error(`the engine ${engine.addon} does not load (${(error as Error).message}); run \`npm run setup\``);
  }
}

export const native: Addon = load();
