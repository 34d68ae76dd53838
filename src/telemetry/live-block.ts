// The text of the live block; drawing it on a terminal is live.ts's work.
import { formatBytes, formatCount, formatDuration, formatNumber, formatPercent } from "./format.ts";
import type { Traffic } from "./metrics.ts";

/** What the display shows; a TrainRecord is one. */
export interface Status {
  /** Finished optimizer steps. */
  readonly step: number;
  /** The epoch that the step belongs to; the first is 0. */
  readonly epoch: number;
  readonly samplesPerSecond: number;
  readonly loss: number;
  readonly infoNce: number;
  /** What InfoNCE is without any information. */
  readonly noInformation: number;
  readonly tau: number;
  readonly gamma?: number | undefined;
  readonly lr: number;
  /** Share of the time spent waiting for data, 0..1. */
  readonly dataWait: number;
  readonly residentBytes: number;
  /** What was exchanged with other processes since the last line, by collective. */
  readonly traffic?: Readonly<Record<string, Readonly<Traffic>>> | undefined;
}

export interface Progress {
  readonly totalSteps: number;
  readonly totalEpochs: number;
  /** NaN while it is not known. */
  readonly secondsLeft: number;
}

interface Cell {
  readonly label: string;
  readonly value: string;
  /** Values are padded to this width, so that what follows does not jump. */
  readonly width: number;
}

const gap = "   ";
const dim = (text: string): string => (text === "" ? "" : `\x1b[2m${text}\x1b[22m`);

/** One line for a file: every figure with its name, nothing that moves. */
export function statusLine(status: Status, progress: Progress): string {
  const cells = [...placeCells(status, progress), ...figureCells(status), leftCell(progress)];
  return cells.map(({ label, value }) => `${label} ${value}`.trim()).join("  ");
}

/**
 * The block as lines that are narrower than the terminal: a line that fills it would wrap, and the block could not be drawn over.
 * @param columns width of the terminal
 */
export function blockLines(status: Status, progress: Progress, columns: number): string[] {
  const width = Math.max(1, columns - 1);
  return [barLine(status, progress, width), ...wrap([...placeCells(status, progress), ...figureCells(status)], width)];
}

function barLine(status: Status, progress: Progress, width: number): string {
  const share = Math.min(1, Math.max(0, status.step / Math.max(1, progress.totalSteps)));
  const text = `  ${(share * 100).toFixed(1).padStart(5)} %  ${formatDuration(progress.secondsLeft)} left`;
  const length = Math.min(48, width - text.length);
  if (length < 4) return text.trimStart().slice(0, width);
  const full = Math.round(share * length);
  return `${"━".repeat(full)}${dim("─".repeat(length - full))}${text}`;
}

function placeCells(status: Status, { totalSteps, totalEpochs }: Progress): Cell[] {
  const step = formatCount(totalSteps);
  return [
    { label: "epoch", value: `${status.epoch + 1}/${totalEpochs}`, width: 2 * `${totalEpochs}`.length + 1 },
    { label: "step", value: `${formatCount(status.step)}/${step}`, width: 2 * step.length + 1 },
  ];
}

function figureCells(status: Status): Cell[] {
  return [
    { label: "loss", value: formatLoss(status.loss), width: 7 },
    {
      label: "InfoNCE",
      value: `${formatLoss(status.infoNce)} (guessing ${status.noInformation.toFixed(2)})`,
      width: 22,
    },
    { label: "tau", value: formatNumber(status.tau), width: 7 },
    ...(status.gamma === undefined ? [] : [{ label: "gamma", value: status.gamma.toFixed(3), width: 5 }]),
    { label: "lr", value: formatNumber(status.lr), width: 8 },
    { label: "samples/s", value: formatNumber(status.samplesPerSecond), width: 6 },
    { label: "data wait", value: formatPercent(status.dataWait), width: 6 },
    { label: "memory", value: formatBytes(status.residentBytes), width: 7 },
    ...Object.entries(status.traffic ?? {}).map(([name, traffic]) => trafficCell(name, traffic)),
  ];
}

/** "features 40 calls 820 kB in 31.2 ms, 4.1 ms of it waiting": what was not hidden behind computing is waited for. */
function trafficCell(name: string, { calls, bytes, milliseconds, exposedMilliseconds }: Readonly<Traffic>): Cell {
  const time = `${formatNumber(milliseconds)} ms, ${formatNumber(exposedMilliseconds)} ms of it waiting`;
  return { label: name, value: `${calls} calls ${formatBytes(bytes)} in ${time}`, width: 0 };
}

function leftCell(progress: Progress): Cell {
  return { label: "left", value: formatDuration(progress.secondsLeft), width: 0 };
}

/** Fixed decimals: a loss is compared with the one before it. */
function formatLoss(loss: number): string {
  return Number.isFinite(loss) && Math.abs(loss) < 1e6 ? loss.toFixed(4) : formatNumber(loss);
}

/** Cells side by side as far as they fit; a cell that is too wide for a line of its own is cut. */
function wrap(cells: readonly Cell[], width: number): string[] {
  const lines: { text: string; length: number }[] = [];
  for (const { label, value, width: minimum } of cells) {
    const shown = value.padEnd(minimum);
    const length = label.length + 1 + shown.length;
    const line = lines.at(-1);
    if (length > width) {
      lines.push({ text: `${label} ${value}`.slice(0, width), length: width });
    } else if (line !== undefined && line.length + gap.length + length <= width) {
      line.text += `${gap}${dim(label)} ${shown}`;
      line.length += gap.length + length;
    } else {
      lines.push({ text: `${dim(label)} ${shown}`, length });
    }
  }
  return lines.map((line) => line.text);
}
