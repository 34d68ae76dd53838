// What a process sent and how long that took, by collective.

import type { Traffic } from "../telemetry/metrics.ts";

export type TrafficByName = ReadonlyMap<string, Readonly<Traffic>>;

const nothing: Readonly<Traffic> = { calls: 0, bytes: 0, milliseconds: 0, exposedMilliseconds: 0 };

/** Counts and never forgets: a step's share is the difference of two `totals()`. */
export class TrafficCounter {
  readonly #totals = new Map<string, Traffic>();

  add(name: string, { calls, bytes, milliseconds, exposedMilliseconds }: Readonly<Traffic>): void {
    const total = this.#totals.get(name) ?? { ...nothing };
    total.calls += calls;
    total.bytes += bytes;
    total.milliseconds += milliseconds;
    total.exposedMilliseconds += exposedMilliseconds;
    this.#totals.set(name, total);
  }

  totals(): TrafficByName {
    return new Map([...this.#totals].map(([name, total]) => [name, { ...total }]));
  }
}

/** What was counted between two readings. */
export function trafficSince(before: TrafficByName, now: TrafficByName): TrafficByName {
  const difference = combine(now, before, (a, b) => a - b);
  return new Map([...difference].filter(([, { calls }]) => calls > 0));
}

/** What two counts come to together. */
export function trafficSum(one: TrafficByName, other: TrafficByName): TrafficByName {
  return combine(one, other, (a, b) => a + b);
}

function combine(one: TrafficByName, other: TrafficByName, operation: (a: number, b: number) => number): TrafficByName {
  const names = new Set([...one.keys(), ...other.keys()]);
  return new Map(
    [...names].map((name) => {
      const [a, b] = [one.get(name) ?? nothing, other.get(name) ?? nothing];
      const of = (key: keyof Traffic): number => operation(a[key], b[key]);
      return [
        name,
        {
          calls: of("calls"),
          bytes: of("bytes"),
          milliseconds: of("milliseconds"),
          exposedMilliseconds: of("exposedMilliseconds"),
        },
      ];
    }),
  );
}
