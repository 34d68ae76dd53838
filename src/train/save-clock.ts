// When a checkpoint is due within an epoch.
import type { Config } from "./config/types.ts";

type SaveTimes = Pick<Config["run"], "saveSteps" | "saveMinutes">;

/** After every so many steps, or when the last one is so old; at the end of every epoch there is one anyway. */
export class SaveClock {
  readonly #settings: SaveTimes;
  #last = performance.now();

  constructor(settings: SaveTimes) {
    this.#settings = settings;
  }

  at(step: number): boolean {
    const { saveSteps, saveMinutes = Number.POSITIVE_INFINITY } = this.#settings;
    const isDue = (saveSteps !== undefined && step % saveSteps === 0) || this.#minutes() >= saveMinutes;
    if (isDue) this.restart();
    return isDue;
  }

  restart(): void {
    this.#last = performance.now();
  }

  #minutes(): number {
    return (performance.now() - this.#last) / 60_000;
  }
}
