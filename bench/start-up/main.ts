// From the start of the process to the end of the first training step: `fastclip train` beside OpenCLIP's trainer, on the demonstration data.
//   npx tsx bench/start-up/main.ts [--data data/demo] [--threads 1] [--turns 5] [--json FILE] [--docs]
// The same shards, model, batch and settings; the sides take turns, and the first pair, which brings the files into memory and lets Python
// compile its modules, is not counted.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type DemoRun, demoData, demoModel, firstStep, ourRun, peerRun } from "../support/demo.ts";
import { describeMachine, markdownTable, median, tell } from "../support/measure.ts";
import { openClipVersion } from "../support/openclip.ts";
import { secondsUntil } from "../support/process.ts";

const { values: flags } = parseArgs({
  options: {
    data: { type: "string", default: "data/demo" },
    threads: { type: "string", default: "1" },
    turns: { type: "string", default: "5" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});

interface Turn {
  readonly ours: number;
  readonly peer: number;
}

async function takeTurns(run: Omit<DemoRun, "name">): Promise<Turn[]> {
  const turns: Turn[] = [];
  for (let turn = 0; turn <= Number(flags.turns); turn++) {
    const peer = await secondsUntil(firstStep.peer, peerRun({ ...run, name: `peer-${turn}` }, { tcmalloc: false }));
    // OpenCLIP logs the first step by itself.
    const ours = await secondsUntil(firstStep.ours, ourRun({ ...run, name: `ours-${turn}` }, { logEvery: 1 }));
    if (turn > 0) turns.push({ ours, peer });
  }
  return turns;
}

const data = await demoData(flags.data);
const logs = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
let turns: Turn[];
try {
  turns = await takeTurns({ data, epochs: 1, threads: Number(flags.threads), logs });
} finally {
  rmSync(logs, { recursive: true });
}
const row = {
  ours: median(turns.map(({ ours }) => ours)),
  peer: median(turns.map(({ peer }) => peer)),
  share: median(turns.map(({ ours, peer }) => ours / peer)),
};
const table = markdownTable(
  [
    { head: "fastclip train, s", cell: ({ ours }) => ours.toFixed(1) },
    { head: "OpenCLIP, s", cell: ({ peer }) => peer.toFixed(1) },
    { head: "of OpenCLIP's", cell: ({ share }) => share.toFixed(2) },
  ],
  [row],
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\n${demoModel}, batch 64; median of ${flags.turns} turns, ${flags.threads} threads. ${machine}.`;
tell({ name: "start-up", markdown, data: { machine, ...flags, ...row, turns } }, flags);
