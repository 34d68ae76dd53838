// What a recording of steps comes to: where their time went, and how much arithmetic was in it.
import type { Span } from "../../telemetry/spans.ts";
import type { OperatorRun, Product } from "../../tensor/index.ts";

/** What was recorded; all times are milliseconds of one clock. */
export interface Recording {
  /** Whole steps, from batch to batch. */
  readonly steps: number;
  readonly start: number;
  readonly duration: number;
  readonly spans: readonly Span[];
  readonly runs: readonly OperatorRun[];
}

/** Something that occurs in every step; milliseconds, and calls, are those of one. */
interface Share {
  readonly name: string;
  readonly milliseconds: number;
  readonly calls: number;
}

interface OperatorShare extends Share {
  /** Floating-point operations in a second while it runs; undefined where they are not counted. */
  readonly flops: number | undefined;
}

export interface Summary {
  readonly steps: number;
  /** From one batch to the next. */
  readonly milliseconds: number;
  /** In the order in which a step comes to them; the last is what lies between. Their sum is the step. */
  readonly phases: readonly Share[];
  /** The costliest first. */
  readonly operators: readonly OperatorShare[];
  /** Floating-point operations of a step in products of matrices, convolutions and attention, and a second while these run. */
  readonly flop: number;
  readonly flops: number;
  /** The product of matrices that most of them are in. */
  readonly product: Product | undefined;
}

export function summarise({ steps, duration, spans, runs }: Recording): Summary {
  const phases = sharesOf(spans, steps);
  const covered = phases.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const products = runs.filter(({ product }) => product !== undefined);
  const flop = sumOf(products, flopOf);
  return {
    steps,
    milliseconds: duration / steps,
    phases: [...phases, { name: "rest", milliseconds: duration / steps - covered, calls: 1 }],
    operators: operatorShares(runs, steps),
    flop: flop / steps,
    flops: perSecond(
      flop,
      sumOf(products, (run) => run.duration),
    ),
    product: largestProduct(products),
  };
}

/** A multiplication and an addition for each m, k, n. */
export function flopOf({ product }: Pick<OperatorRun, "product">): number {
  return product === undefined ? 0 : 2 * product.times * product.m * product.k * product.n;
}

/** Those of one name together, in the order of their first starts. */
function sharesOf(parts: readonly (Span | OperatorRun)[], steps: number): Share[] {
  const byStart = [...parts].sort((a, b) => a.start - b.start);
  return [...groupBy(byStart, ({ name }) => name)].map(([name, members]) => ({
    name,
    milliseconds: sumOf(members, ({ own }) => own) / steps,
    calls: members.length / steps,
  }));
}

function operatorShares(runs: readonly OperatorRun[], steps: number): OperatorShare[] {
  const byName = groupBy(runs, ({ name }) => name);
  return sharesOf(runs, steps)
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .map((share) => ({ ...share, flops: speedOf(byName.get(share.name)!) }));
}

function speedOf(runs: readonly OperatorRun[]): number | undefined {
  const counted = runs.filter(({ product }) => product !== undefined);
  return counted.length === 0
    ? undefined
    : perSecond(
        sumOf(counted, flopOf),
        sumOf(counted, (run) => run.duration),
      );
}

function largestProduct(runs: readonly OperatorRun[]): Product | undefined {
  const alike = groupBy(runs, ({ product }) => `${product?.m} ${product?.k} ${product?.n}`);
  const [most] = [...alike.values()].sort((a, b) => sumOf(b, flopOf) - sumOf(a, flopOf));
  return most?.[0]?.product;
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count / milliseconds) * 1000 : 0;
}

function sumOf<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0);
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [value]);
    else members.push(value);
  }
  return groups;
}
