import { expect, test } from "vitest";
import { type Fault, SampleError } from "../data/faults.ts";
import { type Reader, readLabels } from "./labels.ts";

const classes = { templates: ["{}"], classes: [{ name: "cat", concept: "felis" }, { name: "dog" }, { name: "felis" }] };

function readerOf(samples: readonly { caption?: string; json?: unknown }[]): Reader {
  return {
    key: (id) => `sample${id}`,
    caption: (id) => samples[id]!.caption ?? `caption ${id}`,
    json: (id) => samples[id]!.json,
    image: () => Buffer.alloc(0),
  };
}

function labelsOf(samples: readonly { caption?: string; json?: unknown }[], withClasses = true) {
  const ids = samples.map((_, id) => id);
  return readLabels({ reader: readerOf(samples), ids, classes: withClasses ? classes : undefined });
}

test("a class is an index, a name or a concept; a name comes before a concept", () => {
  const json = [{ class: 1 }, { class: "cat" }, { class: "dog" }, { class: "felis" }, {}, undefined, null, [1]];
  expect([...labelsOf(json.map((one) => ({ json: one }))).classes]).toEqual([1, 0, 1, 2, -1, -1, -1, -1]);
});

test("samples of one class are a group, else samples of one caption", () => {
  const { groups } = labelsOf([
    { caption: "a", json: { class: 1 } },
    { caption: "b", json: { class: 1 } },
    { caption: "a" },
    { caption: "a" },
    { caption: "c" },
  ]);
  expect([...groups]).toEqual([0, 0, 1, 1, 2]);
});

test("groups need no class names", () => {
  const { groups, classes: none } = labelsOf(
    [{ json: { class: "x" } }, { json: { class: "y" } }, { json: { class: "x" } }],
    false,
  );
  expect([...groups]).toEqual([0, 1, 0]);
  expect([...none]).toEqual([-1, -1, -1]);
});

test("held-out concepts are told where the JSON tells", () => {
  const json = [{ heldOutConcept: true }, { heldOutConcept: false }, { heldOutConcept: "yes" }, undefined];
  expect(labelsOf(json.map((one) => ({ json: one }))).heldOutConcept).toEqual([true, false, undefined, undefined]);
});

test.each([
  [{ class: 3 }, "sample sample0 is of class 3, which is not among the 3 class names"],
  [{ class: -1 }, "is of class -1, which is not"],
  [{ class: 0.5 }, "is of class 0.5, which is not"],
  [{ class: "bird" }, 'is of class "bird", which is not'],
  [{ class: 0, concept: "canis" }, 'shows "canis" and is of class 0, which the class names call "felis"'],
])("%j is refused", (json, message) => {
  expect(() => labelsOf([{ json }])).toThrow(message);
});

test("damaged JSON is told, and the sample counts as one without", () => {
  const fault: Fault = { cause: "bad-caption", shard: "a.tar", key: "x", message: "a.tar: x.json is not valid JSON" };
  const reader: Reader = {
    ...readerOf([{}]),
    json: () => {
      throw new SampleError(fault);
    },
  };
  const faults: Fault[] = [];
  const labels = readLabels({ reader, ids: [0], classes, onFault: (one) => faults.push(one) });
  expect([...labels.classes]).toEqual([-1]);
  expect(faults).toEqual([fault]);
});
