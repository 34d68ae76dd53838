// Which libtorch this machine uses: the user's own, or one from the cache folder.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { capture } from "./process.mjs";
import { SetupError } from "./report.mjs";

/** The torch that set-up installs: the newest of the supported range. */
export const newestTorch = "2.15.0";
const range = { oldest: [2, 11], newest: [2, 15] };

/** The user's cache folder of fastclip, shared by all clones. */
function cacheFolder() {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG specification says that a relative path is to be ignored.
  return join(base && isAbsolute(base) ? base : join(homedir(), ".cache"), "fastclip");
}

/** Whether this machine has an NVIDIA GPU that a process here may use. */
export async function hasNvidiaGpu() {
  if (process.platform !== "linux") return false;
  if (readdirSync("/dev").some((name) => /^nvidia\d+$/.test(name))) return true;
  // Windows Subsystem for Linux has one device for all GPUs, so its driver must be asked.
  return existsSync("/dev/dxg") && (await capture("nvidia-smi", ["-L"])).code === 0;
}

/** Whether `version` ("2.11.0", perhaps with "+cu132") is one that the addon is built and tested with. */
export function isSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  const number = major * 1000 + minor;
  return number >= range.oldest[0] * 1000 + range.oldest[1] && number <= range.newest[0] * 1000 + range.newest[1];
}

/** The torch that FASTCLIP_TORCH names, checked. */
export function torchOfUser(named, device) {
  const folder = resolve(named);
  const dir = [folder, join(folder, "torch")].find(isTorch);
  if (!dir) {
    throw new SetupError(
      `FASTCLIP_TORCH=${named} is not a torch package: expected lib/, include/ and version.py in it, or in torch/ below it.`,
    );
  }
  const version = versionOf(dir);
  if (!isSupported(version)) {
    throw new SetupError(`FASTCLIP_TORCH=${named} is torch ${version}; fastclip supports ${supported()}.`);
  }
  const cuda = device === "cuda" && existsSync(join(dir, "lib/libtorch_cuda.so"));
  return { dir, version, cuda, why: "FASTCLIP_TORCH names it" };
}

/** The range in words. */
export function supported() {
  return `${range.oldest.join(".")} to ${range.newest.join(".")}`;
}

/** Where the cache keeps this version for this kind of machine. */
export function cachedFolder(version, device) {
  return join(cacheFolder(), `torch-${version}-${device}`);
}

/** Where the cache keeps the headers that a build against the CUDA libraries of this version needs, for machines without them. */
export function cachedCudaHeaders(version) {
  return join(cacheFolder(), `cuda-headers-${version}`);
}

/** The cached torch of a version and kind ("cpu" or "cuda"), or undefined when it has to be installed. */
export function cachedTorch(version, device) {
  const dir = join(cachedFolder(version, device), "torch");
  const why = device === "cuda" ? "an NVIDIA GPU is here" : "no NVIDIA GPU is here";
  return isTorch(dir) ? { dir, version, cuda: device === "cuda", why } : undefined;
}

/** Folders of the libraries that libtorch loads beside its own. */
export function runtimeFolders(torchDir) {
  const nvidia = join(torchDir, "../nvidia");
  if (!existsSync(nvidia)) return [];
  return readdirSync(nvidia)
    .map((name) => join(nvidia, name, "lib"))
    .filter((folder) => existsSync(folder));
}

/** One header of each wheel that c10d's process group over NCCL is compiled against. */
const cudaHeaders = ["nccl.h", "cuda_runtime_api.h", "crt/host_defines.h", "nv/target"];

/**
 * Include folders that together hold what NCCL's process group needs: of NVIDIA's wheels beside the torch package or in `further`
 * folders, or of the toolkit that CUDA_HOME names. None when something is missing: torch itself depends on no compiler headers.
 */
export function cudaIncludeFolders(torchDir, further = []) {
  const wheels = [join(torchDir, "../nvidia"), ...further.map((folder) => join(folder, "nvidia"))].filter(existsSync);
  const toolkits = wheels.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  if (process.env.CUDA_HOME) toolkits.push(process.env.CUDA_HOME);
  const folders = toolkits.map((folder) => join(folder, "include"));
  const found = cudaHeaders.map((header) => folders.find((folder) => existsSync(join(folder, header))));
  return found.includes(undefined) ? [] : [...new Set(found)];
}

function isTorch(dir) {
  return ["lib", "include/ATen/ATen.h", "version.py"].every((name) => existsSync(join(dir, name)));
}

/** The version without the build's mark ("+cu132"). */
function versionOf(dir) {
  const text = readFileSync(join(dir, "version.py"), "utf8");
  return text.match(/^__version__ = ['"](\d+\.\d+\.\d+[a-z\d.]*)/m)?.[1] ?? "of an unknown version";
}
