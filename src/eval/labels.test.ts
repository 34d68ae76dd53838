import { expect, test } from "vitest";
import { type Fault, SampleError } from "../data/faults.ts";
import { type Reader, readLabels } from "./labels.ts";

const classes = { templates: ["{}"], classes: [{ name: "cat", concept: "felis" }, { name: "dog" }, { name: "felis" }] };

function readerOf(samples: readonly { caption?: string; json?: unknown }[]): Reader {
  return {
    key: (id) => `sample${id}`,
    sample: async (id) => ({
      image: Buffer.alloc(0),
      captions: () => [samples[id]!.caption ?? `caption ${id}`, "another"],
    }),
    json: async (id) => samples[id]!.json,
  };
}

function labelsOf(samples: readonly { caption?: string; json?: unknown }[], withClasses = true) {
  const ids = samples.map((_, id) => id);
  return readLabels({ reader: readerOf(samples), ids, classes: withClasses ? classes : undefined });
}

test("a class is an index, a name or a concept; a name comes before a concept", async () => {
  const json = [{ class: 1 }, { class: "cat" }, { class: "dog" }, { class: "felis" }, {}, undefined, null, [1]];
  const { classes: found } = await labelsOf(json.map((one) => ({ json: one })));
  expect([...found]).toEqual([1, 0, 1, 2, -1, -1, -1, -1]);
});

test("samples of one class are a group, else samples of one caption", async () => {
  const { groups } = await labelsOf([
    { caption: "a", json: { class: 1 } },
    { caption: "b", json: { class: 1 } },
    { caption: "a" },
    { caption: "a" },
    { caption: "c" },
  ]);
  expect([...groups]).toEqual([0, 0, 1, 1, 2]);
});

test("groups need no class names", async () => {
  const { groups, classes: none } = await labelsOf(
    [{ json: { class: "x" } }, { json: { class: "y" } }, { json: { class: "x" } }],
    false,
  );
  expect([...groups]).toEqual([0, 1, 0]);
  expect([...none]).toEqual([-1, -1, -1]);
});

test("held-out concepts are told where the JSON tells", async () => {
  const json = [{ heldOutConcept: true }, { heldOutConcept: false }, { heldOutConcept: "yes" }, undefined];
  const { heldOutConcept } = await labelsOf(json.map((one) => ({ json: one })));
  expect(heldOutConcept).toEqual([true, false, undefined, undefined]);
});

test.each([
  [{ class: 3 }, "sample sample0 is of class 3, which is not among the 3 class names"],
  [{ class: -1 }, "is of class -1, which is not"],
  [{ class: 0.5 }, "is of class 0.5, which is not"],
  [{ class: "bird" }, 'is of class "bird", which is not'],
  [{ class: 0, concept: "canis" }, 'shows "canis" and is of class 0, which the class names call "felis"'],
])("%j is refused", async (json, message) => {
  await expect(labelsOf([{ json }])).rejects.toThrow(message);
});

test("damaged JSON is told, and the sample counts as one without", async () => {
  const fault: Fault = { cause: "bad-caption", shard: "a.tar", key: "x", message: "a.tar: x.json is not valid JSON" };
  const reader: Reader = {
    ...readerOf([{}]),
    json: () => Promise.reject(new SampleError(fault)),
  };
  const faults: Fault[] = [];
  const labels = await readLabels({ reader, ids: [0], classes, onFault: (one) => faults.push(one) });
  expect([...labels.classes]).toEqual([-1]);
  expect(faults).toEqual([fault]);
});
