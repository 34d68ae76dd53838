import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { configJsonSchema, configMarkdown } from "./docs.ts";

const docs = resolve(import.meta.dirname, "../../../docs");
const remedy = "run `npx tsx scripts/generate-config-docs.ts`";

/** Without the padding that the formatter gives to tables. */
const unpadded = (markdown: string): string => markdown.replace(/ +/g, " ").replace(/-{3,}/g, "---");

test("docs/configuration.md is what the schema gives", () => {
  const written = readFileSync(join(docs, "configuration.md"), "utf8");
  expect(unpadded(written), remedy).toBe(unpadded(configMarkdown()));
});

test("docs/config.schema.json is what the schema gives", () => {
  const written = JSON.parse(readFileSync(join(docs, "config.schema.json"), "utf8"));
  expect(written, remedy).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
});

test("the JSON Schema holds standard words only, and lets the default kind go unnamed", () => {
  const text = JSON.stringify(configJsonSchema());
  expect(text).not.toMatch(/"(flag|unit|form|role)":"/);
  const { properties } = configJsonSchema() as { properties: { loss: { oneOf: { required: string[] }[] } } };
  expect(properties.loss.oneOf.map(({ required }) => required)).toEqual([
    ...new Array<string[]>(5).fill(["kind"]),
    [],
    ["kind"],
    ["kind"],
  ]);
});
