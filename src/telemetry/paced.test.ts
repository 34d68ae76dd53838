import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { paced } from "./paced.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("nothing is told at first, then what comes when the time is over", () => {
  const told: string[] = [];
  const tell = paced((done: number, of: string) => told.push(`${done} of ${of}`), 1000);
  tell(1, "ten");
  vi.advanceTimersByTime(999);
  tell(2, "ten");
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  for (const done of [3, 4]) tell(done, "ten");
  vi.advanceTimersByTime(2500);
  for (const done of [5, 6]) tell(done, "ten");
  expect(told).toEqual(["3 of ten", "5 of ten"]);
});
