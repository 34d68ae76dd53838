// What a process sent and how long that took, by collective.

/** All calls of one collective so far. */
export interface Traffic {
  calls: number;
  /** The size of what every process holds afterwards (of a reduce-scatter, before), summed over calls. */
  bytes: number;
  /** From the start to the end of each call. */
  milliseconds: number;
  /** The part of it that nothing else was computed in. */
  exposedMilliseconds: number;
}

export type TrafficByName = ReadonlyMap<string, Readonly<Traffic>>;

/** Counts and never forgets: a step's share is the difference of two `totals()`. */
export class TrafficCounter {
  readonly #totals = new Map<string, Traffic>();

  add(name: string, { calls, bytes, milliseconds, exposedMilliseconds }: Readonly<Traffic>): void {
    const total = this.#totals.get(name) ?? { calls: 0, bytes: 0, milliseconds: 0, exposedMilliseconds: 0 };
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
  const nothing: Traffic = { calls: 0, bytes: 0, milliseconds: 0, exposedMilliseconds: 0 };
  const differences = [...now].map(([name, total]): [string, Traffic] => {
    const start = before.get(name) ?? nothing;
    return [
      name,
      {
        calls: total.calls - start.calls,
        bytes: total.bytes - start.bytes,
        milliseconds: total.milliseconds - start.milliseconds,
        exposedMilliseconds: total.exposedMilliseconds - start.exposedMilliseconds,
      },
    ];
  });
  return new Map(differences.filter(([, { calls }]) => calls > 0));
}
