// Which operators run in this thread, how long each takes, and how much arithmetic is in it.
import { native } from "../native/addon.ts";

/** Times are milliseconds from the beginning of the record. */
export interface OperatorRun {
  /** Of its schema: "aten::mm". */
  readonly name: string;
  readonly start: number;
  readonly duration: number;
  /** The duration without the operators that it called. */
  readonly own: number;
  /** Of matrix products, convolutions and attention; not of what these call. */
  readonly product: Product | undefined;
}

/** `times` products of matrices [m, k] and [k, n]: each has m k n multiplications and as many additions. */
export interface Product {
  readonly times: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** Begins to record; what this returns ends it, and hands over the runs in the order of their starts. */
export function recordOperators(): () => OperatorRun[] {
  native.profileBegin();
  return () => {
    const [names, numbers] = native.profileEnd();
    return Array.from({ length: numbers.length / rowLength }, (_, i) =>
      runOf(names, numbers.subarray(i * rowLength, (i + 1) * rowLength)),
    );
  };
}

const rowLength = 8; // as addon/profile.cc writes them

function runOf(names: readonly string[], row: Float64Array): OperatorRun {
  const [name, start, duration, own, times, m, k, n] = row as unknown as readonly [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ];
  return { name: names[name]!, start, duration, own, product: times === 0 ? undefined : { times, m, k, n } };
}
