// The base of every layer and model: parameters and buffers under PyTorch's names and in PyTorch's order.
import { type DType, type NamedTensors, noGrad, type Tensor } from "../tensor/index.ts";

/** What `loadStateDict` found beside the tensors that it took. */
interface LoadReport {
  /** Names of the module that the state lacks. */
  readonly missing: string[];
  /** Names of the state that the module lacks. */
  readonly unexpected: string[];
}

/**
 * A piece of a network. A subclass hands its tensors and its parts to `parameter`, `buffer` and `child` with their names in the
 * state dict, and has a method `forward`.
 */
export class Module {
  #training = true;
  readonly #parameters = new Map<string, Tensor>();
  readonly #buffers = new Map<string, Tensor>();
  readonly #children = new Map<string, Module>();

  /** Takes over a new tensor as a trainable parameter. */
  protected parameter(name: string, value: Tensor): Tensor {
    this.#parameters.set(name, value.keep().requireGrad());
    return value;
  }

  /** Takes over a new tensor that is saved with the model and not trained. */
  protected buffer(name: string, value: Tensor): Tensor {
    this.#buffers.set(name, value.keep());
    return value;
  }

  protected child<M extends Module>(name: string, module: M): M {
    this.#children.set(name, module);
    return module;
  }

  /** This module and all that it is made of. */
  *modules(): Generator<Module> {
    yield this;
    for (const child of this.#children.values()) yield* child.modules();
  }

  /** Training mode: batch norm uses the batch's statistics. A new module is in training mode. */
  get training(): boolean {
    return this.#training;
  }

  train(training = true): this {
    this.#training = training;
    for (const child of this.#children.values()) child.train(training);
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** All trainable tensors by their full names, such as `visual.conv1.weight`. */
  parameters(): Map<string, Tensor> {
    return new Map(this.#walk("", (module) => module.#parameters));
  }

  /** All tensors that are saved but not trained, by their full names. */
  buffers(): Map<string, Tensor> {
    return new Map(this.#walk("", (module) => module.#buffers));
  }

  /** Parameters and buffers, not copied, in the order of PyTorch's `state_dict()`. */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#walk("", (module) => [...module.#parameters, ...module.#buffers]));
  }

  *#walk(prefix: string, own: (module: Module) => Iterable<[string, Tensor]>): Generator<[string, Tensor]> {
    for (const [name, tensor] of own(this)) yield [prefix + name, tensor];
    for (const [name, child] of this.#children) yield* child.#walk(`${prefix}${name}.`, own);
  }

  /**
   * Copies the tensors of `state` into this module, converting element types. Nothing is copied when it throws: on a shape
   * that differs and, when `strict`, on a name that only one side has.
   */
  loadStateDict(state: NamedTensors, options: { strict?: boolean } = {}): LoadReport {
    const own = this.stateDict();
    const missing = [...own.keys()].filter((name) => !state.has(name));
    const unexpected = [...state.keys()].filter((name) => !own.has(name));
    const shared = [...own].filter(([name]) => state.has(name));
    const problems = shared.flatMap(([name, tensor]) => shapeProblem(name, tensor, state.get(name)!));
    if (options.strict ?? true) {
      if (missing.length > 0) problems.push(`the state lacks ${list(missing)}`);
      if (unexpected.length > 0) problems.push(`the model has no ${list(unexpected)}`);
    }
    if (problems.length > 0) throw new Error(`the state does not fit the model: ${list(problems, "; ")}`);
    noGrad(() => {
      for (const [name, tensor] of shared) tensor.copy_(state.get(name)!);
    });
    return { missing, unexpected };
  }

  /** Moves all tensors to another device or floating-point type. The Tensor objects stay the same; gradients are dropped. */
  to(target: { device?: string; dtype?: Extract<DType, "float16" | "bfloat16" | "float32" | "float64"> }): this {
    noGrad(() => {
      for (const tensor of this.stateDict().values()) {
        const isFloat = tensor.dtype !== "int64";
        const moved = tensor.toFormat({ device: target.device, dtype: isFloat ? target.dtype : undefined });
        tensor.setData(moved);
        moved.free();
      }
    });
    return this;
  }

  /** Gives the memory of all parameters and buffers back. */
  free(): void {
    for (const tensor of this.stateDict().values()) tensor.free();
  }
}

/** Modules of one kind under the names "0", "1", ... */
export class ModuleList<M extends Module> extends Module implements Iterable<M> {
  readonly #modules: readonly M[];

  constructor(modules: readonly M[]) {
    super();
    this.#modules = modules;
    for (const [i, module] of modules.entries()) this.child(`${i}`, module);
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#modules[Symbol.iterator]();
  }
}

function shapeProblem(name: string, own: Tensor, given: Tensor): string[] {
  const [expected, actual] = [own.shape, given.shape];
  const same = expected.length === actual.length && expected.every((size, i) => size === actual[i]);
  return same ? [] : [`${name} has shape [${actual}] in the state and [${expected}] in the model`];
}

const listed = 8; // a wrong model gives hundreds of names: enough to see which kind they are of

function list(items: readonly string[], separator = ", "): string {
  const rest = items.length - listed;
  return items.slice(0, listed).join(separator) + (rest > 0 ? `${separator}and ${rest} more` : "");
}
