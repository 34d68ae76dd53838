// An unchanged torchrun starts our processes: its variables are understood, and they meet at the store that its agent serves.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { pythonPeer } from "../bench/peer.ts";

const run = promisify(execFile);
const script = join(import.meta.dirname, "children", "rank.ts");
const limitMs = 180_000; // the first time, Python's packages are installed

test("torchrun --no-python, and a start after a failure", async () => {
  const { python, env } = pythonPeer({ torch: true });
  const flags = ["--no-python", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"];
  const command = [process.execPath, "--import", "tsx", script, "rank 1 fails at first"];
  // Without "--" torchrun takes a --logs that follows the command for a short form of its own --logs-specs, and refuses it.
  const words = ["-m", "torch.distributed.run", ...flags, "--max-restarts", "1", "--", ...command, "--logs", "runs"];
  const { stdout } = await run(python, words, { env, timeout: limitMs, killSignal: "SIGTERM" });
  // Each gathered its rank and that this was the second start.
  expect(stdout.trim().split("\n")).toEqual(["[0,1,1,1]", "[0,1,1,1]"]);
});
