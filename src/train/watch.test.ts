import { expect, test } from "vitest";
import { type Figures, Watch } from "./watch.ts";

const noInformation = Math.log(64);
const figures: Figures = {
  step: 600,
  infoNce: 2,
  tau: 0.05,
  gradNorm: 0.3,
  noInformation,
  imageLikeness: 0.2,
  textLikeness: 0.3,
  repeatedCaptions: 0.02,
};
const begun = (): Watch => new Watch({ start: 0, learnsTau: true });

test("a run that learns is left alone", () => {
  const watch = begun();
  for (let step = 100; step <= 6000; step += 100) expect(watch.look({ ...figures, step })).toEqual([]);
});

test("a loss that stays where guessing has it is said once, with what may be the cause", () => {
  const stuck = { ...figures, infoNce: noInformation };
  expect(begun().look({ ...stuck, step: 499 })).toEqual([]);
  expect(new Watch({ start: 200, learnsTau: true }).look({ ...stuck, step: 600 })).toEqual([]);
  const watch = begun();
  expect(watch.look(stuck)).toEqual([
    "step 600: nothing is learned: InfoNCE is 4.159, where guessing has 4.159; do captions belong to their pictures (fastclip data), is the learning rate too high or too low (--lr)?",
  ]);
  expect(watch.look({ ...stuck, step: 700 })).toEqual([]);
  expect(begun().look({ ...stuck, gradNorm: 1e-7 })[0]).toMatch(
    /the gradients are next to nothing \(norm 1\.0e-7\): is the model locked as it should be/,
  );
  expect(begun().look({ ...stuck, textLikeness: 0.9951, gradNorm: 1e-7 })[0]).toMatch(
    /guessing has 4\.159; the mean cosine between the features of different captions is 0\.995: are they alike themselves/,
  );
});

test("a temperature at its bound is said once", () => {
  const watch = begun();
  expect(watch.look({ ...figures, step: 10, tau: 0.0101 })).toEqual([]);
  const [sentence, ...others] = watch.look({ ...figures, step: 20, tau: 0.01 });
  expect(sentence).toMatch(/^step 20: tau sits at its bound 0\.01: its learning rate/);
  expect(others).toEqual([]);
  expect(watch.look({ ...figures, step: 30, tau: 0.01 })).toEqual([]);
  // One that is not trained is where it was put.
  expect(new Watch({ start: 0, learnsTau: false }).look({ ...figures, tau: 0.01 })).toEqual([]);
});

test("features that were apart and are no longer are said once for each side", () => {
  const watch = begun();
  // Untrained towers begin so, and a warm-up leaves them there for long.
  for (const imageLikeness of [0.992, 0.995, 0.3, 0.98])
    expect(watch.look({ ...figures, imageLikeness }), `${imageLikeness}`).toEqual([]);
  expect(watch.look({ ...figures, imageLikeness: 0.9985, textLikeness: 0.98 })).toEqual([
    "step 600: the mean cosine between the features of different pictures is 0.999, and was 0.300: they have collapsed; go back to a checkpoint before that with a lower learning rate (--lr), a longer warm-up (--warmup) or clipped gradients (--grad-clip-norm)",
  ]);
  const [sentence, ...others] = watch.look({ ...figures, imageLikeness: 0.9985, textLikeness: 0.9985 });
  expect(sentence).toMatch(/different captions is 0\.999, and was 0\.300/);
  expect(others).toEqual([]);
});

test("captions that repeat are said once, with their share of a thousand at least", () => {
  const watch = begun();
  // 15 batches of 64 are 960 captions; the 16th makes it enough.
  for (let batch = 1; batch < 16; batch++) expect(watch.look({ ...figures, repeatedCaptions: 0.25 })).toEqual([]);
  const [sentence, ...others] = watch.look({ ...figures, repeatedCaptions: 0.25 });
  expect(sentence).toMatch(
    /^step 600: 25 % of the captions stand in their batch more than once, so that .*; leave copies/,
  );
  expect(others).toEqual([]);
  for (let batch = 0; batch < 32; batch++) expect(watch.look({ ...figures, repeatedCaptions: 0.25 })).toEqual([]);
});
