// Loading libtorch's CUDA libraries on a machine without NVIDIA's.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * The environment in which `library` loads. The wheel's libtorch_cuda wants 2 GB of CUDA libraries to be loaded even when no GPU is
 * used. For those that are missing, empty libraries stand in, made once below `folder`, and a preloaded one defines their symbols;
 * what runs on the CPU calls none of them. Nothing when none is missing.
 */
export function cudaStubs(library, { folder, env = process.env }) {
  const report = lddReport(library);
  const missing = [...new Set([...report.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]))];
  if (missing.length === 0) return {};
  const undefinedSymbols = [...report.matchAll(/undefined symbol: ([A-Za-z0-9_]+)/g)].map((match) => match[1]);
  // Those of Python and Node are undefined too; the program that loads the library has them.
  const symbols = [...new Set(undefinedSymbols)].filter((name) => !/^(_?Py|napi_|node_api_)/.test(name)).sort();
  const source = symbols.map((name) => `void *${name}[8];\n`).join("");
  const hash = createHash("sha256")
    .update(missing.join() + source)
    .digest("hex")
    .slice(0, 12);
  const stubs = join(folder, `cuda-stubs-${hash}`);
  if (!existsSync(stubs)) compileStubs(stubs, { missing, source });
  const before = (first, rest) => [first, rest].filter(Boolean).join(":");
  return {
    LD_LIBRARY_PATH: before(stubs, env.LD_LIBRARY_PATH),
    LD_PRELOAD: before(join(stubs, "symbols.so"), env.LD_PRELOAD),
  };
}

/** Fills a folder under another name first, so that one that is there is whole. */
function compileStubs(folder, { missing, source }) {
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    compileLibrary(source, join(partial, "symbols.so"));
    for (const name of missing) compileLibrary("", join(partial, name));
    if (!existsSync(folder)) renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

function compileLibrary(source, target) {
  const options = ["-shared", "-fPIC", "-w", `-Wl,-soname,${basename(target)}`, "-x", "c", "-", "-o", target];
  execFileSync(process.env.CC ?? "cc", options, { input: source });
}

/** What a library needs, and which symbols nothing defines. */
function lddReport(library) {
  try {
    return execFileSync("ldd", ["-r", library], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    return String(error.stdout ?? "");
  }
}
