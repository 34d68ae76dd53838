// What a step needs of an optimizer.
import { gradOf, type NamedTensors, setGrad, type Tensor } from "../tensor/index.ts";
import type { GroupName, ParameterGroup } from "./groups.ts";

export type LearningRates = Readonly<Record<GroupName, number>>;

export interface Optimizer {
  /** Updates every parameter that has a gradient. */
  step(learningRates: LearningRates): void;
  /** Moments and step counts, for a checkpoint; `load` copies them back. */
  state(): NamedTensors;
  load(state: NamedTensors): void;
}

export interface WithGradient {
  readonly name: string;
  readonly parameter: Tensor;
  readonly gradient: Tensor;
}

/** The group's parameters that backward reached. */
export function withGradients(group: ParameterGroup): WithGradient[] {
  return [...group.parameters].flatMap(([name, parameter]) => {
    const gradient = gradOf(parameter);
    return gradient === null ? [] : [{ name, parameter, gradient }];
  });
}

/** Drops the gradients, so that the next backward writes instead of adding. */
export function dropGradients(groups: readonly ParameterGroup[]): void {
  for (const { parameters } of groups) for (const parameter of parameters.values()) setGrad(parameter, null);
}

/** Copies saved tensors into an optimizer's own; every one must be there and fit. */
export function loadState(own: NamedTensors, saved: NamedTensors): void {
  for (const [name, tensor] of own) {
    const value = saved.get(name);
    if (value === undefined) throw new Error(`the checkpoint holds no optimizer state ${name}`);
    if (String(value.shape) !== String(tensor.shape))
      throw new Error(`optimizer state ${name}: expected shape [${tensor.shape}], the checkpoint has [${value.shape}]`);
    tensor.copy_(value);
  }
}
