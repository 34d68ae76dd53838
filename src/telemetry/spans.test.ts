import { expect, test } from "vitest";
import { mark, pastSpan, recordSpans, type Span, span, spanAsync } from "./spans.ts";

const namesOf = (spans: readonly Span[]): string[] => spans.map(({ name }) => name);
const sumOf = (spans: readonly Span[], of: (span: Span) => number): number =>
  spans.reduce((sum, each) => sum + of(each), 0);

/** Something that takes time. */
function work(): void {
  const end = performance.now() + 1;
  while (performance.now() < end);
}

test("without a recording a span is its body", async () => {
  expect(span("a", () => 7)).toBe(7);
  expect(await spanAsync("b", async () => 8)).toBe(8);
  mark("c");
  pastSpan("d", 1);
  const end = recordSpans();
  expect(end()).toEqual([]);
});

test("spans lie within each other, marks follow each other, and their own times add up to the whole", async () => {
  const end = recordSpans();
  span("step", () => {
    work();
    mark("forward");
    span("encode", work);
    work();
    mark("loss");
    work();
  });
  await spanAsync("saving", async () => work());
  const spans = end();
  expect(namesOf(spans)).toEqual(["encode", "forward", "loss", "step", "saving"]);
  const [encode, forward, loss, step, saving] = spans as [Span, Span, Span, Span, Span];
  expect(encode.own).toBe(encode.duration);
  expect(forward.own).toBeCloseTo(forward.duration - encode.duration, 9);
  expect(step.own).toBeCloseTo(step.duration - forward.duration - loss.duration, 9);
  expect(sumOf(spans, ({ own }) => own)).toBeCloseTo(step.duration + saving.duration, 9);
  expect(loss.start).toBeGreaterThanOrEqual(forward.start + forward.duration);
});

test("an error ends its span and the marks in it", () => {
  const end = recordSpans();
  const fail = (): void => {
    mark("forward");
    throw new Error("out of memory");
  };
  expect(() => span("step", fail)).toThrow("out of memory");
  span("next", work);
  expect(namesOf(end())).toEqual(["forward", "step", "next"]);
});

test("a span that is told afterwards takes its time from those that it shares it with", () => {
  const end = recordSpans();
  span("step", () => {
    span("backward", () => {
      for (let i = 0; i < 20; i++) work();
    });
    pastSpan("exchange", 10);
  });
  const [backward, exchange, step] = end() as [Span, Span, Span];
  expect(exchange.own).toBe(10);
  // All but the moment between the two was backward's.
  expect(backward.own + exchange.own + step.own).toBeCloseTo(step.duration, 9);
  expect(backward.own).toBeLessThan(backward.duration);
  expect(step.own).toBeGreaterThanOrEqual(0);
});

test("one recording at a time", () => {
  const end = recordSpans();
  expect(() => recordSpans()).toThrow("recorded already");
  end();
});
