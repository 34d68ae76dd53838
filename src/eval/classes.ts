// The class names of zero-shot classification, as people write them down.
import { readFile } from "node:fs/promises";

/** One class of zero-shot classification. */
interface ClassName {
  readonly name: string;
  /** A stable name that samples may use instead. */
  readonly concept?: string;
}

/** Class names and the texts that they are put into. */
export interface ClassList {
  /** Texts in which `{}` stands for the name. */
  readonly templates: readonly string[];
  readonly classes: readonly ClassName[];
}

/** The template of the CLIP paper (Radford et al. 2021, section 3.1.4), where a file names none. */
const defaultTemplates: readonly string[] = ["a photo of a {}."];
/** `{}`, or `{c}` as in OpenCLIP's lists of templates. */
const placeholder = /\{c?\}/g;

/** The text of a class name in a template. */
export function fillTemplate(template: string, name: string): string {
  return template.replace(placeholder, () => name);
}

/**
 * Reads a file of class names: JSON `{ "templates": [...], "classes": [...] }`, whose classes are names or objects with a `name`;
 * a JSON list of names; or plain text with a name on each line. `templates` stands for those of the file.
 */
export async function readClasses(path: string, options: { templates?: readonly string[] } = {}): Promise<ClassList> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `the class names could not be read: ${error.code === "ENOENT" ? `${path} does not exist` : error.message}`,
    );
  });
  return parseClasses(text, { ...options, where: path });
}

/** Reads the text of such a file; `where` names it in errors. */
export function parseClasses(text: string, options: { where: string; templates?: readonly string[] }): ClassList {
  const { where } = options;
  const given = /^\s*[[{]/.test(text) ? parseJson(text, where) : { classes: linesOf(text) };
  const list: ClassList = {
    templates: options.templates ?? readTemplates(given.templates, where),
    classes: readNames(given.classes, where),
  };
  checkClasses(list, where);
  return list;
}

/** Refuses a list that cannot classify: no class, no template, an empty name, a template without a place for it. */
export function checkClasses({ templates, classes }: ClassList, where: string): void {
  if (classes.length === 0) throw new Error(`${where}: expected class names, found none`);
  if (templates.length === 0) throw new Error(`${where}: expected at least one template, found none`);
  const empty = classes.findIndex(({ name }) => name.trim() === "");
  if (empty >= 0) throw new Error(`${where}: class ${empty} has an empty name`);
  const fixed = templates.find((template) => template.search(placeholder) < 0);
  if (fixed !== undefined) throw new Error(`${where}: the template "${fixed}" has no {} for the class name`);
}

function linesOf(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

function parseJson(text: string, where: string): { templates?: unknown; classes: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${where}: expected JSON, as the file starts like it: ${(error as Error).message}`);
  }
  if (Array.isArray(value)) return { classes: value };
  return value as { templates?: unknown; classes: unknown };
}

function readTemplates(value: unknown, where: string): readonly string[] {
  if (value === undefined) return defaultTemplates;
  if (Array.isArray(value) && value.every((template) => typeof template === "string")) return value;
  throw new Error(`${where}: "templates" should be a list of texts, got ${JSON.stringify(value)}`);
}

function readNames(value: unknown, where: string): ClassName[] {
  if (!Array.isArray(value)) throw new Error(`${where}: expected a list of class names under "classes"`);
  return value.map((item: unknown, index) => {
    if (typeof item === "string") return { name: item };
    const { name, concept } = (item ?? {}) as { name?: unknown; concept?: unknown };
    if (typeof name !== "string")
      throw new Error(`${where}: class ${index} should be a name or have a "name", got ${JSON.stringify(item)}`);
    return typeof concept === "string" ? { name, concept } : { name };
  });
}
