import { beforeEach, describe, expect, test } from "vitest";
import { arange, cat, manualSeed, randn, scope, type Tensor, tensor } from "../tensor/index.ts";
import { InnerEstimator } from "./estimator.ts";
import { FastClipLoss, type Objective } from "./fastclip.ts";
import { type Features, singleRank } from "./features.ts";
import { IndividualLoss } from "./individual.ts";
import type { ContrastiveLoss, LossResult } from "./loss.ts";
import { OpenClipLoss } from "./openclip.ts";
import { mapPair, type Pair, pair, sides } from "./pair.ts";
import { PairState } from "./pair-state.ts";
import {
  crossEntropy,
  finiteDifferences,
  fromMatrix,
  globalGradient,
  globalObjective,
  innerFunctions,
  type Matrix,
  ofRank,
  toMatrix,
} from "./reference.fixture.ts";
import { SigLipLoss } from "./siglip.ts";

const eps = 1e-14;
const rho = 6.5;

const unitRows = (rows: number, width: number): Tensor => {
  const values = randn([rows, width]);
  return values.div(values.norm({ dim: [1], keepdim: true }));
};

const randomFeatures = (rows: number, width = 5): Pair<Tensor> => pair(() => unitRows(rows, width));

function evaluate(loss: ContrastiveLoss, features: Features, tau: number): LossResult {
  const rows = features.local.image.size(0);
  const input = { features, ids: arange(rows, { dtype: "int64" }), tau, bias: 0, gamma: 1, epoch: 0 };
  return loss.gradients(input, { of: "all", values: loss.inner(input).scalars });
}

const estimatorOf = (dataSize: number): InnerEstimator =>
  new InnerEstimator(PairState.inMemory(InnerEstimator.columns, dataSize));

const fastClip = (objective: Objective, dataSize = 4096): FastClipLoss =>
  new FastClipLoss({ objective, eps, estimator: estimatorOf(dataSize) });

/** Within 1e-4 of the largest expected entry, or of `scale` where that is larger: what cancels to nothing leaves its terms' rounding. */
function expectClose(actual: readonly number[], expected: readonly number[], scale = 0): void {
  const largest = Math.max(scale, ...expected.map(Math.abs));
  const error = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
  expect(error / largest).toBeLessThan(1e-4);
}

beforeEach(() => manualSeed(7));

describe("gradients are those of the stated objective (gamma 1: u is g)", () => {
  const cases: { name: string; loss: () => ContrastiveLoss; objective: (at: Pair<Matrix>, tau: number) => number }[] = [
    { name: "openclip", loss: () => new OpenClipLoss(), objective: crossEntropy },
    {
      name: "v0",
      loss: () => fastClip({ kind: "global", tauGradient: "exact" }),
      objective: (at, tau) => globalObjective(at, { tau, eps }),
    },
    {
      name: "v3",
      loss: () => fastClip({ kind: "robust", rho, tauGradient: "exact" }),
      objective: (at, tau) => tau * (globalObjective(at, { tau, eps }) + rho),
    },
  ];

  test.each(cases)("$name, features", ({ loss, objective }) => {
    const features = randomFeatures(6);
    const { features: gradients } = evaluate(loss(), singleRank(features), 0.07);
    const expected = finiteDifferences(mapPair(features, toMatrix), (at) => objective(at, 0.07));
    expectClose(gradients.image.toArray(), expected.image.flat());
    expectClose(gradients.text.toArray(), expected.text.flat());
  });

  test.each(cases)("$name, ln(1/tau)", ({ loss, objective }) => {
    const features = randomFeatures(6);
    const { logScale } = evaluate(loss(), singleRank(features), 0.07);
    const matrices = mapPair(features, toMatrix);
    const at = (logScale: number): number => objective(matrices, Math.exp(-logScale));
    const h = 1e-5;
    const center = Math.log(1 / 0.07);
    expectClose([logScale.item()], [(at(center + h) - at(center - h)) / (2 * h)]);
  });
});

