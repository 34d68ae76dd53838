#!/usr/bin/env node
// Builds the addon as a machine with NVIDIA GPUs builds it, with c10d's process group over NCCL, and tests what of it can be tested
// without one: that it compiles and links, and that processes still communicate over Gloo with it.
import { join, resolve } from "node:path";
import { buildAddon, planAddon, writeEngine } from "./setup/addon.mjs";
import { cudaStubs } from "./setup/cuda-stubs.mjs";
import { withLock } from "./setup/lock.mjs";
import { prepareBuild } from "./setup/prepare.mjs";
import { capture, mustRun } from "./setup/process.mjs";
import { Report, SetupError } from "./setup/report.mjs";
import { cachedTorch, newestTorch } from "./setup/torch.mjs";
import { installCudaHeaders, installTorch } from "./setup/torch-install.mjs";

const root = resolve(import.meta.dirname, "..");
const tested = ["src/distributed/process-group.test.ts", "src/distributed/gradient-reduction.test.ts"];

try {
  process.exitCode = await main(process.argv[2] ?? newestTorch);
} catch (error) {
  console.error(`test-nccl: ${error instanceof SetupError ? error.message : error.stack}`);
  process.exitCode = 1;
}

async function main(version) {
  const build = join(root, "build", `test-nccl-${version}`);
  const engine = join(build, "engine.json");
  const report = new Report();
  const onWait = (pid) => report.note("build", `process ${pid} works in ${build}; waiting for it ...`);
  const addon = await withLock(join(build, "setup.lock"), onWait, () =>
    bringUp(report, { version, build, engine, onWait }),
  );
  const env = { ...cudaStubs(addon, { folder: build }), FASTCLIP_ENGINE: engine };
  await report.step("load", "loading the addon", () => checkLoads(addon, { build, env }));
  const { code } = await capture("npx", ["vitest", "run", ...tested], { cwd: root, env, passOutput: true });
  return code;
}

async function bringUp(report, { version, build, engine, onWait }) {
  await prepareBuild(report, { root, build });
  const torch = cachedTorch(version, "cpu") ?? (await installTorch({ version, device: "cpu", build, onWait }));
  let headers;
  await report.step("headers", "looking for those of NCCL and CUDA (about 220 MB to download)", async () => {
    headers = await installCudaHeaders({ torch, build, onWait });
    return `in ${headers}`;
  });
  const plan = planAddon({ root, build, torch: { ...torch, cuda: true }, cudaHeaders: [headers] });
  if (!plan.upToDate) {
    await report.step("addon", `building with NCCL against torch ${version}`, async () => {
      await buildAddon(plan);
      return `built in ${plan.folder}`;
    });
  }
  await report.step("symbols", "comparing", () => checkSymbols(plan.product, { torch, build }));
  writeEngine(engine, plan);
  return plan.product;
}

/** What the addon takes of NCCL's process group must be what libtorch_cuda.so has, and that must be loaded with it. */
async function checkSymbols(addon, { torch, build }) {
  const library = "libtorch_cuda.so";
  const list = (what, args) => mustRun(`reading the symbols of ${what}`, "nm", args, { log: join(build, "nm.log") });
  const ofNccl = (text) => text.match(/\S*ProcessGroupNCCL\S*/g) ?? [];
  const taken = ofNccl(await list("the addon", ["-D", "--undefined-only", addon]));
  const path = join(torch.dir, "lib", library);
  const offered = new Set(ofNccl(await list(library, ["-D", "--defined-only", path])));
  const missing = taken.filter((name) => !offered.has(name));
  if (taken.length === 0) throw new SetupError(`${addon} takes nothing of c10d's ProcessGroupNCCL.`);
  if (missing.length > 0) throw new SetupError(`${library} has no ${missing.join(", ")}.`);
  const needed = await mustRun("readelf", "readelf", ["-d", addon], { log: join(build, "readelf.log") });
  if (!needed.includes(`[${library}]`)) throw new SetupError(`${addon} does not load ${library}.`);
  return `${taken.length} of ProcessGroupNCCL, all in ${library}`;
}

async function checkLoads(addon, { build, env }) {
  const script = `console.log(require(${JSON.stringify(addon)}).hasNccl())`;
  const output = await mustRun("loading the addon", process.execPath, ["-e", script], {
    env,
    log: join(build, "load.log"),
  });
  if (output.trim() !== "true") throw new SetupError(`${addon} says of NCCL: ${output.trim()}`);
  return "with NCCL";
}
