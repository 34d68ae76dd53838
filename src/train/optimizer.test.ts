import { expect, test } from "vitest";
import { noGrad, setGrad, type Tensor, tensor } from "../tensor/index.ts";
import type { FlagValues } from "./config/layers.ts";
import { loadConfig } from "./config/load.ts";
import type { OptimConfig } from "./config/types.ts";
import { createGroups, createOptimizer, createSchedule } from "./optimizer.ts";

const configured = (flags: FlagValues): OptimConfig => loadConfig({ flags: { "train-data": "a.tar", ...flags } }).optim;

function parameters(): Map<string, Tensor> {
  return new Map([
    ["transformer.resblocks.0.weight", tensor([3, 4], { shape: [1, 2] }).requireGrad()],
    ["logit_scale", tensor(2).requireGrad()],
  ]);
}

/** Both parameters after two steps with gradients of 1, the temperature's learning rate ten times smaller. */
function afterTwoSteps(flags: FlagValues): number[] {
  const config = configured(flags);
  const all = parameters();
  const groups = createGroups(config, all);
  const optimizer = createOptimizer(config, groups);
  for (let step = 0; step < 2; step++) {
    for (const parameter of all.values()) setGrad(parameter, tensor(1).expand(parameter.shape).clone());
    noGrad(() => optimizer.step({ gainsAndBiases: 0.1, weights: 0.1, logitScale: 0.01 }));
  }
  return [...all.values()].flatMap((parameter) => parameter.toArray().map((value) => Number(value.toFixed(4))));
}

test.each<[FlagValues, number[]]>([
  // Adam's step is 1 whenever all gradients are the same.
  [{ opt: "adamw", wd: "0" }, [2.8, 3.8, 1.98]],
  [{ opt: "lamb", wd: "0" }, [2.8, 3.8, 1.98]],
  [{ opt: "lion", wd: "0" }, [2.8, 3.8, 1.98]],
  // Momentum 0.9: steps of 1 and 1.9, and for the temperature of 1 and 1.
  [{ opt: "sgd", wd: "0" }, [2.71, 3.71, 1.98]],
  [{ opt: "sgd", wd: "0", nesterov: true }, [2.539, 3.539, 1.98]],
  [{ opt: "sgd", wd: "0", momentum: "0" }, [2.8, 3.8, 1.98]],
  // The only block stands one layer from the head.
  [{ opt: "sgd", wd: "0", momentum: "0", "layer-decay": "0.5" }, [2.9, 3.9, 1.98]],
  // The weights decay: 3 - 0.1 (1 + 1.5) = 2.75, then 2.75 - 0.1 (1 + 1.375).
  [{ opt: "sgd", wd: "0.5", momentum: "0" }, [2.5125, 3.415, 1.98]],
])("%j", (flags, expected) => expect(afterTwoSteps(flags)).toEqual(expected));

test("LAMB's step is as long as the parameter", () => {
  const [first, second] = afterTwoSteps({ opt: "lamb", wd: "0.1" });
  // Two steps of 0.1 |p|, in nearly one direction from |p| = 5.
  expect(Math.hypot(3 - first!, 4 - second!)).toBeCloseTo(0.1 * 5 + 0.1 * 4.5, 1);
});

test("the schedule is told in steps", () => {
  const length = { steps: 40, stepsPerEpoch: 10 };
  const common = { lr: 5e-4, warmup: 3 };
  expect(createSchedule(configured({ warmup: "3", "lr-min": "1e-5" }), length)).toEqual({
    kind: "cosine",
    ...common,
    lrMin: 1e-5,
    steps: 40,
  });
  expect(createSchedule(configured({ warmup: "3", "lr-scheduler": "const" }), length)).toEqual({
    kind: "const",
    ...common,
  });
  const cooldown = { "lr-scheduler": "const-cooldown", "epochs-cooldown": "2", "lr-cooldown-power": "2" };
  expect(createSchedule(configured({ warmup: "3", ...cooldown }), length)).toEqual({
    kind: "const-cooldown",
    ...common,
    steps: 40,
    cooldownSteps: 20,
    power: 2,
    lrEnd: 0,
  });
});
