import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkClasses, fillTemplate, parseClasses, readClasses } from "./classes.ts";

const where = "classes.json";

describe("what a file of class names may look like", () => {
  test.each([
    ["plain text", "cat\n\n hot dog \r\n", ["cat", "hot dog"]],
    ["plain text with a byte order mark", "\uFEFFcat\ndog", ["cat", "dog"]],
    ["a JSON list", '["cat", "dog"]', ["cat", "dog"]],
    ["JSON with classes", '{"classes": ["cat", {"name": "dog"}]}', ["cat", "dog"]],
  ])("%s", (_, text, names) => {
    const list = parseClasses(text, { where });
    expect(list.classes.map(({ name }) => name)).toEqual(names);
    expect(list.templates).toEqual(["a photo of a {}."]);
  });

  test("the file of the demonstration data", () => {
    const text = JSON.stringify({
      templates: ["{}"],
      classes: [{ name: "red heart", concept: "red_heart", heldOut: true }],
    });
    expect(parseClasses(text, { where })).toEqual({
      templates: ["{}"],
      classes: [{ name: "red heart", concept: "red_heart" }],
    });
  });

  test("templates that are given stand for those of the file", () => {
    const text = '{"templates": ["{}"], "classes": ["cat"]}';
    expect(parseClasses(text, { where, templates: ["a {}", "one {c}"] }).templates).toEqual(["a {}", "one {c}"]);
  });
});

describe("what is refused", () => {
  test.each([
    ["", "classes.json: expected class names, found none"],
    ["[]", "classes.json: expected class names, found none"],
    ['{"classes": []}', "classes.json: expected class names, found none"],
    ['{"names": ["cat"]}', 'classes.json: expected a list of class names under "classes"'],
    ['["cat", 7]', 'classes.json: class 1 should be a name or have a "name", got 7'],
    ['["cat", null]', 'classes.json: class 1 should be a name or have a "name", got null'],
    ['["cat", " "]', "classes.json: class 1 has an empty name"],
    ['["cat"', "classes.json: expected JSON, as the file starts like it"],
    ['{"classes": ["cat"], "templates": "a {}"}', 'classes.json: "templates" should be a list of texts, got "a {}"'],
    ['{"classes": ["cat"], "templates": []}', "classes.json: expected at least one template, found none"],
    ['{"classes": ["cat"], "templates": ["a cat"]}', 'classes.json: the template "a cat" has no {} for the class name'],
  ])("%s", (text, message) => {
    expect(() => parseClasses(text, { where })).toThrow(message);
  });

  test("a list made by hand without classes", () => {
    expect(() => checkClasses({ templates: ["{}"], classes: [] }, "zero-shot")).toThrow(
      "zero-shot: expected class names",
    );
  });

  test("a file that is not there", async () => {
    await expect(readClasses("/no/such/file")).rejects.toThrow("could not be read: /no/such/file does not exist");
  });
});

test("a file is read from the disk", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-classes-"));
  try {
    writeFileSync(join(folder, "names.txt"), "cat\ndog\n");
    const list = await readClasses(join(folder, "names.txt"), { templates: ["{}"] });
    expect(list).toEqual({ templates: ["{}"], classes: [{ name: "cat" }, { name: "dog" }] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ["{}", "cat", "cat"],
  ["a photo of a {c}.", "cat", "a photo of a cat."],
  ["{} or {}", "$& $1", "$& $1 or $& $1"],
])("%s with %s", (template, className, text) => {
  expect(fillTemplate(template, className)).toBe(text);
});
