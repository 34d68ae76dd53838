// OpenCLIP's three groups of parameters.
import type { NamedTensors, Tensor } from "../tensor/index.ts";

export type GroupName = "gainsAndBiases" | "weights" | "logitScale";

/** Several groups may have one name: they have one learning rate but for `lrScale`. A parameter is in one group. */
export interface ParameterGroup {
  readonly name: GroupName;
  readonly parameters: NamedTensors;
  readonly weightDecay: number;
  /** What the learning rate of the group's name is multiplied by; 1 if absent. */
  readonly lrScale?: number;
}

/**
 * Gains, biases and all else with fewer than two dimensions are not decayed, and neither is logit_scale, which has a learning
 * rate of its own; matrices and kernels are. Parameters that collect no gradient are in no group.
 */
export function parameterGroups(parameters: NamedTensors, weightDecay: number): ParameterGroup[] {
  const members: Record<GroupName, Map<string, Tensor>> = {
    gainsAndBiases: new Map(),
    weights: new Map(),
    logitScale: new Map(),
  };
  for (const [name, parameter] of parameters)
    if (parameter.requiresGrad) members[groupOf(name, parameter)].set(name, parameter);
  return [
    { name: "gainsAndBiases", parameters: members.gainsAndBiases, weightDecay: 0 },
    { name: "weights", parameters: members.weights, weightDecay },
    { name: "logitScale", parameters: members.logitScale, weightDecay: 0 },
  ];
}

function groupOf(name: string, parameter: Tensor): GroupName {
  if (name === "logit_scale") return "logitScale";
  return parameter.shape.length < 2 ? "gainsAndBiases" : "weights";
}
