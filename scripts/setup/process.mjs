// Child processes and what must be undone when set-up ends early.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { SetupError } from "./report.mjs";

const undo = new Set();

process.on("exit", () => {
  for (const action of undo) action();
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => process.exit(128 + constants.signals[signal]));
}

/** Runs the synchronous `action` should the process end before the returned function is called. */
export function undoAtExit(action) {
  undo.add(action);
  return () => undo.delete(action);
}

/** Runs a command without a terminal; resolves to its exit code and all that it printed, in order. */
export function capture(command, args, { cwd, env, passOutput = false } = {}) {
  return new Promise((resolve) => {
    const stdio = passOutput ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"];
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio });
    const forget = undoAtExit(() => child.kill("SIGKILL"));
    const chunks = [];
    const finish = (code, extra = "") => {
      forget();
      resolve({ code, output: Buffer.concat(chunks).toString() + extra });
    };
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (error) => finish(127, error.message));
    child.on("close", (code, signal) => finish(code ?? 128 + constants.signals[signal]));
  });
}

/** Runs a command that must succeed. Its output goes to `log`; on failure the last lines are in the error too. */
export async function mustRun(what, command, args, { log, ...options }) {
  const { code, output } = await capture(command, args, options);
  mkdirSync(dirname(log), { recursive: true });
  writeFileSync(log, `${[command, ...args].join(" ")}\n${output}`);
  if (code === 0) return output;
  throw new SetupError(
    `${what} failed with exit status ${code}; all that it printed is in ${log}:\n${excerpt(output)}`,
  );
}

/** The first lines, which name the cause with most tools, and the last ones, which name it with the others. */
function excerpt(output) {
  const lines = output.trimEnd().split("\n");
  return (lines.length <= 32 ? lines : [...lines.slice(0, 16), "...", ...lines.slice(-15)]).join("\n");
}
