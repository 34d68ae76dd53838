// Runs benchmarks one after the other, each as a program of its own.
//   npm run bench                        a quick selection: ten minutes on a quiet machine, a few more the first time
//   npm run bench -- --all               everything, with the cases that docs/performance.md has
//   npm run bench -- step start-up       those by name, with their quick cases; with --all, with all
//   npm run bench -- --all --docs        also puts the new tables into docs/performance.md
// With --json DIR every benchmark writes DIR/NAME.json, and further runs of one DIR/NAME-2.json and so on. What each measures stands at its
// head, and its own flags with it.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

interface Bench {
  readonly file: string;
  /** The runs of the quick selection, as lists of flags; none leaves it out. */
  readonly quick: readonly (readonly string[])[];
  readonly all: readonly (readonly string[])[];
}

const alone = [[]];

const benches: Readonly<Record<string, Bench>> = {
  step: {
    file: "step/main.ts",
    quick: [["--set", "small"]],
    all: [
      ["--set", "main"],
      ["--set", "main", "--threads", "1"],
      ["--set", "sizes", "--turns", "2"],
    ],
  },
  "start-up": { file: "start-up/main.ts", quick: [["--turns", "3"]], all: alone },
  "demo-run": { file: "demo-run/main.ts", quick: [], all: [["--epochs", "10"]] },
  curves: {
    file: "curves/main.ts",
    quick: [["--model", "RN-Ti-64", "--precision", "fp32", "--steps", "60"]],
    all: alone,
  },
  checkpoint: { file: "checkpoint/main.ts", quick: [["--turns", "3"]], all: alone },
  zeroshot: { file: "zeroshot/main.ts", quick: alone, all: alone },
  growth: { file: "growth/main.ts", quick: [["--only", "data"]], all: alone },
  allocator: { file: "allocator/main.ts", quick: [["--model", "RN-Ti-64", "--steps", "20"]], all: alone },
  threads: { file: "threads/main.ts", quick: [["--turns", "1"]], all: alone },
  loader: { file: "loader/main.ts", quick: [["--pairs", "3"]], all: alone },
  layers: { file: "layers.ts", quick: [["--turns", "5"]], all: alone },
  kernels: { file: "kernels.ts", quick: alone, all: alone },
  products: { file: "products.ts", quick: alone, all: alone },
  tokenizer: { file: "tokenizer.ts", quick: alone, all: alone },
  "op-overhead": { file: "op-overhead.ts", quick: alone, all: alone },
  optimizer: { file: "optimizer.ts", quick: [["--model", "RN-Ti-64"]], all: alone },
  loss: { file: "loss.ts", quick: [["--sizes", "1024"]], all: alone },
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    docs: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
const unknown = positionals.find((name) => !Object.hasOwn(benches, name));
if (unknown !== undefined) {
  console.error(`bench: expected ${Object.keys(benches).join(", ")}, not "${unknown}"`);
  process.exit(2);
}
if (flags.json !== undefined) mkdirSync(flags.json, { recursive: true });

/** A bench that is named runs even where the quick selection leaves it out. */
function runsOf(name: string): Bench["all"] {
  const { quick, all } = benches[name]!;
  return flags.all || (quick.length === 0 && positionals.includes(name)) ? all : quick;
}

function run(name: string, args: readonly string[], turn: number): boolean {
  const { file } = benches[name]!;
  const json =
    flags.json === undefined ? [] : ["--json", join(flags.json, `${name}${turn > 0 ? `-${turn + 1}` : ""}.json`)];
  const docs = flags.docs ? ["--docs"] : [];
  console.log(`\n# ${[name, ...args].join(" ")}\n`);
  const command = ["--import", "tsx", join(import.meta.dirname, file), ...args, ...json, ...docs];
  return spawnSync(process.execPath, command, { stdio: "inherit" }).status === 0;
}

const chosen = positionals.length > 0 ? positionals : Object.keys(benches);
const failed = chosen.filter((name) => !runsOf(name).every((args, turn) => run(name, args, turn)));
if (failed.length > 0) {
  console.error(`\nbench: failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
