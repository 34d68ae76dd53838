// The documentation and the JSON Schema of the configuration, made from its schema.
import { conditionOf, defaultText, type Field, fields } from "./fields.ts";
import { configTree, defaultKind, kindsOf, type TreeNode } from "./tree.ts";
import { expectation } from "./words.ts";

const intro = `# Configuration

Generated from the schema in \`src/train/config/\` by \`npx tsx scripts/generate-config-docs.ts\`; change it there.

A run is set by a YAML file (\`fastclip train --config FILE\`), by flags, or by both: a flag wins over the file, and the file over the
default. A flag that chooses another kind (\`--loss openclip\`) takes what belongs only to the file's kind with it. An unknown key, and a
setting of a kind that was not chosen, is an error. The configuration that came out is saved with the run, as \`config.yaml\`.

Editors complete and check the file when its first line is
\`# yaml-language-server: $schema=PATH/docs/config.schema.json\`.
`;

const cell = (text: string): string => text.replaceAll("|", "\\|");
const code = (text: string): string => `\`${cell(text)}\``;

function defaultCell(field: Field): string {
  const standard = defaultText(field);
  if (standard === undefined) return field.required ? "required" : "-";
  return standard.includes(";") ? cell(standard) : code(standard);
}

function row(field: Field): string {
  const { path, flag, node } = field;
  const expects = `${expectation(node)}${node.unit === undefined ? "" : ` (${node.unit})`}`;
  const only = conditionOf(field);
  const condition = only === undefined ? "" : `; only with ${only.union} ${only.kinds.map(code).join(", ")}`;
  const meaning = `${cell(node.description ?? "")}${condition}`;
  return `| ${[code(path.join(".")), code(`--${flag}`), defaultCell(field), cell(expects), meaning].join(" | ")} |`;
}

/** docs/configuration.md: a table for each section. */
export function configMarkdown(): string {
  const sections = [...new Set(fields.map(({ section }) => section))].map((section) => {
    const rows = fields.filter((field) => field.section === section).map(row);
    return [
      `## ${section}`,
      "",
      "| key | flag | default | expects | meaning |",
      "| --- | --- | --- | --- | --- |",
      ...rows,
    ].join("\n");
  });
  return `${[intro.trimEnd(), ...sections].join("\n\n")}\n`;
}

/** A node without what only this project reads, and with `kind` optional in the member that holds when no kind is named. */
function published(node: TreeNode, defaultMember = false): unknown {
  const { flag: _flag, value: _value, unit, form: _form, role: _role, ...rest } = node;
  const description = unit === undefined ? rest.description : `${rest.description} (${unit})`;
  const required = rest.required?.filter((key) => !(defaultMember && key === "kind"));
  return {
    ...rest,
    ...(description === undefined ? {} : { description }),
    ...(required === undefined ? {} : { required }),
    ...(rest.properties && { properties: mapValues(rest.properties, (child) => published(child)) }),
    ...(rest.oneOf && {
      oneOf: rest.oneOf.map((member, i) => published(member, kindsOf(node)[i] === defaultKind(node))),
    }),
  };
}

function mapValues<A, B>(map: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

/** docs/config.schema.json: what editors check a file with. */
export function configJsonSchema(): unknown {
  return published(configTree);
}
