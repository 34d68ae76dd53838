// The C++ addon, built by CMake and Ninja against one libtorch.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { filesBelow, hashInputs, readJson, stamp, stampFits, unstamp, writeWhole } from "./files.mjs";
import { mustRun } from "./process.mjs";
import { cudaIncludeFolders, runtimeFolders } from "./torch.mjs";

/** Where headers of libjpeg-turbo come to lie when it is installed after the addon was built. CMake finds them elsewhere too. */
const jpegHeaders = ["/usr", "/usr/local", "/opt/homebrew"].map((prefix) => join(prefix, "include/jpeglib.h"));

/**
 * What the addon is built from and where it goes. `upToDate` says that nothing has changed since it was built. For CUDA it has NCCL
 * where the headers are found; `cudaHeaders` are further folders with NVIDIA's wheels. It has libjpeg-turbo where that is found and
 * `libjpegTurbo` is not false.
 */
export function planAddon({ root, build, torch, cudaHeaders = [], libjpegTurbo = true }) {
  const folder = join(build, `torch-${torch.version}`);
  const headers = join(root, "node_modules/node-api-headers");
  const settings = {
    CMAKE_BUILD_TYPE: "Release",
    TORCH_DIR: torch.dir,
    NODE_API_HEADERS: join(headers, "include"),
    RUNTIME_DIRS: runtimeFolders(torch.dir).join(";"),
    CUDA: torch.cuda ? "ON" : "OFF",
    CUDA_INCLUDE_DIRS: torch.cuda ? cudaIncludeFolders(torch.dir, cudaHeaders).join(";") : "",
    LIBJPEG_TURBO: libjpegTurbo ? "ON" : "OFF",
  };
  const sources = filesBelow(join(root, "addon"));
  const found = jpegHeaders.filter((file) => existsSync(file));
  const inputs = hashInputs(join(root, "addon"), sources, [
    settings,
    found,
    process.versions.modules,
    readJson(join(headers, "package.json"))?.version ?? "",
  ]);
  const name = `addon-${torch.version}`;
  const product = join(folder, "fastclip.node");
  const upToDate = existsSync(product) && stampFits(build, name, inputs);
  return { root, build, torch, folder, settings, found, inputs, name, product, upToDate };
}

/** Configures when the settings changed, then compiles what changed. */
export async function buildAddon(plan) {
  unstamp(plan.build, plan.name);
  configureAnewIfChanged(plan);
  if (!existsSync(join(plan.folder, "build.ninja"))) {
    const defines = Object.entries(plan.settings).map(([key, value]) => `-D${key}=${value}`);
    const args = ["-G", "Ninja", "-S", join(plan.root, "addon"), "-B", plan.folder, ...defines];
    await mustRun("configuring the addon", "cmake", args, { log: join(plan.folder, "configure.log") });
  }
  await mustRun("building the addon", "cmake", ["--build", plan.folder], { log: join(plan.folder, "build.log") });
  stamp(plan.build, plan.name, plan.inputs);
}

/** What CMake found, of the libraries that the addon can do without. */
export function describeBuild({ folder }) {
  const cache = readFileSync(join(folder, "CMakeCache.txt"), "utf8");
  const without = /^JPEG_IS_TURBO:\S+=1$/m.test(cache) ? "" : ", without libjpeg-turbo: see docs/pictures.md";
  return `built in ${folder}${without}`;
}

/** CMake keeps answers of an earlier configuration, so another torch, or a clone that was moved, starts from nothing. */
function configureAnewIfChanged({ root, folder, settings, found }) {
  const file = join(folder, "settings.json");
  const wanted = JSON.stringify({ root, ...settings, found });
  if (JSON.stringify(readJson(file)) === wanted) return;
  rmSync(folder, { recursive: true, force: true });
  writeWhole(file, wanted);
}

/** Tells src/native where the engine is. */
export function writeEngine(path, plan) {
  if (!engineFits(path, plan)) writeWhole(path, `${JSON.stringify(engineOf(plan), null, 2)}\n`);
}

/** Whether the file names the engine that the plan makes. */
export function engineFits(path, plan) {
  return JSON.stringify(readJson(path)) === JSON.stringify(engineOf(plan));
}

function engineOf({ product, torch }) {
  return { addon: product, torch: torch.dir, version: torch.version, cuda: torch.cuda };
}
