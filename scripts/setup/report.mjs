// What set-up prints: one line per step, with a live line of running steps when there is a terminal.

/** A failure that is explained in its message; printed without a stack. */
export class SetupError extends Error {}

/** Milliseconds as people read them: `4 ms`, `1.3 s`, `2 min 5 s`. */
function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Prints steps as they start, end or prove to be done already. With `quiet` only what was really done is printed. */
export class Report {
  #quiet;
  #out;
  #running = new Map();
  #timer;

  constructor({ quiet = false, out = process.stdout } = {}) {
    this.#quiet = quiet;
    this.#out = out;
  }

  /** What is the case without having been done now; left out when quiet. */
  kept(name, text, ms) {
    if (!this.#quiet) this.note(name, ms === undefined ? text : `${text} (${duration(ms)})`);
  }

  /** A remark on what is being done. */
  note(name, text) {
    this.#line(name, text);
  }

  /** Runs `work`, which resolves to the sentence that closes the step. */
  async step(name, doing, work) {
    const start = performance.now();
    this.#running.set(name, { doing, start });
    if (this.#out.isTTY) this.#live();
    else this.#line(name, `${doing} ...`);
    try {
      const done = await work();
      this.#running.delete(name);
      this.#line(name, `${done} (${duration(performance.now() - start)})`);
    } catch (error) {
      this.#running.delete(name);
      const others = [...this.#running.keys()].join(" and ");
      this.#line(name, others ? `failed; waiting for ${others} to end` : "failed");
      throw error;
    } finally {
      this.#stopWhenIdle();
    }
  }

  #line(name, text) {
    if (this.#timer) this.#out.write("\r\x1b[K");
    this.#out.write(`${name.padEnd(9)} ${text}\n`);
    if (this.#timer) this.#draw();
  }

  #live() {
    this.#timer ??= setInterval(() => this.#draw(), 500).unref();
    this.#draw();
  }

  #draw() {
    const now = performance.now();
    const parts = [...this.#running].map(([name, run]) => `${name}: ${run.doing}, ${duration(now - run.start)}`);
    this.#out.write(`\r\x1b[K${parts.join(" | ").slice(0, (this.#out.columns || 80) - 1)}`);
  }

  #stopWhenIdle() {
    if (this.#running.size > 0 || !this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#out.write("\r\x1b[K");
  }
}
