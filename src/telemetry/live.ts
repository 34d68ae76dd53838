// Progress of a run while it trains: a live block on a terminal, plain lines everywhere else.
import { printable } from "./format.ts";
import { blockLines, type Progress, type Status, statusLine } from "./live-block.ts";

export type { Status } from "./live-block.ts";

export interface DisplayOptions {
  /** Where it is drawn: `process.stdout`, or a stand-in in a test. Its size is read again at each drawing. */
  readonly stream: { write(text: string): unknown; readonly columns?: number; readonly rows?: number };
  readonly isTTY: boolean;
  readonly totalSteps: number;
  readonly totalEpochs: number;
  /** Steps finished before this process began, when the run is resumed. */
  readonly startStep?: number;
  /** Off a terminal: a line at every so many steps, and at the last one. Default 50. */
  readonly logEvery?: number;
  /** Clock in milliseconds, for tests. */
  readonly now?: () => number;
}

export interface Display {
  /** Call after every step: tensor calls hold the event loop, so drawing happens here and in no timer. */
  update(status: Status): void;
  /** Prints a message, above the block where there is one. */
  line(text: string): void;
  /** Shows the last status and leaves the cursor below it. */
  close(): void;
}

/** 10 drawings a second: as fast as digits can be read. */
const drawInterval = 100;

/** A live block on a terminal, a line at each log interval elsewhere. */
export function createDisplay(options: DisplayOptions): Display {
  const progress = progressClock(options);
  return options.isTTY ? liveDisplay(options, progress) : plainDisplay(options, progress);
}

/** Of a process whose progress the first one shows: only its messages. */
export function createMessageDisplay(stream: DisplayOptions["stream"]): Display {
  return { update() {}, line: (text) => void stream.write(`${printable(text)}\n`), close() {} };
}

/** Time left, from the mean time of the steps that this process made. */
function progressClock({ totalSteps, totalEpochs, startStep = 0, now = Date.now }: DisplayOptions) {
  const start = now();
  return (step: number): Progress => {
    const secondsPerStep = (now() - start) / 1000 / (step - startStep);
    const secondsLeft = step > startStep ? Math.max(0, totalSteps - step) * secondsPerStep : Number.NaN;
    return { totalSteps, totalEpochs, secondsLeft };
  };
}

function plainDisplay(options: DisplayOptions, progress: (step: number) => Progress): Display {
  const { stream, totalSteps, logEvery = 50 } = options;
  return {
    update(status) {
      if (status.step % logEvery !== 0 && status.step !== totalSteps) return;
      stream.write(`${statusLine(status, progress(status.step))}\n`);
    },
    line: (text) => void stream.write(`${printable(text)}\n`),
    close() {},
  };
}

/**
 * The block is drawn over in place, in one write, each line cleared only behind its new text: so it does not flicker. The cursor
 * stays shown and waits below the block: a run that is killed, even with SIGKILL, leaves a terminal that needs no mending.
 */
function liveDisplay(options: DisplayOptions, progress: (step: number) => Progress): Display {
  const { stream, now = Date.now } = options;
  let drawn: readonly string[] = [];
  let drawnAt = Number.NEGATIVE_INFINITY;
  let waiting: Status | undefined;
  let shown: readonly string[] = [];
  let closed = false;

  const draw = (above: string): void => {
    // A terminal that does not know its size says 0.
    const columns = stream.columns || 80;
    const most = Math.max(1, (stream.rows || 24) - 1);
    if (waiting !== undefined) {
      shown = blockLines(waiting, progress(waiting.step), columns).slice(0, most);
      drawnAt = now();
      waiting = undefined;
    }
    stream.write(
      `${moveUp(rowsOf(drawn, columns, most))}${above}${shown.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`,
    );
    drawn = shown;
  };

  return {
    update(status) {
      if (closed) return;
      waiting = status;
      if (now() - drawnAt >= drawInterval) draw("");
    },
    // The old block is cleared first: a message may wrap over any number of its rows.
    line: (text) => draw(`\x1b[J${printable(text)}\n`),
    close() {
      if (waiting !== undefined) draw("");
      closed = true;
      drawn = [];
      shown = [];
    },
  };
}

const moveUp = (rows: number): string => (rows > 0 ? `\x1b[${rows}A\r` : "\r");

/** Rows that the block takes up now: after the terminal became narrower, its lines were wrapped. */
function rowsOf(lines: readonly string[], columns: number, most: number): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences are what is taken out
  const rows = lines.map((line) => Math.max(1, Math.ceil(line.replace(/\x1b\[\d*m/g, "").length / columns)));
  return Math.min(
    most,
    rows.reduce((sum, count) => sum + count, 0),
  );
}
