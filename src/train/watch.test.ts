import { expect, test } from "vitest";
import { Watch } from "./watch.ts";

const noInformation = Math.log(64);
const figures = { step: 600, infoNce: 2, tau: 0.05, gradNorm: 0.3, noInformation };

test("a run that learns is left alone", () => {
  const watch = new Watch({ start: 0, learnsTau: true });
  for (const step of [100, 600, 6000]) expect(watch.look({ ...figures, step })).toEqual([]);
});

test("a loss that stays where guessing has it is said once, with what may be the cause", () => {
  const stuck = { ...figures, infoNce: noInformation };
  expect(new Watch({ start: 0, learnsTau: true }).look({ ...stuck, step: 499 })).toEqual([]);
  expect(new Watch({ start: 200, learnsTau: true }).look({ ...stuck, step: 600 })).toEqual([]);
  const watch = new Watch({ start: 0, learnsTau: true });
  expect(watch.look(stuck)).toEqual([
    "step 600: nothing is learned: InfoNCE is 4.159, where guessing has 4.159; do captions belong to their pictures (fastclip data), is the learning rate too high or too low (--lr)?",
  ]);
  expect(watch.look({ ...stuck, step: 700 })).toEqual([]);
  const collapsed = new Watch({ start: 0, learnsTau: true }).look({ ...stuck, gradNorm: 1e-7 });
  expect(collapsed[0]).toMatch(/the gradients are next to nothing \(norm 1\.0e-7\): the features may have collapsed/);
});

test("a temperature at its bound is said once", () => {
  const watch = new Watch({ start: 0, learnsTau: true });
  expect(watch.look({ ...figures, step: 10, tau: 0.0101 })).toEqual([]);
  const [sentence, ...others] = watch.look({ ...figures, step: 20, tau: 0.01 });
  expect(sentence).toMatch(/^step 20: tau sits at its bound 0\.01: its learning rate/);
  expect(others).toEqual([]);
  expect(watch.look({ ...figures, step: 30, tau: 0.01 })).toEqual([]);
  // One that is not trained is where it was put.
  expect(new Watch({ start: 0, learnsTau: false }).look({ ...figures, tau: 0.01 })).toEqual([]);
});
