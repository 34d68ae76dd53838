// `fastclip doctor`: is this machine fit, and is the installation well? Each problem comes with its mend.
import { printable } from "../telemetry/format.ts";
import {
  type Check,
  checkCompiler,
  checkCpu,
  checkDisk,
  checkFastclip,
  checkGit,
  checkMemory,
  checkNode,
} from "./doctor-checks.ts";
import { checkEngine, findEngine } from "./doctor-engine.ts";

/** Runs all checks and prints their table. Returns the exit status: 1 if there is a problem. */
export async function doctor(): Promise<number> {
  const checks = [
    checkNode(),
    checkFastclip(),
    checkCompiler("engine" in findEngine()),
    checkGit(),
    checkCpu(),
    checkMemory(),
    checkDisk(),
    ...(await checkEngine()),
  ];
  console.log(formatChecks(checks));
  return checks.some((check) => check.status === "problem") ? 1 : 0;
}

/** One line a check, below a problem one with its mend, and a closing sentence. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  const indent = " ".repeat("problem".length + 2 + width + 2);
  const lines = checks.flatMap((check) => {
    const line = `${check.status.padEnd("problem".length)}  ${check.name.padEnd(width)}  ${oneLine(check.found)}`;
    return check.status === "problem" ? [line, `${indent}mend: ${check.mend}`] : [line];
  });
  const problems = checks.filter((check) => check.status === "problem").length;
  const closing = problems === 0 ? "all is well" : `${problems} problem${problems === 1 ? "" : "s"}`;
  return [...lines, "", closing].join("\n");
}

function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, " ");
}
