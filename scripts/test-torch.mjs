#!/usr/bin/env node
// Builds the addon against another torch of the supported range, and without libjpeg-turbo, which not every machine has, and runs the
// tests of what stands on it directly.
import { join, resolve } from "node:path";
import { buildAddon, planAddon, writeEngine } from "./setup/addon.mjs";
import { withLock } from "./setup/lock.mjs";
import { prepareBuild } from "./setup/prepare.mjs";
import { capture } from "./setup/process.mjs";
import { Report, SetupError } from "./setup/report.mjs";
import { cachedTorch, isSupported, supported } from "./setup/torch.mjs";
import { installTorch } from "./setup/torch-install.mjs";

const root = resolve(import.meta.dirname, "..");
const tested = [
  "src/tensor",
  "src/data/image",
  "src/nn",
  "src/models",
  "src/losses",
  "src/optim",
  "src/distributed",
  "src/train/parity",
  "test/batch-norm",
];
const usage = `Usage: npm run test:torch -- VERSION [TEST...]
VERSION is a release of torch, for example 2.11.0; TEST is a part of a test file's path, default: ${tested.join(", ")}.`;

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`test-torch: ${error instanceof SetupError ? error.message : error.stack}`);
  process.exitCode = 1;
}

async function main([version, ...tests]) {
  if (!/^\d+\.\d+\.\d+$/.test(version ?? "")) throw new SetupError(usage);
  if (!isSupported(version))
    throw new SetupError(`torch ${version} is out of the range: fastclip supports ${supported()}.`);
  const build = join(root, "build", `test-torch-${version}`);
  const engine = join(build, "engine.json");
  const report = new Report();
  const onWait = (pid) => report.note("build", `process ${pid} works in ${build}; waiting for it ...`);
  await withLock(join(build, "setup.lock"), onWait, () => bringUp(report, { version, build, engine, onWait }));
  const args = ["vitest", "run", ...(tests.length > 0 ? tests : tested)];
  const { code } = await capture("npx", args, { cwd: root, env: { FASTCLIP_ENGINE: engine }, passOutput: true });
  return code;
}

async function bringUp(report, { version, build, engine, onWait }) {
  await prepareBuild(report, { root, build });
  let torch = cachedTorch(version, "cpu");
  if (!torch) {
    await report.step("torch", `installing ${version}`, async () => {
      torch = await installTorch({ version, device: "cpu", build, onWait });
      return `${version} installed in ${torch.dir}`;
    });
  }
  const plan = planAddon({ root, build, torch, libjpegTurbo: false });
  if (!plan.upToDate) {
    await report.step("addon", `building against torch ${version}`, async () => {
      await buildAddon(plan);
      return `built in ${plan.folder}`;
    });
  }
  writeEngine(engine, plan);
}
