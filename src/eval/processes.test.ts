// Evaluation by several real processes: the same figures as by one, and what happens when something goes wrong with one of them.
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { picture, temporaryFolder, writeShards } from "../data/shards.fixture.ts";
import type { TarEntry } from "../data/tar/write.ts";
import { type Child, type Outcome, outcomes, startChild, startGroup } from "../distributed/children.fixture.ts";

const script = new URL("../../test/children/evaluate.ts", import.meta.url);
const names = ["red cat", "hot dog", "house", "tree", "a very old boat", "boat", "sun"];
/** 26 samples, of which several share a picture, a caption or a class, some have no class, and these have a damaged picture. */
const damaged = [3, 21];
let argument: string;

beforeAll(async () => {
  const pictures = await Promise.all(Array.from({ length: 9 }, (_, seed) => picture(seed)));
  const change = ([png, txt]: TarEntry[], seed: number): TarEntry[] => {
    const data = pictures[seed % 9]!;
    const about = { heldOutConcept: seed % 2 === 0, ...(seed % 6 === 5 ? {} : { class: seed % names.length }) };
    return [
      { name: png!.name, data: damaged.includes(seed) ? data.subarray(0, 90) : data },
      { name: txt!.name, data: Buffer.from(`a picture of ${names[seed % names.length]}${" indeed".repeat(seed % 4)}`) },
      { name: png!.name.replace("png", "json"), data: Buffer.from(JSON.stringify(about)) },
    ];
  };
  const data = await writeShards({ folder: temporaryFolder(), count: 2, samples: 13, change });
  const few = await writeShards({ folder: temporaryFolder(), count: 1, samples: 2, change });
  argument = JSON.stringify({ data, few, names });
});

/** A machine with much else to do is given time. */
const options = { timeoutMs: 60_000, heartbeatMs: 500 };

/** The outcomes of the ranks; one alone is no group. */
async function run(task: string, size: number): Promise<Outcome[]> {
  const common = { script, task, options };
  if (size === 1) return outcomes([startChild({ ...common, argument, place: {} })]);
  return outcomes(await startGroup(size, { ...common, arguments: Array.from({ length: size }, () => argument) }));
}

interface Figures {
  results: { metric: string; value: number }[];
  gallery: string[];
  faults: string[];
  ids: number[];
  above: number[];
  leftOver: number;
  traffic: [string, number][];
}

test("one, two and three processes get the same figures from features that are equal bit by bit", async () => {
  const [[one], two, three] = [await run("figures", 1), await run("figures", 2), await run("figures", 3)];
  const alone = one!.result as Figures;
  const metrics = alone.results.map(({ metric }) => metric);
  for (const metric of ["zero-shot top-1", "text-to-image recall@1", "image-to-text recall@5, same label masked"])
    expect(metrics).toContain(metric);
  expect(alone.results.some(({ value }) => value > 0 && value < 1)).toBe(true);
  expect(alone.faults).toEqual([
    expect.stringMatching(/000003\.png .*; skipped \(1 of 5 so far\)$/),
    expect.stringMatching(/000021\.png .*; skipped \(2 of 26 so far\)$/),
  ]);
  expect(alone.ids).toEqual(Array.from({ length: 26 }, (_, id) => id).filter((id) => !damaged.includes(id)));
  expect(new Set(alone.above).size).toBeGreaterThan(5);
  expect(alone.leftOver).toBe(0);
  expect(alone.traffic).toEqual([]);
  expect(alone.gallery.length).toBeGreaterThan(0);
  for (const ranks of [two, three])
    for (const [rank, { result }] of ranks.entries())
      expect(result).toEqual({
        ...alone,
        gallery: rank === 0 ? alone.gallery : [],
        // Two for whether a part failed, two for its rows: pictures, captions, class names. Two each for ids, tokens and five rankings.
        traffic: [["evaluation", 3 * 4 + 2 * 2 + 5 * 2]],
      });
});

interface Errors {
  tooMany: string;
  unknownClass: string;
  fine: string;
}

test("what goes wrong with one process' part is the error of all, and their group goes on", async () => {
  const [[one], [first, second]] = [await run("errors", 1), await run("errors", 2)];
  const alone = one!.result as Errors;
  expect(alone.tooMany).toMatch(/^too many bad samples: 2 of 26 .*\/?000021\.png/);
  expect(alone.unknownClass).toContain("which is not among the 3 class names");
  expect(alone.fine).toBe("none");
  expect(first).toEqual({
    result: {
      ...alone,
      // The second process begins with the fourth of seven batches.
      lastNonFinite: expect.stringMatching(/^the features of the picture of sample 000012 \(id 12\) have the norm NaN/),
    },
  });
  expect(second).toEqual(first);
});

test("a process that is killed while others wait for it is named, with what it was doing", async () => {
  const common = { script, task: "stall", options, arguments: Array.from({ length: 3 }, () => argument) };
  const children: Child[] = await startGroup(3, common);
  try {
    while (children[1]!.lines.length === 0) await delay(20);
    const start = performance.now();
    children[1]!.process.kill("SIGKILL");
    const [first, , last] = await outcomes(children);
    expect(performance.now() - start).toBeLessThan(20_000);
    for (const end of [first!, last!]) {
      expect(end.error).toBe('evaluation failed: rank 1 is lost, last seen in "evaluation: pictures"');
      expect(end.lost).toEqual([1]);
    }
  } finally {
    for (const child of children) child.process.kill("SIGKILL");
  }
});
