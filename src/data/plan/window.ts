import { segmentAt } from "../segment-at.ts";
import { createPermutation } from "./permutation.ts";
import type { Plan } from "./plan.ts";

/** Sets the orders of segments apart from those of samples. */
const ofSegments = 1;

/** Segments that are gone through together. */
interface Window {
  readonly segments: readonly number[];
  /** Position of the first sample of each, and behind them the end. */
  readonly starts: readonly number[];
}

/**
 * Segments in a random order, cut into windows of `segments`; inside a window its samples in a random order. So only the segments of
 * one window have to be at hand at a time, and a batch still mixes several of them.
 */
export function createWindowPlan(
  { segments }: { segments: number },
  { starts, words }: { starts: readonly number[]; words: readonly number[] },
): Plan {
  const count = starts.length - 1;
  const order = createPermutation(count, [...words, ofSegments]);
  const windows: Window[] = [];
  let end = 0;
  for (let first = 0; first < count; first += segments) {
    const chosen = Array.from({ length: Math.min(segments, count - first) }, (_, i) => order(first + i));
    const positions = [end];
    for (const segment of chosen) {
      end += starts[segment + 1]! - starts[segment]!;
      positions.push(end);
    }
    windows.push({ segments: chosen, starts: positions });
  }
  const windowStarts = [...windows.map((window) => window.starts[0]!), end];
  const shuffles = new Map<number, (index: number) => number>();
  const shuffleOf = (window: number): ((index: number) => number) => {
    const known = shuffles.get(window);
    if (known) return known;
    const length = windowStarts[window + 1]! - windowStarts[window]!;
    const shuffle = createPermutation(length, [...words, ofSegments + 1, window]);
    shuffles.set(window, shuffle);
    return shuffle;
  };
  const at = (position: number): number => {
    const number = segmentAt(windowStarts, position);
    const window = windows[number]!;
    const first = windowStarts[number]!;
    const place = first + shuffleOf(number)(position - first);
    const index = segmentAt(window.starts, place);
    return starts[window.segments[index]!]! + place - window.starts[index]!;
  };
  const segmentsFrom = (position: number): readonly number[] => {
    const number = segmentAt(windowStarts, position);
    return windows.slice(number, number + 2).flatMap((window) => window.segments);
  };
  return { length: end, at, segmentsFrom };
}
