// Reading a YAML file with the place of everything in it.
import { readFileSync, statSync } from "node:fs";
import {
  type Document,
  isAlias,
  isNode,
  isScalar,
  isMap as isYamlMap,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLParseError,
} from "yaml";
import { ConfigError } from "./errors.ts";
import { isMap, type Values } from "./tree.ts";

/** A settings file that was read: its values, and where in it a path stands. */
export interface ConfigFile {
  readonly value: Values;
  /** `config.yaml:8:5` of the key at `path`, or of the nearest one above it that is in the file. */
  where(path: readonly PropertyKey[]): string;
}

// A real file has some hundred lines. The limit keeps a data file that was named by mistake from being parsed for minutes.
const maxBytes = 1 << 20;

function readText(file: string): string {
  const refuse = (why: string): never => {
    throw new ConfigError([`${file}: ${why}`]);
  };
  try {
    const stats = statSync(file);
    if (!stats.isFile()) refuse("expected a YAML file, got a folder or a device");
    if (stats.size > maxBytes)
      refuse(`has ${(stats.size / 2 ** 20).toFixed(1)} MB; a settings file may have at most 1 MB`);
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return refuse("no such file");
    return refuse(code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "is not UTF-8 text" : message);
  }
}

/** The first sentence of the parser's message, without the excerpt that follows it. */
function firstLine(message: string): string {
  return message
    .split("\n")[0]!
    .replace(/ at line \d+, column \d+:?$/, "")
    .replace(/^Map keys must be unique$/, "this key was already given above");
}

/** The errors worth telling: the parser stumbles on after the first, and only repeated keys are each a mistake of their own. */
function sentences(file: string, errors: readonly YAMLParseError[], lines: LineCounter): string[] {
  if (errors.some(({ message }) => message.startsWith("Maximum call stack"))) return [`${file}: is nested too deeply`];
  return errors
    .filter(({ code }, i) => i === 0 || code === "DUPLICATE_KEY")
    .map(({ message, pos }) => {
      const { line, col } = lines.linePos(pos[0]);
      return `${file}:${line}:${col} ${firstLine(message)}`;
    });
}

function parse(file: string, text: string, lines: LineCounter): Document {
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) throw new ConfigError(sentences(file, document.errors, lines));
  return document;
}

function plainValue(file: string, document: Document): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // The parser counts what aliases expand to and stops a file that was made to fill the memory.
    if (error instanceof ReferenceError) throw new ConfigError([`${file}: ${firstLine(error.message)}`]);
    throw error;
  }
}

/** Offset in the text of the key at `path`, going down as far as the file does. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  let offset = 0;
  let node: unknown = document.contents;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (!isYamlMap<Node, unknown>(node)) break;
    const pair = node.items.find((item) => String(isScalar(item.key) ? item.key.value : item.key) === key);
    if (!pair) break;
    if (isNode(pair.key) && pair.key.range) offset = pair.key.range[0];
    node = pair.value;
  }
  return offset;
}

/** Reads a YAML file. Throws ConfigError with one sentence for each thing that is wrong with it as YAML. */
export function readConfigFile(file: string): ConfigFile {
  const lines = new LineCounter();
  const document = parse(file, readText(file), lines);
  const value = plainValue(file, document);
  if (value === null || value === undefined)
    throw new ConfigError([`${file}: is empty; expected sections such as "data:"`]);
  if (!isMap(value))
    throw new ConfigError([`${file}: expected a map of sections such as "data:", got ${kindOf(value)}`]);
  return {
    value,
    where: (path) => {
      const { line, col } = lines.linePos(offsetOf(document, path));
      return `${file}:${line}:${col}`;
    },
  };
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "a list" : `a single ${typeof value === "string" ? "text" : typeof value}`;
}
