// What `fastclip doctor` looks at in the engine. It is imported only inside of a check, since an engine may be missing or broken.

import { chosenAllocator } from "../native/allocator.ts";
import { type Engine, locateEngine } from "../native/locate.ts";
import type * as Tensors from "../tensor/index.ts";
import { type Check, nvidiaDevices, ok, problem, usableCores } from "./doctor-checks.ts";

const setUp = "run `npm run setup`";

/** The loaded engine, or why there is none. */
type Loaded = { readonly tensors: typeof Tensors } | { readonly error: Error };

/** Where set-up put the engine, or why that is not known. */
type Located = { readonly engine: Engine } | { readonly error: Error };

export function findEngine(): Located {
  try {
    return { engine: locateEngine() };
  } catch (error) {
    return { error: error as Error };
  }
}

async function loadEngine(): Promise<Loaded> {
  try {
    return { tensors: await import("../tensor/index.ts") };
  } catch (error) {
    return { error: error as Error };
  }
}

/** The checks of the engine, as far as they make sense: without an engine there is no matmul to check. */
export async function checkEngine(): Promise<Check[]> {
  const located = findEngine();
  if ("error" in located) return [problem("torch", located.error.message, setUp)];
  const { engine } = located;
  const torch = ok("torch", `${engine.version} in ${engine.torch}`);
  const allocator = checkAllocator();
  if (allocator.status === "problem") return [torch, allocator];
  const loaded = await loadEngine();
  if ("error" in loaded) return [torch, problem("addon", loaded.error.message, setUp)];
  const { tensors } = loaded;
  return [
    torch,
    checkAddon(engine, tensors.engineInfo()),
    allocator,
    checkDevices(engine, tensors.engineInfo().cudaDevices),
    checkCollectives(tensors.engineInfo()),
    checkThreads(tensors.threads()),
    checkKernels(tensors.threads(), tensors.kernelThreads()),
    checkMatmul(tensors, "float32"),
    checkMatmul(tensors, "bfloat16"),
  ];
}

function checkAddon(engine: Engine, { version, cpuCapability }: { version: string; cpuCapability: string }): Check {
  if (!version.startsWith(engine.version))
    return problem("addon", `built for torch ${engine.version}, but torch ${version} was loaded`, setUp);
  return ok("addon", `loads; torch ${version} uses ${cpuCapability}`);
}

/** What the environment chooses; with a value that is not known the addon is not loaded. */
function checkAllocator(): Check {
  try {
    return ok("allocator", chosenAllocator());
  } catch (error) {
    return problem("allocator", (error as Error).message, "set it to one of these, or unset it");
  }
}

export function checkDevices(
  engine: Pick<Engine, "cuda">,
  cudaDevices: number,
  nvidia: number = nvidiaDevices(),
): Check {
  if (cudaDevices > 0) return ok("devices", `cpu and ${cudaDevices} × cuda`);
  if (nvidia === 0) return ok("devices", "cpu; no NVIDIA GPU is here");
  const found = `${nvidia} NVIDIA GPU${nvidia === 1 ? " is" : "s are"} here, but the engine sees none`;
  return problem("devices", found, engine.cuda ? "update the NVIDIA driver" : `${setUp}: it installs torch for CUDA`);
}

/** What several processes communicate over. */
export function checkCollectives({ cudaDevices, nccl }: { cudaDevices: number; nccl: boolean }): Check {
  if (nccl) return ok("processes", "several communicate over Gloo, on GPUs over NCCL");
  if (cudaDevices === 0) return ok("processes", "several communicate over Gloo; NCCL is not built in");
  const mend = `install nvidia-cuda-crt and nvidia-cuda-cccl, of torch's CUDA version, beside torch and ${setUp}`;
  return problem("processes", "several cannot communicate on GPUs: NCCL is not built in", mend);
}

export function checkThreads(threads: number, cores: number = usableCores()): Check {
  const found = `${threads} for ${cores} core${cores === 1 ? "" : "s"}`;
  if (threads <= cores) return ok("threads", found);
  return problem("threads", `${found}: they will wait for each other`, `set OMP_NUM_THREADS=${cores}`);
}

/** Whether the addon's own kernels run on all threads. */
export function checkKernels(threads: number, kernelThreads: number): Check {
  if (kernelThreads === threads) return ok("kernels", `run on ${threads} thread${threads === 1 ? "" : "s"}`);
  const found = `run on ${kernelThreads} of ${threads} threads: they were built without libtorch's OpenMP`;
  return problem("kernels", found, "remove build/ and run `CXX=g++ npm run setup`");
}

/** Relative error that one rounding to the type may bring; the sums themselves are in float32. */
const precision = { float32: 2 ** -24, bfloat16: 2 ** -8 };
const size = 64;

/**
 * Multiplies two matrices of small integers, which bfloat16 holds exactly, and compares with JavaScript. The entries of the
 * product are below 2^24, so float32 must be exact and bfloat16 right but for the rounding of the result.
 */
export function checkMatmul(tensors: typeof Tensors, dtype: "float32" | "bfloat16"): Check {
  const name = `matmul ${dtype}`;
  const entry = (row: number, column: number): number => ((row * 7 + column * 5) % 17) - 8;
  const matrix = Array.from({ length: size * size }, (_, index) => entry(Math.floor(index / size), index % size));
  const rebuild = "remove build/ and the torch it names, then run `npm run setup`";
  let product: number[];
  try {
    product = tensors.scope(() => {
      const a = tensors.tensor(matrix, { shape: [size, size], dtype });
      return a.matmul(a).to("float32").toArray();
    });
  } catch (error) {
    return problem(name, (error as Error).message, rebuild);
  }
  const wrong = matrix.filter((_, index) => !isClose(product[index], multiply(matrix, index), precision[dtype])).length;
  if (wrong === 0) return ok(name, `${size} x ${size} agrees with JavaScript`);
  return problem(name, `${wrong} of ${matrix.length} entries are wrong`, rebuild);
}

/** One entry of the square of the matrix. */
function multiply(matrix: readonly number[], index: number): number {
  const row = Math.floor(index / size);
  const column = index % size;
  let sum = 0;
  for (let k = 0; k < size; k++) sum += matrix[row * size + k]! * matrix[k * size + column]!;
  return sum;
}

function isClose(value: number | undefined, expected: number, relative: number): boolean {
  return value !== undefined && Math.abs(value - expected) <= relative * Math.abs(expected);
}
