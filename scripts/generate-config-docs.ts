// Writes docs/configuration.md and docs/config.schema.json from the schema of the configuration.
// A test fails when they are not what this writes.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { configJsonSchema, configMarkdown } from "../src/train/config/docs.ts";

const root = resolve(import.meta.dirname, "..");
const docs = join(root, "docs");
const schema = join(docs, "config.schema.json");
mkdirSync(docs, { recursive: true });
writeFileSync(join(docs, "configuration.md"), configMarkdown());
writeFileSync(schema, `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
execFileSync(join(root, "node_modules/.bin/biome"), ["format", "--write", docs], { cwd: root, stdio: "ignore" });
