#!/usr/bin/env node
// Brings a clone into working order: packages, libtorch, the addon, the compiled code. Steps whose inputs have not changed are skipped.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildAddon, describeBuild, engineFits, planAddon, writeEngine } from "./setup/addon.mjs";
import { compileCode, planCode } from "./setup/code.mjs";
import { withLock } from "./setup/lock.mjs";
import { installPackages, packagesLack } from "./setup/packages.mjs";
import { Report, SetupError } from "./setup/report.mjs";
import { checkTools } from "./setup/tools.mjs";
import { cachedTorch, hasNvidiaGpu, newestTorch, torchOfUser } from "./setup/torch.mjs";
import { installTorch } from "./setup/torch-install.mjs";

const help = `Usage: node scripts/setup.mjs [options]

  --quiet          print only what is done, nothing when all is up to date
  --device KIND    cpu or cuda; without it cuda when this machine has an NVIDIA GPU

Environment:
  FASTCLIP_TORCH   a torch package folder to use instead of installing one
  XDG_CACHE_HOME   where the installed torch is kept (fastclip/ in it); default ~/.cache
  CXX              the C++ compiler
`;

const root = resolve(import.meta.dirname, "..");
const build = join(root, "build");
const engineFile = join(build, "engine.json");

try {
  await main();
} catch (error) {
  console.error(`setup: ${error instanceof SetupError ? error.message : error.stack}`);
  process.exit(1);
}

async function main() {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(help);
    return;
  }
  const start = performance.now();
  const report = new Report({ quiet: options.quiet });
  const device = options.device ?? ((await hasNvidiaGpu()) ? "cuda" : "cpu");
  const state = inspect(device);
  if (Object.values(state.todo).some(Boolean)) {
    const onWait = (pid) => report.note("setup", `process ${pid} is setting up this clone too; waiting for it ...`);
    await withLock(join(build, "setup.lock"), onWait, () => bringUp(report, device));
  } else {
    report.kept("torch", `${state.torch.version} in ${state.torch.dir}: ${state.torch.why}`);
  }
  const milliseconds = performance.now() - start;
  report.kept("setup", "all is ready", milliseconds);
  // Read by the quickstart, which reports what each part of it took.
  writeFileSync(join(build, "setup.json"), `${JSON.stringify({ seconds: milliseconds / 1000 })}\n`);
}

function readOptions() {
  const flags = { quiet: { type: "boolean" }, device: { type: "string" }, help: { type: "boolean", short: "h" } };
  try {
    const { values } = parseArgs({ options: flags });
    if (values.device === undefined || ["cpu", "cuda"].includes(values.device)) return values;
    throw new SetupError(`--device is cpu or cuda, not ${values.device}.`);
  } catch (error) {
    throw error.code?.startsWith("ERR_PARSE_ARGS") ? new SetupError(`${error.message}\n${help}`) : error;
  }
}

/** What is there and what has to be done, without doing any of it. */
function inspect(device) {
  const named = process.env.FASTCLIP_TORCH;
  const torch = named ? torchOfUser(named, device) : cachedTorch(newestTorch, device);
  const packages = packagesLack(root);
  const addon = torch && planAddon({ root, build, torch });
  const todo = {
    packages,
    torch: torch === undefined,
    addon: !addon?.upToDate,
    code: packages !== undefined || !planCode({ root, build }).upToDate,
    engine: !addon || !engineFits(engineFile, addon),
  };
  return { torch, todo };
}

/** Does what is left, two things at a time where neither needs the other. */
async function bringUp(report, device) {
  const { todo, torch: there } = inspect(device);
  if (todo.packages || todo.torch || todo.addon) {
    await report.step("tools", "looking for what set-up needs", checkTools);
  }
  const packages = todo.packages ? bringPackages(report, todo.packages) : Promise.resolve();
  const torch = there ? Promise.resolve(there) : bringTorch(report, device);
  if (there) report.note("torch", `${there.version} in ${there.dir}: ${there.why}`);
  await allOrErrors([
    packages,
    torch,
    packages.then(() => todo.code && bringCode(report)),
    Promise.all([packages, torch]).then(([, found]) => bringAddon(report, found)),
  ]);
}

function bringPackages(report, why) {
  return report.step("packages", `npm ci, because ${why}`, async () => {
    await installPackages(root, build);
    return "installed from package-lock.json";
  });
}

async function bringTorch(report, device) {
  const size = { cpu: "0.6 GB to download, 1.3 GB on disk", cuda: "3 GB to download, 4 GB on disk" }[device];
  const onWait = (pid) => report.note("torch", `process ${pid} is installing the same torch; waiting for it ...`);
  let torch;
  await report.step("torch", `installing ${newestTorch} for ${device} (about ${size})`, async () => {
    torch = await installTorch({ version: newestTorch, device, build, onWait });
    return `${torch.version} installed in ${torch.dir}: ${torch.why}`;
  });
  return torch;
}

async function bringAddon(report, torch) {
  // Planned only now: the paths of torch and of the Node-API headers are inputs.
  const plan = planAddon({ root, build, torch });
  if (!plan.upToDate) {
    await report.step("addon", "building", async () => {
      await buildAddon(plan);
      return describeBuild(plan);
    });
  }
  writeEngine(engineFile, plan);
}

function bringCode(report) {
  return report.step("code", "compiling src/ to dist/", async () => {
    await compileCode(planCode({ root, build }));
    return "src/ compiled to dist/";
  });
}

/** Waits for all, so that no step is cut off by the failure of another, then throws what went wrong. */
async function allOrErrors(promises) {
  const errors = (await Promise.allSettled(promises)).flatMap((result) => result.reason ?? []);
  const distinct = [...new Set(errors)];
  if (distinct.length === 0) return;
  throw distinct.length === 1 ? distinct[0] : new SetupError(distinct.map((error) => error.message).join("\n\n"));
}
