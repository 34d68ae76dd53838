// `fastclip doctor`: is this machine fit, and is the installation well? Each problem comes with its mend.
import { Command } from "commander";
import { printable } from "../telemetry/format.ts";
import { ConfigError } from "../train/config/errors.ts";
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
import { addConfigOptions, givenFlags } from "./options.ts";

const examples = `
Examples:
  fastclip doctor
  fastclip doctor --overfit                     also learn one batch by heart with a small model
  fastclip doctor --overfit --config run.yaml   the same with the model, loss, optimizer and data of a run`;

export function command(): Command {
  const doctor = new Command("doctor")
    .description(
      "Check the machine and the installation, and say how to mend what is wrong. All settings belong to --overfit.",
    )
    .option("--overfit", "Also train on one batch until it is known by heart; a problem where that fails");
  return addConfigOptions(doctor)
    .addHelpText("after", examples)
    .action(async (flags: { overfit?: boolean; config?: string }) => {
      const [setting] = flags.config === undefined ? Object.keys(givenFlags(doctor)) : ["config"];
      if (flags.overfit !== true && setting !== undefined)
        throw new ConfigError([`--${setting}: belongs to --overfit`]);
      process.exitCode = await examine(flags.overfit === true ? () => learnByHeart(doctor) : undefined);
    });
}

async function learnByHeart(doctor: Command): Promise<Check[]> {
  const { checkOverfit } = await import("./doctor-overfit.ts");
  return checkOverfit(doctor);
}

/** Runs all checks, and `more` where the engine is well, and prints their table. Returns the exit status: 1 if there is a problem. */
export async function examine(more: () => Promise<Check[]> = async () => []): Promise<number> {
  const engine = await checkEngine();
  const checks = [
    checkNode(),
    checkFastclip(),
    checkCompiler("engine" in findEngine()),
    checkGit(),
    checkCpu(),
    checkMemory(),
    checkDisk(),
    ...engine,
    ...(engine.some(isProblem) ? [] : await more()),
  ];
  console.log(formatChecks(checks));
  return checks.some(isProblem) ? 1 : 0;
}

/** One line a check, below a problem one with its mend, and a closing sentence. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  const indent = " ".repeat("problem".length + 2 + width + 2);
  const lines = checks.flatMap((check) => {
    const line = `${check.status.padEnd("problem".length)}  ${check.name.padEnd(width)}  ${oneLine(check.found)}`;
    return check.status === "problem" ? [line, `${indent}mend: ${check.mend}`] : [line];
  });
  const problems = checks.filter(isProblem).length;
  const closing = problems === 0 ? "all is well" : `${problems} problem${problems === 1 ? "" : "s"}`;
  return [...lines, "", closing].join("\n");
}

function isProblem({ status }: Check): boolean {
  return status === "problem";
}

function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, " ");
}