describe("sharp temperatures and odd batches stay finite and exact", () => {
  const repeated = (row: readonly number[], times: number): Matrix => Array.from({ length: times }, () => row);
  const odd: { name: string; tau: number; features: () => Pair<Tensor> }[] = [
    {
      name: "tau 0.01, similarities of -1 and 1",
      tau: 0.01,
      features: () =>
        pair(() =>
          fromMatrix([
            [1, 0],
            [-1, 0],
            [1, 0],
          ]),
        ),
    },
    {
      name: "tau 0.01, every pair wrong",
      tau: 0.01,
      features: () => ({
        image: fromMatrix([
          [1, 0],
          [-1, 0],
        ]),
        text: fromMatrix([
          [-1, 0],
          [1, 0],
        ]),
      }),
    },
    { name: "batch of two", tau: 0.07, features: () => randomFeatures(2) },
    {
      name: "duplicate pairs",
      tau: 0.02,
      features: () => pair(() => fromMatrix([...repeated([0.6, 0.8], 3), [1, 0]])),
    },
  ];

  test.each(odd)("$name", ({ tau, features }) => {
    const batch = features();
    const losses = [new OpenClipLoss(), fastClip({ kind: "robust", rho, tauGradient: "reference" })];
    for (const loss of losses) {
      const { features: gradients, loss: value, logScale } = evaluate(loss, singleRank(batch), tau);
      const numbers = [gradients.image, gradients.text, value, logScale].flatMap((result) => result.toArray());
      expect(numbers.every(Number.isFinite)).toBe(true);
    }
    const loss = fastClip({ kind: "global", tauGradient: "exact" });
    const input = {
      features: singleRank(batch),
      ids: arange(batch.image.size(0), { dtype: "int64" }),
      tau,
      bias: 0,
      gamma: 1,
      epoch: 0,
    };
    const inner = loss.inner(input);
    const matrices = mapPair(batch, toMatrix);
    const gradients = loss.gradients(input, { of: "all", values: inner.scalars }).features;
    const exact = globalGradient(matrices, { tau, eps });
    expectClose(
      [...gradients.image.toArray(), ...gradients.text.toArray()],
      [...exact.image.flat(), ...exact.text.flat()],
      1,
    );
    const expected = innerFunctions(matrices, tau);
    expectClose(inner.scalars.image.toArray(), expected.image.map(Math.log));
    expectClose([inner.infoNce.item() + 1], [crossEntropy(mapPair(batch, toMatrix), tau) + 1]);
  });
});

function update(
  estimator: InnerEstimator,
  { ids, logG, gamma }: { ids: Tensor; logG: Tensor; gamma: number },
): Pair<Tensor> {
  const logU = estimator.updated(
    ids,
    pair(() => logG),
    gamma,
  );
  estimator.store(ids, logU);
  return logU;
}

describe("estimators", () => {
  const at = (id: number): Tensor => tensor([id], { dtype: "int64" });

  test("a pair seen for the first time takes g, also in a late epoch", () => {
    const [ids, logG] = [tensor([7, 2], { dtype: "int64" }), tensor([-2, 3])];
    expect(update(estimatorOf(10), { ids, logG, gamma: 0.2 }).image.toArray()).toEqual([-2, 3]);
  });

  test("the average is taken of u, not of its logarithm", () => {
    const estimator = estimatorOf(3);
    update(estimator, { ids: at(1), logG: tensor([Math.log(2)]), gamma: 1 });
    const updated = update(estimator, { ids: at(1), logG: tensor([Math.log(6)]), gamma: 0.25 });
    expectClose(updated.text.toArray(), [Math.log(0.75 * 2 + 0.25 * 6)]);
    expect(estimator.logU.text.toArray().slice(2)).toEqual([0]);
  });

  test("log u of exactly 0 is not taken for a pair never seen", () => {
    const estimator = estimatorOf(1);
    update(estimator, { ids: at(0), logG: tensor([0]), gamma: 1 });
    const updated = update(estimator, { ids: at(0), logG: tensor([Math.log(3)]), gamma: 0.5 });
    expectClose(updated.image.toArray(), [Math.log(2)]);
  });
});

