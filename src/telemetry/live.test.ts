import { expect, test } from "vitest";
import { createDisplay, type Display, type DisplayOptions, type Status } from "./live.ts";

/** A terminal that understands what the display sends, and nothing else: its screen is what a user would see. */
class Screen {
  columns: number;
  rows = 24;
  readonly writes: string[] = [];
  #lines: string[] = [""];
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): void {
    this.writes.push(text);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal reads escape sequences
    for (const token of text.match(/\x1b\[\d*[A-Za-z]|./gsu) ?? []) this.#take(token);
  }

  /** Narrower: lines that no longer fit are wrapped, as terminals do. */
  resize(columns: number): void {
    this.columns = columns;
    this.#lines = this.#lines.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, "gu")) ?? [""]);
    this.#row = this.#lines.length - 1;
  }

  get text(): string {
    return this.#lines.map((line) => line.trimEnd()).join("\n");
  }

  #take(token: string): void {
    if (token === "\n") {
      this.#row++;
      this.#column = 0;
      this.#lines[this.#row] ??= "";
    } else if (token === "\r") this.#column = 0;
    else if (token === "\x1b[K") this.#lines[this.#row] = this.#lines[this.#row]!.slice(0, this.#column);
    else if (token === "\x1b[J")
      this.#lines = [...this.#lines.slice(0, this.#row), this.#lines[this.#row]!.slice(0, this.#column)];
    else if (token.endsWith("A")) this.#row = Math.max(0, this.#row - Number(token.slice(2, -1)));
    else if (token.startsWith("\x1b")) expect(token).toMatch(/m$/);
    else this.#put(token);
  }

  #put(character: string): void {
    if (this.#column === this.columns) this.#take("\n");
    const line = this.#lines[this.#row]!.padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column++;
  }
}

function status(step: number, change: Partial<Status> = {}): Status {
  const figures = {
    loss: 2.5,
    infoNce: 3,
    noInformation: 4.1589,
    tau: 0.0412,
    gamma: 0.75,
    lr: 4.1e-4,
    samplesPerSecond: 412,
    dataWait: 0.031,
  };
  return { step, epoch: Math.floor(step / 250), ...figures, residentBytes: 1.21e9, ...change };
}

function start(
  change: Partial<DisplayOptions> = {},
  columns = 100,
): { screen: Screen; clock: { ms: number }; display: Display } {
  const screen = new Screen(columns);
  const clock = { ms: 0 };
  const base = { stream: screen, isTTY: true, totalSteps: 2000, totalEpochs: 8, now: () => clock.ms };
  return { screen, clock, display: createDisplay({ ...base, ...change }) };
}

test("the block shows the run", () => {
  const { screen, clock, display } = start();
  clock.ms = 50_000;
  display.update(status(500));
  expect(screen.text).toBe(
    [
      `${"━".repeat(12)}${"─".repeat(36)}   25.0 %  2 min 30 s left`,
      "epoch 3/8   step 500/2,000     loss 2.5000    InfoNCE 3.0000 (guessing 4.16)   tau 0.0412",
      "gamma 0.750   lr 4.1e-4     samples/s 412      data wait 3.1 %    memory 1.21 GB",
      "",
    ].join("\n"),
  );
});

test("the block is drawn over in place, at most ten times a second, and the last status is shown", () => {
  const { screen, clock, display } = start();
  for (let step = 1; step <= 100; step++) {
    clock.ms = step * 10;
    display.update(status(step, { loss: step }));
  }
  expect(screen.writes).toHaveLength(10);
  display.close();
  expect(screen.text.match(/loss/g)).toHaveLength(1);
  expect(screen.text).toContain("loss 100.0000");
});

test("messages stand above the block, and their escape sequences do nothing", () => {
  const { screen, display } = start();
  display.update(status(1));
  display.line(`long ${"x".repeat(250)}`);
  display.line("bad\x1b[2Jname");
  const lines = screen.text.split("\n");
  expect(lines[0]).toMatch(/^long x/);
  expect(lines[3]).toBe("bad\\x1b[2Jname");
  expect(lines[4]).toMatch(/^─/);
  expect(screen.text.match(/loss/g)).toHaveLength(1);
});

test("after close the block stays and messages follow it", () => {
  const { screen, display } = start();
  display.update(status(1));
  display.close();
  display.update(status(2));
  display.line("done");
  expect(screen.text).toMatch(/memory.*\ndone\n$/);
  expect(screen.text).toContain("step 1/2,000");
});

test.each([100, 60, 33, 12])("from 120 columns to %d: nothing of the wider block is left", (columns) => {
  const { screen, clock, display } = start({}, 120);
  display.line("above");
  display.update(status(1));
  screen.resize(columns);
  clock.ms = 1000;
  display.update(status(2));
  const lines = screen.text.split("\n");
  expect(lines.every((line) => line.length < columns)).toBe(true);
  expect(screen.text.match(/loss/g)).toHaveLength(1);
  expect(screen.text.startsWith("above\n")).toBe(true);
});

test("a terminal of unknown or little height and width is drawn on without harm", () => {
  const { screen, clock, display } = start();
  screen.columns = 0;
  screen.rows = 3;
  display.update(status(1));
  clock.ms = 1000;
  display.update(status(2));
  expect(screen.writes.at(-1)?.startsWith("\x1b[2A\r")).toBe(true);
});

test("a run without gamma, and one that diverged, are shown", () => {
  const { screen, display } = start();
  display.update(status(1, { gamma: undefined, loss: Number.NaN }));
  expect(screen.text).not.toContain("gamma");
  expect(screen.text).toContain("loss NaN");
});

test("off a terminal: a plain line at each log interval and at the end", () => {
  const { screen, clock, display } = start({ isTTY: false, totalSteps: 25, totalEpochs: 1, logEvery: 10 });
  display.line("message");
  for (let step = 1; step <= 25; step++) {
    clock.ms += 1000;
    display.update(status(step));
  }
  display.close();
  const lines = screen.writes.join("").trimEnd().split("\n");
  expect(lines).toHaveLength(4);
  expect(lines[1]).toBe(
    "epoch 1/1  step 10/25  loss 2.5000  InfoNCE 3.0000 (guessing 4.16)  tau 0.0412  gamma 0.750  lr 4.1e-4  samples/s 412  data wait 3.1 %  memory 1.21 GB  left 15 s",
  );
  expect(lines[3]).toContain("step 25/25");
  expect(screen.writes.join("")).not.toContain("\x1b");
});

test("time left of a resumed run counts its own steps only", () => {
  const { screen, clock, display } = start({ startStep: 1000 });
  display.update(status(1000));
  expect(screen.text).toContain("– left");
  clock.ms = 10_000;
  display.update(status(1100));
  expect(screen.text).toContain("1 min 30 s left");
});
