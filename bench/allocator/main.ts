// What the memory allocator of CPU tensors gives: a training step, its page faults, and whether resident memory stays as it is.
//   npx tsx bench/allocator/main.ts [--model RN-Ti-64,ViT-Ti-8-64] [--batch 64] [--steps 50] [--threads 1] [--json FILE] [--docs]
// Our step with the caching allocator of addon/allocator.cc, with libtorch's own over glibc's malloc (FASTCLIP_ALLOCATOR=system), and with that
// over tcmalloc; and OpenCLIP's over either malloc. Each side is a process and takes the same step on one batch, in float32; they take turns. The
// figures are of the last half of the steps: medians of CPU time, and the mean of page faults, which glibc's malloc has in some steps and not in
// others. They are minor ones of the whole process, the JavaScript heap's or Python's own included.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelConfig } from "../../src/models/presets.ts";
import type { LineProcess } from "../peer.ts";
import type { Case, Timed } from "../step/messages.ts";
import { startOurs, startPeer } from "../step/sides.ts";
import { writeBatches } from "../support/batches.ts";
import { describeMachine, markdownTable, median, short, tell } from "../support/measure.ts";
import { openClipVersion } from "../support/openclip.ts";
import { tcmalloc } from "../support/tcmalloc.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "RN-Ti-64,ViT-Ti-8-64" },
    batch: { type: "string", default: "64" },
    steps: { type: "string", default: "50" },
    threads: { type: "string", default: "1" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const steps = Number(flags.steps);

interface Side {
  readonly name: string;
  readonly start: (folder: string, options: Case) => LineProcess;
}

const ours = (name: string, env: NodeJS.ProcessEnv): Side => ({
  name: `ours, ${name}`,
  start: (folder, options) => startOurs(folder, { ...options, env }),
});
const peer = (name: string, setting: string): Side => ({
  name: `OpenCLIP, ${name}`,
  start: (folder, options) => startPeer(folder, { ...options, name: setting }),
});
/** The first is what the others are compared with. */
const sides: readonly Side[] = [
  ours("caching allocator", { FASTCLIP_ALLOCATOR: "caching" }),
  ours("glibc's malloc", { FASTCLIP_ALLOCATOR: "system" }),
  ours("tcmalloc", { FASTCLIP_ALLOCATOR: "system", LD_PRELOAD: tcmalloc() }),
  peer("glibc's malloc", "plain"),
  peer("tcmalloc", "tcmalloc"),
];

/** All steps of each side, which took turns, another one first in every turn. */
async function takeTurns(folder: string, options: Case): Promise<Timed[][]> {
  const processes = sides.map(({ start }) => start(folder, options));
  const taken = sides.map((): Timed[] => []);
  try {
    for (let step = 0; step < steps; step++)
      for (const i of sides.keys()) {
        const side = (i + step) % sides.length;
        taken[side]!.push(await processes[side]!.ask<Timed>({ step: true }));
      }
    return taken;
  } finally {
    for (const side of processes) side.close();
  }
}

async function measure(model: string) {
  const options: Case = {
    model,
    batch: Number(flags.batch),
    precision: "fp32",
    captions: "short",
    loss: "openclip",
    threads: Number(flags.threads),
  };
  const folder = mkdtempSync(join(tmpdir(), "fastclip-bench-"));
  try {
    writeBatches(folder, { model: modelConfig(model), count: 1, batchSize: options.batch, captions: options.captions });
    const lastHalves = (await takeTurns(folder, options)).map((taken) => taken.slice(steps >> 1));
    return sides.map(({ name }, i) => ({ model, name, ...summary(lastHalves[i]!, lastHalves[0]!) }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function summary(taken: readonly Timed[], compared: readonly Timed[]) {
  const resident = taken.map(({ residentBytes }) => residentBytes);
  return {
    cpuMilliseconds: median(taken.map(({ cpuMilliseconds }) => cpuMilliseconds)),
    ratio: median(taken.map(({ cpuMilliseconds }, i) => cpuMilliseconds / compared[i]!.cpuMilliseconds)),
    pageFaults: taken.reduce((sum, { pageFaults }) => sum + pageFaults, 0) / taken.length,
    residentBytes: resident.at(-1)!,
    grownBytes: resident.at(-1)! - resident[0]!,
    taken,
  };
}

const rows: Awaited<ReturnType<typeof measure>> = [];
for (const model of flags.model.split(",")) {
  rows.push(...(await measure(model)));
  console.error(`${model}: done`);
}
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
const table = markdownTable(
  [
    { head: "model", cell: ({ model }) => model, isText: true },
    { head: "memory from", cell: ({ name }) => name, isText: true },
    { head: "CPU ms a step", cell: ({ cpuMilliseconds }) => short(cpuMilliseconds) },
    { head: "of the caching allocator's", cell: ({ ratio }) => ratio.toFixed(2) },
    { head: "page faults a step", cell: ({ pageFaults }) => pageFaults.toFixed(0) },
    { head: `resident after ${steps} steps, MB`, cell: ({ residentBytes }) => megabytes(residentBytes) },
    { head: "of it new in the last half", cell: ({ grownBytes }) => megabytes(grownBytes) },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\nBatch ${flags.batch}, float32, ${flags.threads} threads; the last ${steps - (steps >> 1)} of ${steps} steps. ${machine}.`;
tell({ name: "allocator", markdown, data: { machine, ...flags, rows } }, flags);
