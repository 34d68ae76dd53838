// `fastclip parity DIR`: replays golden cases through the project's own code.
import { Command } from "commander";
import { setThreads } from "../tensor/index.ts";
import { findCases } from "../train/parity/case.ts";
import { replay, type Verdict } from "../train/parity/replay.ts";

export function command(): Command {
  return new Command("parity")
    .summary("Replay golden vectors and print how far the results are from them")
    .description("Replays every golden case found in DIR through this project's code. Exit status 1 when any failed.")
    .argument("<dir>", "folder of cases: KIND/NAME.json, and KIND/NAME.safetensors where a case has tensors")
    .option("--json", "one JSON object a line and case")
    .action((folder: string, { json }: { json?: boolean }) => {
      // So that rounding errors, which Adam makes large where the true gradient is 0, do not depend on the number of cores.
      setThreads(1);
      const verdicts = findCases(folder).map((golden) => {
        const verdict = replay(golden);
        console.log(json ? jsonLine(verdict) : textLine(verdict));
        return verdict;
      });
      const count = (status: Verdict["status"]): number =>
        verdicts.filter((verdict) => verdict.status === status).length;
      if (!json) console.log(`${count("ok")} ok, ${count("failed")} failed, ${count("unsupported")} not supported yet`);
      if (count("failed") > 0) process.exitCode = 1;
    });
}

function jsonLine(verdict: Verdict): string {
  if (verdict.status === "unsupported")
    return JSON.stringify({ case: verdict.case, status: verdict.status, maxAbs: null, maxRel: null });
  const { status, maxAbs, maxRel } = verdict;
  return JSON.stringify({ case: verdict.case, status, maxAbs, maxRel });
}

function textLine(verdict: Verdict): string {
  const name = verdict.case.padEnd(28);
  if (verdict.status === "unsupported") return `${name} not supported yet: ${verdict.reason}`;
  const errors = `max abs ${verdict.maxAbs.toExponential(1)}  max rel ${verdict.maxRel.toExponential(1)}`;
  return `${name} ${errors}  ${verdict.status === "ok" ? "ok" : `FAILED: ${verdict.failures.slice(0, 5).join(", ")}`}`;
}
