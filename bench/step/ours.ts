// Our side: a trainer on the one batch of a folder. Each line on standard input is a request, answered by one line:
// {"check": true} -> Checked; {"step": true} -> Timed; {"matmul": true} -> {"flops": those of a CPU-second}; {"peak": true} -> Peak.
import { createInterface } from "node:readline";
import { PairState } from "../../src/losses/pair-state.ts";
import type { ModelConfig } from "../../src/models/index.ts";
import { textRows } from "../../src/models/text-rows.ts";
import { residentBytes } from "../../src/telemetry/memory.ts";
import { noGrad, randn, scope, setThreads } from "../../src/tensor/index.ts";
import { inputsOf } from "../../src/train/encode.ts";
import { readBatches } from "../support/batches.ts";
import { peakResidentBytes } from "../support/measure.ts";
import { gradientNorms, openTrainer, stepOn } from "../support/trainer.ts";
import type { Case, Checked, Peak, Request, Timed } from "./messages.ts";

const { folder, model, precision, loss, threads } = JSON.parse(process.argv[2]!) as Case & { folder: string };
setThreads(threads);
const [batch] = readBatches(folder) as [ReturnType<typeof readBatches>[number]];
const createPairs = (columns: readonly string[]): PairState => PairState.inMemory(columns, batch.size);
const trainer = openTrainer({ model, precision, loss, createPairs });
const config = trainer.model.config;
let steps = 0;

function timed(body: () => void): Timed {
  const [start, cpu, faults] = [performance.now(), process.cpuUsage(), process.resourceUsage().minorPageFault];
  body();
  const { user, system } = process.cpuUsage(cpu);
  return {
    milliseconds: performance.now() - start,
    cpuMilliseconds: (user + system) / 1000,
    pageFaults: process.resourceUsage().minorPageFault - faults,
    residentBytes: residentBytes(),
  };
}

function check(): Checked {
  const { infoNce } = stepOn(trainer, batch, steps++);
  return { loss: infoNce, norms: gradientNorms(trainer) };
}

/** The tokens of a text that the tower works on, in the mean. */
function textTokens(): number {
  return scope(() => {
    const { tokens } = inputsOf(batch, trainer.inputShape);
    return (textRows(tokens)?.sequences.starts.at(-1) ?? tokens.numel) / batch.size;
  });
}

/** So many operations take long enough for the clock of CPU time. */
const leastFlop = 2e10;

/** Floating-point operations of a CPU-second in a product as large as the widest one of the image tower. */
function matmul({ vision_cfg: { image_size, patch_size, width, mlp_ratio } }: ModelConfig): number {
  const rows = batch.size * ((image_size / patch_size!) ** 2 + 1);
  const hidden = width * mlp_ratio;
  return noGrad(() =>
    scope(() => {
      const dtype = precision === "amp_bf16" ? "bfloat16" : "float32";
      const [x, w] = [randn([rows, width]).to(dtype), randn([width, hidden]).to(dtype)];
      const flop = 2 * rows * width * hidden;
      const products = Math.ceil(leastFlop / flop);
      const multiply = (): void => {
        for (let i = 0; i < products; i++) scope(() => void x.matmul(w));
      };
      const times = Array.from({ length: 5 }, () => timed(multiply).cpuMilliseconds);
      return (products * flop * 1000) / Math.min(...times);
    }),
  );
}

function answer(request: Request): object {
  if ("step" in request) return timed(() => stepOn(trainer, batch, steps++));
  if ("check" in request) return check();
  if ("matmul" in request) return { flops: matmul(config) };
  const peak: Peak = { bytes: peakResidentBytes(), textTokens: textTokens() };
  return peak;
}

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(answer(JSON.parse(line) as Request)));
