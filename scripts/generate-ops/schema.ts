// Reads an operator's schema as libtorch prints it:
//   aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor

export interface Argument {
  readonly name: string;
  /** Without alias marks, "?" and list size: "Tensor", "int[]", ... */
  readonly type: string;
  readonly optional: boolean;
  readonly hasDefault: boolean;
  readonly keywordOnly: boolean;
}

export interface Schema {
  readonly arguments: readonly Argument[];
  /** Types of what is returned, as for arguments. */
  readonly returns: readonly string[];
  /** Writes into its first argument and returns it. */
  readonly returnsSelf: boolean;
}

/** Splits at commas that are not inside brackets. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const character = text[i];
    if (character === "(" || character === "[") depth++;
    else if (character === ")" || character === "]") depth--;
    else if (i === text.length || (character === "," && depth === 0)) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return parts.filter((part) => part !== "");
}

function bareType(type: string): string {
  return type
    .replace(/\([a-z*!|]+( -> [a-z*]+)?\)/g, "")
    .replace(/\[\d+\]/g, "[]")
    .replace(/SymInt/g, "int");
}

function parseArgument(text: string, keywordOnly: boolean): Argument {
  const [declaration = "", ...defaults] = text.split("=");
  const space = declaration.lastIndexOf(" ");
  const type = bareType(declaration.slice(0, space));
  const optional = type.endsWith("?");
  return {
    name: declaration.slice(space + 1),
    type: optional ? type.slice(0, -1) : type,
    optional,
    hasDefault: defaults.length > 0,
    keywordOnly,
  };
}

export function parseSchema(text: string): Schema {
  const arrow = text.lastIndexOf(" -> ");
  const open = text.indexOf("(");
  const parts = splitList(text.slice(open + 1, text.lastIndexOf(")", arrow)));
  const star = parts.indexOf("*");
  const args = parts.filter((part) => part !== "*").map((part, i) => parseArgument(part, star >= 0 && i >= star));
  const result = text.slice(arrow + 4);
  const returns = splitList(result.startsWith("(") ? result.slice(1, -1) : result);
  const returnsSelf = returns.length === 1 && /\(a!\)/.test(returns[0]!) && /^[^,]*\(a!\)/.test(text.slice(open + 1));
  return { arguments: args, returns: returns.map((type) => bareType(type).split(" ")[0]!), returnsSelf };
}
