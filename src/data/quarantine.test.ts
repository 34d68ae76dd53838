import { expect, test } from "vitest";
import type { Fault } from "./faults.ts";
import { BatchQuarantine, Quarantine, withoutCount } from "./quarantine.ts";

function faults(count: number): Fault[] {
  return Array.from({ length: count }, (_, i) => ({
    cause: "bad-picture",
    shard: "a.tar",
    key: String(i),
    message: `a.tar: ${i}.jpg is cut off at byte 8192`,
  }));
}

test("each fault is reported with its number", () => {
  const messages: string[] = [];
  const quarantine = new Quarantine({ maxBadRate: 0.01, onFault: ({ message }) => messages.push(message) });
  quarantine.record(10_000, faults(2));
  expect(messages[1]).toBe("a.tar: 1.jpg is cut off at byte 8192; skipped (2 of 10000 so far)");
  expect(quarantine.counts).toEqual({ "bad-picture": 2 });
});

test("the rate is taken over at least 1,000 samples", () => {
  const quarantine = new Quarantine({ maxBadRate: 0.01 });
  quarantine.record(10, faults(10));
  expect(() => quarantine.record(20, faults(1))).toThrow(
    "too many bad samples: 11 of 20 (55 %) where maxBadRate allows 1 % (11 bad-picture); the last: a.tar: 0.jpg",
  );
});

test("over many samples the rate itself counts", () => {
  const quarantine = new Quarantine({ maxBadRate: 0.01 });
  quarantine.record(100_000, faults(1000));
  expect(() => quarantine.record(100_000, faults(1))).toThrow("too many bad samples");
});

test("a rate of 0 stops at the first", () => {
  const quarantine = new Quarantine({ maxBadRate: 0 });
  quarantine.record(5, []);
  expect(() => quarantine.record(6, faults(1))).toThrow("1 of 6");
});

test("a rate that is none is refused", () => {
  expect(() => new Quarantine({ maxBadRate: 1.5 })).toThrow("maxBadRate must be between 0 and 1, but is 1.5");
});

test("a count goes on where an earlier process has left it", () => {
  const messages: string[] = [];
  const onFault = ({ message }: Fault): void => void messages.push(message);
  const quarantine = new BatchQuarantine(5000, { maxBadRate: 0.002, onFault });
  quarantine.goOn({ tried: 2000, bad: [1, 2, 3].map((id) => ({ id, cause: "no-caption" })) });
  const [first, second] = faults(2) as [Fault, Fault];
  // What was bad before is not told of again.
  quarantine.record(8, [
    { id: 2, fault: first },
    { id: 9, fault: second },
  ]);
  expect(messages).toEqual(["a.tar: 1.jpg is cut off at byte 8192; skipped (4 of 2010 so far)"]);
  expect(quarantine.counts).toEqual({ "no-caption": 3, "bad-picture": 1 });
  expect(() => quarantine.record(8, [{ id: 10, fault: first }])).toThrow("too many bad samples: 5 of 2019");
});

test("a sentence is what it was without the count in it", () => {
  const messages: string[] = [];
  new Quarantine({ maxBadRate: 1, onFault: ({ message }) => messages.push(message) }).record(10_000, faults(2));
  expect(messages.map(withoutCount)).toEqual(faults(2).map(({ message }) => message));
});
