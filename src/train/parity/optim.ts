// Replays golden cases of optimizers: one update a step over three groups of parameters.
import { AdamW } from "../../optim/adamw.ts";
import type { GroupName, ParameterGroup } from "../../optim/groups.ts";
import { Lamb } from "../../optim/lamb.ts";
import { Lion } from "../../optim/lion.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import { Sgd } from "../../optim/sgd.ts";
import { type NamedTensors, noGrad, setGrad } from "../../tensor/index.ts";
import { tensorOf } from "./case.ts";
import type { Comparison } from "./compare.ts";

export interface OptimSettings {
  readonly optimizer: "adamw" | "lamb" | "lion" | "sgdm";
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly momentum: number;
  readonly lr: number;
  readonly lrTau: number;
  readonly steps: number;
  /** Gains and biases, weights, logit_scale: the numbers of their parameters. */
  readonly groups: readonly { readonly params: readonly number[]; readonly weightDecay: number }[];
}

const groupNames: readonly GroupName[] = ["gainsAndBiases", "weights", "logitScale"];

const optimizers: Readonly<
  Record<OptimSettings["optimizer"], (groups: readonly ParameterGroup[], settings: OptimSettings) => Optimizer>
> = {
  adamw: (groups, settings) => new AdamW(groups, settings),
  lamb: (groups, settings) => new Lamb(groups, settings),
  lion: (groups, settings) => new Lion(groups, settings),
  // The case holds PyTorch's SGD, where every group has the momentum.
  sgdm: (groups, { momentum }) =>
    new Sgd(groups, {
      momentum: { gainsAndBiases: momentum, weights: momentum, logitScale: momentum },
      nesterov: false,
    }),
};

export function unsupportedOptim({ optimizer }: { readonly optimizer: string }): string | undefined {
  return Object.hasOwn(optimizers, optimizer) ? undefined : `optimizer ${optimizer}`;
}

export function replayOptim(settings: OptimSettings, tensors: NamedTensors): Comparison[] {
  const groups = settings.groups.map(({ params, weightDecay }, i): ParameterGroup => {
    const parameters = params.map((n) => [`p${n}`, tensorOf(tensors, `init.p${n}`).clone().requireGrad()] as const);
    return { name: groupNames[i]!, parameters: new Map(parameters), weightDecay };
  });
  const optimizer = optimizers[settings.optimizer](groups, settings);
  return Array.from({ length: settings.steps }, (_, step) =>
    replayStep({ settings, tensors, groups, optimizer, step }),
  ).flat();
}

function replayStep(task: {
  settings: OptimSettings;
  tensors: NamedTensors;
  groups: readonly ParameterGroup[];
  optimizer: Optimizer;
  step: number;
}): Comparison[] {
  const { settings, tensors, groups, optimizer, step } = task;
  const parameters = groups.flatMap((group) => [...group.parameters]);
  for (const [name, parameter] of parameters) setGrad(parameter, tensorOf(tensors, `step${step}.grad.${name}`));
  noGrad(() => optimizer.step({ gainsAndBiases: settings.lr, weights: settings.lr, logitScale: settings.lrTau }));
  return parameters.map(([name, parameter]) => ({
    name: `step${step}.${name}`,
    actual: parameter.detach().clone(),
    expected: tensorOf(tensors, `step${step}.${name}`),
    tolerance: { rtol: 1e-5, atol: 1e-7 },
  }));
}
