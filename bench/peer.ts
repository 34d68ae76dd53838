// Python beside which a benchmark measures: the engine's version of torch, and packages from PyPI in a cache folder.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { cudaStubs } from "../scripts/setup/cuda-stubs.mjs";
import { locateEngine } from "../src/native/locate.ts";

/** A Python that has what was asked for: spawn `python` with `env`. */
export interface PythonPeer {
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What `import torch` itself imports; the CUDA packages that torch also names are not needed on a CPU. */
const torchPackages = ["typing_extensions==4.16.0", "numpy==2.4.6"];

/**
 * Installs the pinned `packages` (`name==version`, dependencies named too: none is followed) once into the cache folder of the
 * user. With `torch`, Python imports the version of torch that the engine has. FASTCLIP_PYTHON names another Python than `python3`.
 */
export function pythonPeer(options: { packages?: readonly string[]; torch?: boolean }): PythonPeer {
  const python = process.env["FASTCLIP_PYTHON"] ?? "python3";
  const packages = [...(options.packages ?? []), ...(options.torch ? torchPackages : [])];
  const path = packages.length > 0 ? [installed(python, packages)] : [];
  const env = { ...process.env };
  if (options.torch) {
    const torch = torchFor(python);
    path.push(dirname(torch));
    Object.assign(env, cudaStubs(join(torch, "lib", "libtorch_python.so"), { folder: cacheRoot(), env }));
  }
  env["PYTHONPATH"] = path.join(":");
  return { python, env };
}

function cacheRoot(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "fastclip", "bench");
}

/** A folder of the cache that is named by its kind and by what it holds. */
export function cacheFolder(kind: string, content: string): string {
  return join(cacheRoot(), `${kind}-${createHash("sha256").update(content).digest("hex").slice(0, 12)}`);
}

/** Fills a folder under another name first, so that one that is there is whole. */
export function once(folder: string, fill: (partial: string) => void): string {
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    fill(partial);
    if (!existsSync(folder)) renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

function installed(python: string, packages: readonly string[]): string {
  const version = execFileSync(python, ["-c", "import sys; print(sys.version_info[:2])"], { encoding: "utf8" });
  return once(cacheFolder("packages", `${version}${[...packages].sort().join()}`), (folder) =>
    pipInstall(python, folder, packages),
  );
}

function pipInstall(python: string, folder: string, packages: readonly string[]): void {
  console.error(`installing ${packages.join(" ")} for the Python peer ...`);
  const quiet = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "--no-compile", "--no-deps"];
  execFileSync(python, ["-m", "pip", "install", ...quiet, "--target", folder, ...packages], { stdio: "inherit" });
}

/** The engine's own torch; where its wheel was made for another Python than this one, the same version for this one. */
function torchFor(python: string): string {
  const { torch, version } = locateEngine();
  const script = "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))";
  const suffix = execFileSync(python, ["-c", script], { encoding: "utf8" }).trim();
  if (existsSync(join(torch, `_C${suffix}`))) return torch;
  const folder = once(cacheFolder("torch", version + suffix), (partial) => {
    pipInstall(python, partial, [`torch==${version}`]);
    // The two CUDA libraries that the CPU's library links are looked for beside the torch folder.
    const cuda = join(dirname(torch), "nvidia");
    if (existsSync(cuda)) symlinkSync(cuda, join(partial, "nvidia"));
  });
  return join(folder, "torch");
}

/** A process that answers each line of JSON with one, so that both sides of a benchmark take turns in one run. */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #lines: Interface;
  readonly #replies: AsyncIterator<string>;

  /** `child` reads requests from standard input and prints replies to standard output, both of which are pipes. */
  constructor(child: ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    this.#lines = createInterface({ input: child.stdout! });
    this.#replies = this.#lines[Symbol.asyncIterator]();
  }

  async ask<Reply>(request: unknown): Promise<Reply> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const reply = await this.#replies.next();
    if (reply.done) throw new Error(`${this.#name} ended before it answered`);
    return JSON.parse(reply.value) as Reply;
  }

  close(): void {
    this.#child.stdin!.end();
    this.#lines.close();
  }
}

/** A Python script in a process of its own. */
export class PeerProcess extends LineProcess {
  constructor(peer: PythonPeer, script: string, args: readonly string[] = []) {
    const command = ["-u", script, ...args];
    super(spawn(peer.python, command, { env: peer.env, stdio: ["pipe", "pipe", "inherit"] }), "the Python peer");
  }
}
