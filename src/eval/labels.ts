// What a sample's JSON says of it: the class that its picture shows, and whether that was kept out of training.
import { type Fault, SampleError } from "../data/faults.ts";
import { mapLimited } from "../data/limited.ts";
import type { ClassList } from "./classes.ts";

/** Reads the parts of samples that are no tensors; data's SampleReader is one. */
export interface Reader {
  key(id: number): string;
  /** The picture file, and the captions, at least one. */
  sample(id: number): Promise<{ image: Buffer; captions(): readonly string[] }>;
  /** The contents of the .json; undefined when there is none. */
  json(id: number): Promise<unknown>;
}

/** Samples that are read at once. */
const atOnce = 32;

/** Of the samples in one order, what evaluation wants to know. */
export interface Labels {
  readonly captions: readonly string[];
  /** Index of each sample's class; -1 where its JSON names none, or no class names are given. */
  readonly classes: Int32Array;
  /** Samples that are right answers for each other have the same number: those of one class, else those of one caption. */
  readonly groups: Int32Array;
  /** Field `heldOutConcept` of the demonstration data: whether no picture of the concept was trained on. */
  readonly heldOutConcept: readonly (boolean | undefined)[];
}

export interface LabelOptions {
  reader: Reader;
  /** Samples, in order. */
  ids: readonly number[];
  classes?: ClassList | undefined;
  /** Told of a sample whose JSON is damaged; it counts as one without JSON. */
  onFault?: ((fault: Fault) => void) | undefined;
}

/**
 * Reads captions, the first where there are several, and labels. A sample's class is the field `class` of its JSON: an index into the class names, a name of
 * them, or a concept of them.
 *
 * @throws when a sample's class is not among the class names.
 */
export async function readLabels({ reader, ids, classes, onFault }: LabelOptions): Promise<Labels> {
  const captions = await mapLimited(ids, atOnce, async (id) => (await reader.sample(id)).captions()[0]!);
  const about = await mapLimited(ids, atOnce, (id) => readAbout(reader, id, onFault));
  const indexOf = classes && classIndex(classes);
  const groupOf = new Map<string, number>();
  return {
    captions,
    classes: Int32Array.from(about, ({ class: value, concept }, i) => {
      if (indexOf === undefined || value === undefined) return -1;
      return indexOf({ value, concept, sample: reader.key(ids[i]!) });
    }),
    groups: Int32Array.from(about, ({ class: value }, i) => {
      const key = value === undefined ? `caption ${captions[i]}` : `class ${value}`;
      if (!groupOf.has(key)) groupOf.set(key, groupOf.size);
      return groupOf.get(key)!;
    }),
    heldOutConcept: about.map(({ heldOutConcept }) => heldOutConcept),
  };
}

interface About {
  readonly class: number | string | undefined;
  readonly concept: string | undefined;
  readonly heldOutConcept: boolean | undefined;
}

async function readAbout(reader: Reader, id: number, onFault: ((fault: Fault) => void) | undefined): Promise<About> {
  const { class: value, concept, heldOutConcept } = await readFields(reader, id, onFault);
  return {
    class: typeof value === "number" || typeof value === "string" ? value : undefined,
    concept: typeof concept === "string" ? concept : undefined,
    heldOutConcept: typeof heldOutConcept === "boolean" ? heldOutConcept : undefined,
  };
}

async function readFields(
  reader: Reader,
  id: number,
  onFault: ((fault: Fault) => void) | undefined,
): Promise<Record<keyof About, unknown>> {
  const none = { class: undefined, concept: undefined, heldOutConcept: undefined };
  try {
    const json = await reader.json(id);
    return typeof json === "object" && json !== null ? { ...none, ...json } : none;
  } catch (error) {
    if (!(error instanceof SampleError)) throw error;
    onFault?.(error.fault);
    return none;
  }
}

type ClassIndex = (label: { value: number | string; concept: string | undefined; sample: string }) => number;

/** Finds classes by what samples call them. */
function classIndex({ classes }: ClassList): ClassIndex {
  const byName = new Map<string, number>();
  for (const key of ["concept", "name"] as const)
    for (const [index, item] of classes.entries()) if (item[key] !== undefined) byName.set(item[key], index);
  return ({ value, concept, sample }) => {
    const index = typeof value === "number" ? value : byName.get(value);
    const found = index === undefined ? undefined : classes[index];
    if (index === undefined || found === undefined)
      throw new Error(
        `sample ${sample} is of class ${JSON.stringify(value)}, which is not among the ${classes.length} class names`,
      );
    if (concept !== undefined && found.concept !== undefined && concept !== found.concept)
      throw new Error(
        `sample ${sample} shows "${concept}" and is of class ${value}, which the class names call "${found.concept}": they do not belong together`,
      );
    return index;
  };
}
