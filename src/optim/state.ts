// What an optimizer keeps of every parameter from step to step.
import type { NamedTensors, Tensor } from "../tensor/index.ts";
import type { ParameterGroup } from "./groups.ts";

/** Tensors by parameter and by key; the keys are PyTorch's. */
export class ParameterState<Key extends string> {
  readonly #tensors: ReadonlyMap<string, Readonly<Record<Key, Tensor>>>;

  constructor(groups: readonly ParameterGroup[], create: (parameter: Tensor) => Readonly<Record<Key, Tensor>>) {
    const parameters = groups.flatMap((group) => [...group.parameters]);
    this.#tensors = new Map(parameters.map(([name, parameter]) => [name, kept(create(parameter))]));
  }

  /** One tensor of each parameter named. */
  list(names: readonly string[], key: Key): Tensor[] {
    return names.map((name) => this.#tensors.get(name)![key]);
  }

  /** All tensors, not copied, as `PARAMETER/KEY`. */
  all(): NamedTensors {
    const entries = [...this.#tensors].flatMap(([name, tensors]) =>
      Object.entries<Tensor>(tensors).map(([key, tensor]) => [`${name}/${key}`, tensor] as const),
    );
    return new Map(entries);
  }

  /** Copies saved tensors into its own. Nothing is copied when it throws: when one is missing, does not fit or is not known. */
  load(saved: NamedTensors): void {
    const own = this.all();
    const pairs = [...own].map(([name, tensor]) => ({ tensor, value: fitting(saved, { name, tensor }) }));
    for (const name of saved.keys())
      if (!own.has(name)) throw new Error(`the checkpoint holds optimizer state ${name}, which this optimizer has not`);
    for (const { tensor, value } of pairs) tensor.copy_(value);
  }
}

function kept<Tensors extends Readonly<Record<string, Tensor>>>(tensors: Tensors): Tensors {
  for (const tensor of Object.values(tensors)) tensor.keep();
  return tensors;
}

function fitting(saved: NamedTensors, { name, tensor }: { name: string; tensor: Tensor }): Tensor {
  const value = saved.get(name);
  if (value === undefined) throw new Error(`the checkpoint holds no optimizer state ${name}`);
  if (String(value.shape) !== String(tensor.shape))
    throw new Error(`optimizer state ${name}: expected shape [${tensor.shape}], the checkpoint has [${value.shape}]`);
  return value;
}
