// Which tensors of an unpickled file are the state dict.
import { ScriptObject, StoredTensor } from "./values.ts";

/** The key under which checkpoints of training hold the model's state dict beside the optimizer's and other things. */
const stateKey = "state_dict";

/** The tensors of the model by name. `path` begins the messages. */
export function findState(value: unknown, path: string): Map<string, StoredTensor> {
  if (value instanceof ScriptObject) return attributesOf(value, path);
  const state = value instanceof Map && value.has(stateKey) ? value.get(stateKey) : value;
  if (!(state instanceof Map)) throw new Error(`${path}: expected a state dict, got ${kindOf(state)}`);
  const entries = [...state].map(([name, tensor]): [string, StoredTensor] => {
    if (typeof name === "string" && tensor instanceof StoredTensor) return [name, tensor];
    const found = `${typeof name === "string" ? JSON.stringify(name) : kindOf(name)} is ${kindOf(tensor)}`;
    throw new Error(`${path}: expected a state dict, or a checkpoint that holds one as "${stateKey}"; ${found}`);
  });
  return new Map(entries);
}

/** Longer names are of modules that are nested without end. */
const longestName = 1000;

/** Parameters and buffers of a TorchScript module and its parts, as its `state_dict()` names them; a part that stands in two places is named once. */
function attributesOf(root: ScriptObject, path: string): Map<string, StoredTensor> {
  const found = new Map<string, StoredTensor>();
  const prefixes = new Map<ScriptObject, string>([[root, ""]]);
  // What is added while this goes through the map has its turn too.
  for (const [module, prefix] of prefixes) {
    if (prefix.length > longestName) throw new Error(`${path}: its modules are nested too deeply`);
    for (const [key, value] of module.attributes) {
      const name = prefix + (typeof key === "string" ? key : kindOf(key));
      if (value instanceof StoredTensor) found.set(name, value);
      else if (value instanceof ScriptObject && !prefixes.has(value)) prefixes.set(value, `${name}.`);
    }
  }
  return found;
}

function kindOf(value: unknown): string {
  if (value === null) return "None";
  if (value instanceof Map) return "a dict";
  if (value instanceof StoredTensor) return "a tensor";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
