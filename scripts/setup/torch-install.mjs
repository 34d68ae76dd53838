// Installing libtorch from the wheels on PyPI into the cache folder, whole or not at all.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { withLock } from "./lock.mjs";
import { capture, mustRun, undoAtExit } from "./process.mjs";
import { SetupError } from "./report.mjs";
import { cachedCudaHeaders, cachedFolder, cachedTorch } from "./torch.mjs";

/** Any Python that torch has wheels for would do: the C++ libraries are the same in all of them. */
const wheelPython = "3.12";
/** The download and the unpacked files, in gigabytes, with some room. */
const diskNeed = { cpu: 3, cuda: 12 };

/** Makes sure that the cache holds this torch. Set-ups that want the same one wait for the first. */
export async function installTorch({ version, device, build, onWait }) {
  const folder = cachedFolder(version, device);
  return await withLock(`${folder}.lock`, onWait, async () => {
    const other = cachedTorch(version, device);
    if (other) return other;
    removeLeftovers(folder);
    checkDisk(dirname(folder), diskNeed[device]);
    await installInto(folder, { version, device, build });
    const torch = cachedTorch(version, device);
    if (!torch)
      throw new SetupError(`pip installed torch ${version}, but ${folder} lacks lib/, include/ or version.py.`);
    return torch;
  });
}

function installInto(folder, { version, device, build }) {
  return wholeOrNotAtAll(folder, async (site, pip) => {
    await pip("torch", ["--no-deps", `torch==${version}`], join(build, "pip-torch.log"));
    const companions = companionsOf(metadataOf(site), device);
    // No --no-deps here: cuda-toolkit is an empty package whose extras name the libraries.
    if (companions.length > 0) await pip("torch's CUDA libraries", companions, join(build, "pip-companions.log"));
  });
}

/** Makes sure that the cache holds the CUDA headers of the versions that a torch names, and returns their folder. */
export async function installCudaHeaders({ torch, build, onWait }) {
  const folder = cachedCudaHeaders(torch.version);
  return await withLock(`${folder}.lock`, onWait, async () => {
    if (existsSync(folder)) return folder;
    removeLeftovers(folder);
    await wholeOrNotAtAll(folder, async (site, pip) => {
      const companions = companionsOf(metadataOf(dirname(torch.dir)), "headers");
      await pip("the CUDA headers", companions, join(build, "pip-cuda-headers.log"));
      removeLibraries(site);
    });
    return folder;
  });
}

/** Of NVIDIA's wheels the headers stay. */
function removeLibraries(site) {
  for (const name of readdirSync(join(site, "nvidia")))
    rmSync(join(site, "nvidia", name, "lib"), { recursive: true, force: true });
}

/** Everything is made in a temporary folder beside the final one, and moved there in one step. */
async function wholeOrNotAtAll(folder, fill) {
  const temporary = mkdtempSync(join(dirname(folder), `.${basename(folder)}.`));
  const remove = () => rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
  const forget = undoAtExit(() => quietly(remove));
  try {
    const site = join(temporary, "site");
    await fill(site, await pipInto(site, join(temporary, "tmp")));
    renameSync(site, folder);
  } finally {
    forget();
    quietly(remove);
  }
}

async function pipInto(site, tmp) {
  mkdirSync(tmp, { recursive: true });
  // `python3` may be a script of a version manager; killing that would leave the real one at work.
  const { output } = await capture("python3", ["-c", "import sys; print(sys.executable)"]);
  const python = output.trim();
  // A user's own pip settings (user = true, ...) must not clash with --target.
  const env = { TMPDIR: tmp, PIP_USER: "0", PIP_REQUIRE_VIRTUALENV: "0", PIP_NO_INPUT: "1" };
  const common = ["-m", "pip", "install", "--target", site, "--no-compile", "--disable-pip-version-check"];
  const wheels = ["--only-binary=:all:", "--python-version", wheelPython, "--progress-bar", "off"];
  return (what, args, log) => mustRun(`pip install of ${what}`, python, [...common, ...wheels, ...args], { env, log });
}

function metadataOf(site) {
  const info = readdirSync(site).find((name) => /^torch-.*\.dist-info$/.test(name));
  return readFileSync(join(site, info, "METADATA"), "utf8");
}

/** Parts of the CUDA toolkit: those that the CPU library of a CUDA build links, and those with the headers of NCCL's process group. */
const toolkitParts = { cpu: ["cudart", "cupti"], headers: ["cudart", "crt", "cccl"] };

/**
 * The pip requirements, out of torch's own metadata, for a device: a GPU needs all that torch names, and headers to compile
 * against. Or, for a build that is only tried, the "headers" alone.
 */
function companionsOf(metadata, device) {
  const requirements = [...metadata.matchAll(/^Requires-Dist: (.*)$/gm)].map((match) => match[1].trim());
  return requirements.flatMap((requirement) => {
    if (/extra\s*==/.test(requirement)) return [];
    const toolkit = requirement.match(/^cuda-toolkit\[([^\]]*)\](.*)$/);
    if (toolkit) {
      const named = toolkit[1].split(",");
      const parts = device === "cuda" ? new Set([...named, ...toolkitParts.headers]) : toolkitParts[device];
      return [`cuda-toolkit[${[...parts]}]${toolkit[2]}`];
    }
    const wanted = {
      cpu: /^nvidia-cuda-(runtime|cupti)\b/,
      headers: /^nvidia-(cuda-runtime|nccl)\b/,
      cuda: /^nvidia-/,
    };
    return wanted[device].test(requirement) ? [requirement] : [];
  });
}

/** Under the lock nobody else works on this torch, so what lies here unfinished was left by a set-up that was killed. */
function removeLeftovers(folder) {
  for (const name of readdirSync(dirname(folder))) {
    const leftover = name === basename(folder) || name.startsWith(`.${basename(folder)}.`);
    if (leftover) rmSync(join(dirname(folder), name), { recursive: true, force: true, maxRetries: 3 });
  }
}

function checkDisk(folder, gigabytes) {
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / 1e9;
  if (free >= gigabytes) return;
  throw new SetupError(
    `installing torch needs ${gigabytes} GB in ${folder}, and ${free.toFixed(1)} GB are free. XDG_CACHE_HOME names another place.`,
  );
}

/** Cleaning up is no reason to fail: what stays is removed by the next set-up. */
function quietly(action) {
  try {
    action();
  } catch {}
}
