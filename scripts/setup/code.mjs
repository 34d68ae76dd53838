// The TypeScript of src/, compiled to dist/.
import { chmodSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { filesBelow, hashInputs, readJson, stamp, stampFits, unstamp } from "./files.mjs";
import { mustRun } from "./process.mjs";

const entry = "dist/cli/main.js";
const settings = ["tsconfig.json", "tsconfig.build.json"];

/** What `tsc` reads; `upToDate` says that nothing has changed since it last succeeded. */
export function planCode({ root, build }) {
  const compiler = readJson(join(root, "node_modules/typescript/package.json"))?.version ?? "";
  const sources = filesBelow(join(root, "src")).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  const inputs = hashInputs(root, [...sources.map((name) => join("src", name)), ...settings], [compiler]);
  const upToDate = existsSync(join(root, entry)) && stampFits(build, "code", inputs);
  return { root, build, sources, inputs, upToDate };
}

/** Compiles, drops what deleted sources left in dist/, and makes the command executable. */
export async function compileCode({ root, build, sources, inputs }) {
  unstamp(build, "code");
  removeOrphans(root, sources);
  // Without dist/ the compiler's memory of what it wrote there is wrong.
  if (!existsSync(join(root, entry))) rmSync(join(build, "tsc.tsbuildinfo"), { force: true });
  const tsc = join(root, "node_modules/.bin/tsc");
  await mustRun("tsc", tsc, ["-p", "tsconfig.build.json"], { cwd: root, log: join(build, "tsc.log") });
  chmodSync(join(root, entry), 0o755);
  stamp(build, "code", inputs);
}

function removeOrphans(root, sources) {
  const expected = new Set(sources.map((name) => name.replace(/\.ts$/, "")));
  for (const name of filesBelow(join(root, "dist"))) {
    if (!expected.has(name.replace(/(\.d\.ts|\.js)$/, ""))) rmSync(join(root, "dist", name));
  }
}