const v2 = { init: 0.05, lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8 };
const ranked: Record<string, () => ContrastiveLoss> = {
  openclip: () => new OpenClipLoss(),
  "fastclip-v0": () => fastClip({ kind: "global", tauGradient: "reference" }),
  "fastclip-v2": () =>
    new IndividualLoss(PairState.inMemory(IndividualLoss.columns, 4096), { rho, eps, temperature: v2 }),
  "fastclip-v3": () => fastClip({ kind: "robust", rho, tauGradient: "exact" }),
};

/** The loss, d/d ln(1/tau) and features' gradients of all ranks together, each rank knowing all anchors or its own alone. */
function together(loss: ContrastiveLoss, all: Pair<Tensor>, { ranks, of }: { ranks: number; of: "all" | "own" }) {
  const inputs = Array.from({ length: ranks }, (_, rank) => {
    const features = ofRank(all, { rank, ranks });
    const ids = arange(features.local.image.size(0), { dtype: "int64" }).add(features.offset);
    return { features, ids, tau: 0.05, bias: 0, gamma: 1, epoch: 0 };
  });
  const inner = inputs.map((input) => loss.inner(input).scalars);
  const values = pair((side) => cat(inner.map((one) => one[side])));
  const results = inputs.map((input, rank) =>
    loss.gradients(input, of === "all" ? { of, values } : { of, values: inner[rank]! }),
  );
  const mean = (value: (result: LossResult) => Tensor): number =>
    results.reduce((sum, one) => sum + value(one).item(), 0) / ranks;
  const features = mapPair(all, (_, side) => {
    const own = cat(results.map((one) => one.features[side]));
    const partners = results.flatMap((one) => (one.partners === undefined ? [] : [one.partners[side]]));
    expect(partners).toHaveLength(of === "own" && ranks > 1 ? ranks : 0);
    return partners.reduce((sum, part) => sum.add(part), own).div(ranks);
  });
  return { loss: mean((one) => one.loss), logScale: mean((one) => one.logScale), features, scalars: values };
}

describe.each([1, 2, 3])("%i ranks give together what one gives", (ranks) => {
  test.each(Object.keys(ranked).flatMap((name) => (["all", "own"] as const).map((of) => ({ name, of }))))(
    "$name, from the scalars of $of anchors",
    ({ name, of }) => {
      const all = randomFeatures(12);
      const whole = evaluate(ranked[name]!(), singleRank(all), 0.05);
      const { loss, logScale, features } = together(ranked[name]!(), all, { ranks, of });
      expectClose([loss], [whole.loss.item()]);
      expectClose([logScale], [whole.logScale.item()], 1);
      for (const side of sides) expectClose(features[side].toArray(), whole.features[side].toArray());
    },
  );
});

test("a batch that needs several tiles gives what the full matrix gives", () => {
  const pairs = 3547; // four bands, the last of one row, in which its own column has no partner
  scope(() => {
    const features = randomFeatures(pairs, 8);
    const { features: gradients } = evaluate(new OpenClipLoss(), singleRank(features), 0.05);
    const logits = features.image.matmul(features.text.t()).div(0.05);
    const weights = logits
      .softmax(1)
      .add(logits.softmax(0))
      .div(2 * pairs * 0.05);
    const expected = {
      image: weights.matmul(features.text).sub(features.text.div(pairs * 0.05)),
      text: weights
        .t()
        .matmul(features.image)
        .sub(features.image.div(pairs * 0.05)),
    };
    for (const side of sides) expectClose(gradients[side].toArray(), expected[side].toArray());
  });
});

const several: Record<string, () => ContrastiveLoss> = { ...ranked, siglip: () => new SigLipLoss() };

// One rank cuts 2500 x 2500 similarities into two bands, of which it takes columns as anchors too; two ranks take rows alone.
test.each(Object.keys(several))("%s: a batch of several tiles is on one rank what it is on two", (name) => {
  scope(() => {
    const all = randomFeatures(2500, 8);
    const [one, two] = [1, 2].map((ranks) => together(several[name]!(), all, { ranks, of: "all" }));
    expectClose([two!.loss], [one!.loss]);
    expectClose([two!.logScale], [one!.logScale], 1);
    for (const side of sides) {
      expectClose(two!.features[side].toArray(), one!.features[side].toArray());
      expectClose(two!.scalars[side].toArray(), one!.scalars[side].toArray());
    }
  });
});
