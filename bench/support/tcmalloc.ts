// tcmalloc for a peer: the system's, or Debian's package unpacked into the benches' cache folder.
import { type ExecFileSyncOptions, execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, once } from "../peer.ts";

const packageName = "libtcmalloc-minimal4";
const library = /^libtcmalloc(_minimal)?\.so\.4$/;

/** The path of the library, for LD_PRELOAD. Throws where the system has none and Debian's package cannot be had. */
export function tcmalloc(): string {
  return installed() ?? unpacked();
}

function installed(): string | undefined {
  const known = execFileSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" });
  return /(\S+libtcmalloc(?:_minimal)?\.so\.4)$/m.exec(known)?.[1];
}

function unpacked(): string {
  const folder = once(cacheFolder("tcmalloc", packageName), (partial) => {
    console.error(`fetching ${packageName} for the Python peer ...`);
    const options: ExecFileSyncOptions = { cwd: partial, stdio: ["ignore", "ignore", "pipe"] };
    execFileSync("apt-get", ["download", packageName], options);
    const archive = readdirSync(partial).find((name) => name.endsWith(".deb"))!;
    execFileSync("dpkg-deb", ["--extract", archive, "."], options);
  });
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const found = files.find((path) => library.test(path.slice(path.lastIndexOf("/") + 1)));
  if (found === undefined) throw new Error(`${folder}: ${packageName} holds no libtcmalloc.so.4`);
  return join(folder, found);
}
