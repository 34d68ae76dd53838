// What a step needs of an optimizer, and how an optimizer goes over its parameters: in lists, for operators that take lists.
import {
  foreachMul_,
  gradOf,
  type NamedTensors,
  scope,
  setGrad,
  type Tensor,
  withoutDenormals,
} from "../tensor/index.ts";
import type { GroupName, ParameterGroup } from "./groups.ts";

export type LearningRates = Readonly<Record<GroupName, number>>;

export interface Optimizer {
  /** Updates every parameter that has a gradient, which is used up. To be called where autograd does not record. */
  step(learningRates: LearningRates, options?: StepOptions): void;
  /** Moments and step counts, for a checkpoint; `load` copies them back. */
  state(): NamedTensors;
  load(state: NamedTensors): void;
}

export interface StepOptions {
  /** What gradients are multiplied by, 1 if absent. */
  readonly gradientFactor?: number;
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

/** The gradients of all groups. */
export function gradientsOf(groups: readonly ParameterGroup[]): Tensor[] {
  return groups.flatMap(withGradients).map(({ gradient }) => gradient);
}

/** Drops the gradients, so that the next backward writes instead of adding. */
export function dropGradients(groups: readonly ParameterGroup[]): void {
  for (const { parameters } of groups) for (const parameter of parameters.values()) setGrad(parameter, null);
}

/** Parameters of one group that are updated together, as lists of one length; their gradients have one type. */
export interface Update {
  readonly names: readonly string[];
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  /** What the gradients are to be multiplied by. */
  readonly gradientFactor: number;
  readonly group: GroupName;
  readonly lr: number;
  readonly weightDecay: number;
}

// 8 MB of float32: what an update makes on the way is as large as its parameters, and so is still near the core when it is read.
export const elementsTogether: number = 2 ** 21;

type UpdateTask = StepOptions & {
  readonly learningRates: LearningRates;
  readonly update: (update: Update) => void;
};

/**
 * Runs `update` on all parameters that have a gradient, some at a time, and frees what it made after each. Moments of the tokens that no text
 * has had for long, which shrink by a factor every step, end as 0 instead of as denormal numbers, on which an update takes many times as long.
 */
export function updateAll(groups: readonly ParameterGroup[], task: UpdateTask): void {
  withoutDenormals(() => {
    for (const group of groups) scope(() => updateGroup(group, task));
  });
}

function updateGroup(group: ParameterGroup, { learningRates, gradientFactor = 1, update }: UpdateTask): void {
  const { name, weightDecay, lrScale = 1 } = group;
  for (const members of portions(withGradients(group))) {
    const names = members.map((member) => member.name);
    const parameters = members.map(({ parameter }) => parameter);
    const gradients = members.map(({ gradient }) => gradient);
    const lr = learningRates[name] * lrScale;
    scope(() => update({ names, parameters, gradients, gradientFactor, group: name, lr, weightDecay }));
  }
}

/** The gradients as they are to be taken, in float32 at least; they may be used up. */
export function fullGradients({ gradients, gradientFactor }: Pick<Update, "gradients" | "gradientFactor">): Tensor[] {
  const full = gradients.map((gradient) => (gradient.dtype === "bfloat16" ? gradient.to("float32") : gradient));
  if (gradientFactor !== 1) foreachMul_(full, gradientFactor);
  return full;
}

/** Cuts a list where it would exceed `elementsTogether`, and where the gradients' type changes; a parameter that is larger stands alone. */
function portions(members: readonly WithGradient[]): WithGradient[][] {
  const lists: WithGradient[][] = [];
  let room = 0;
  for (const member of members) {
    const { numel } = member.parameter;
    if (lists.at(-1)?.[0]?.gradient.dtype !== member.gradient.dtype || numel > room) {
      lists.push([]);
      room = elementsTogether;
    }
    lists.at(-1)!.push(member);
    room -= numel;
  }
  return lists;
}
