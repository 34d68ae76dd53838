// The plan of a run as text.
import { formatBytes, formatCount } from "../../telemetry/format.ts";
import { printConfig } from "../config/print.ts";
import type { MemoryEstimate } from "./memory.ts";
import type { Corner, RunPlan } from "./plan.ts";

/** A heading with rows under it, whose columns are aligned. */
interface Section {
  readonly heading: string;
  readonly rows: readonly (readonly string[])[];
}

/** Every figure of the plan, and the whole configuration behind them. */
export function formatPlan(plan: RunPlan): string {
  const sections = [
    overview(plan),
    learningRates(plan),
    ...gammas(plan),
    temperature(plan),
    memory(plan),
    traffic(plan),
  ];
  const text = sections.map(({ heading, rows }) => [heading, ...table(rows)].join("\n"));
  return [...text, `configuration\n${printConfig(plan.config).trimEnd().replace(/^/gm, "  ")}`].join("\n\n");
}

function table(rows: Section["rows"]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`.trimEnd());
}

/** Four digits are enough to compare a rate with a table. */
const short = (value: number): string => String(Number(value.toPrecision(4)));

function drawn({ epochSize }: RunPlan["data"]): string {
  return epochSize === undefined ? "" : `, ${formatCount(epochSize)} drawn in an epoch`;
}

function overview({ config, data, processes, precision, parameters, batch, steps }: RunPlan): Section {
  const parts = batch.local / batch.microBatch;
  const trained =
    parameters.trained === parameters.all ? "" : `, of which ${formatCount(parameters.trained)} are trained`;
  const { image, text, all } = parameters;
  return {
    heading: "plan",
    rows: [
      ["method", config.loss.kind],
      ["model", `${config.model.name}, towers in ${precision}`],
      [
        "parameters",
        `image tower ${formatCount(image)}, text tower ${formatCount(text)}, together ${formatCount(all)}${trained}`,
      ],
      ["data", `${formatCount(data.size)} pairs (${data.source})${drawn(data)}`],
      [
        "batch",
        `${formatCount(batch.size)} pairs${processes > 1 ? `, ${formatCount(batch.local)} in each process` : ""}`,
      ],
      [
        "micro-batch",
        parts === 1
          ? "all of them at once"
          : `${formatCount(batch.microBatch)} pairs at once, in ${formatCount(parts)} parts`,
      ],
      [
        "steps",
        `${formatCount(steps.perEpoch)} in an epoch, ${formatCount(steps.all)} in ${formatCount(config.run.epochs)} epochs`,
      ],
    ],
  };
}

const cornerRows = (unit: string, corners: readonly Corner[]): string[][] =>
  corners.map(({ at, name, value }) => [`${unit} ${formatCount(at)}`, short(value), name]);

const learningRates = ({ config, learningRate }: RunPlan): Section => ({
  heading: `learning rate: ${config.optim.schedule.kind}, warm-up ${formatCount(config.optim.warmup)} steps`,
  rows: cornerRows("step", learningRate),
});

const gammas = ({ gamma }: RunPlan): Section[] =>
  gamma === undefined ? [] : [{ heading: "gamma", rows: cornerRows("epoch", gamma) }];

const temperature = ({ temperature: { words, corners } }: RunPlan): Section => ({
  heading: `temperature: ${words}`,
  rows: cornerRows("step", corners),
});

const memoryWords: Readonly<Record<keyof MemoryEstimate, string>> = {
  weights: "weights",
  average: "moving average of the weights",
  gradients: "gradients",
  moments: "the optimizer's moments",
  activations: "the towers' activations for a micro-batch",
  loss: "features and a few bands of the similarities",
  batches: "batches that are read ahead",
  program: "program and loader threads",
  total: "at the largest moment",
};

function memory({ memory: estimate, pairBytes, processes }: RunPlan): Section {
  const shown = Object.entries(memoryWords).filter(([key]) => estimate[key as keyof MemoryEstimate] > 0);
  const rows = shown.map(([key, words]) => [words, formatBytes(estimate[key as keyof MemoryEstimate])]);
  const disk = pairBytes === 0 ? [] : [["on disk: what the loss keeps of every pair", formatBytes(pairBytes)]];
  const whose = processes > 1 ? "of one process, " : "";
  return { heading: `memory ${whose}estimated for texts of full length`, rows: [...rows, ...disk] };
}

function traffic({ processes, collectives, notSent }: RunPlan): Section {
  if (processes === 1) return { heading: "communication: none, one process", rows: [] };
  const row = ({ name, formula, bytes }: RunPlan["notSent"]): string[] => [
    name,
    formula,
    `${formatCount(bytes)} bytes`,
  ];
  return {
    heading: `communication of a step among ${formatCount(processes)} processes: what each of them holds afterwards`,
    rows: [...collectives, { ...notSent, name: `not needed: ${notSent.name}` }].map(row),
  };
}
