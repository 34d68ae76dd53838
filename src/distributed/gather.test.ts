import { expect, test } from "vitest";
import { liveTensors, tensor } from "../tensor/index.ts";
import { outcomes, startGroup } from "./children.fixture.ts";
import { gatherJson, gatherParts, gatherRows } from "./gather.ts";
import { ProcessGroup } from "./process-group.ts";

test("rows in different numbers, values, and parts that fail", async () => {
  const results = await outcomes(await startGroup(3, { task: "rows" }));
  const result = {
    gathered: [100, 101, 200, 201, 202, 203],
    none: [0, 2],
    same: [0, 1, 1, 2, 2, 3],
    words: [
      { rank: 0, text: "line\n" },
      { rank: 1, text: "line\nä" },
      { rank: 2, text: "line\nää" },
    ],
    uneven: "uneven: expected rows of one length, got 2 from rank 1 and 3 from rank 2",
    failed: "no rows on rank 1",
    // Three times two int64; three times two rows of two float32.
    calls: 2,
    bytes: 48 + 48,
    leftOver: 0,
  };
  expect(results).toEqual([{ result }, { result }, { result }]);
});

test("a process that is alone gathers what it has", async () => {
  const group = ProcessGroup.alone();
  const before = liveTensors();
  const rows = tensor([1, 2, 3, 4], { shape: [2, 2] });
  const gathered = gatherRows(group, { rows, name: "rows" });
  expect(gathered.toArray()).toEqual([1, 2, 3, 4]);
  expect(gatherJson(group, { value: "one", name: "value" })).toEqual(["one"]);
  const failing = gatherParts(group, { name: "part", part: () => Promise.reject(new RangeError("no rows")) });
  await expect(failing).rejects.toThrow(RangeError);
  const made = await gatherParts(group, { name: "part", part: async () => gathered });
  expect(made.toArray()).toEqual([1, 2, 3, 4]);
  rows.free();
  made.free();
  // Fewer when garbage of another test was collected meanwhile.
  expect(liveTensors()).toBeLessThanOrEqual(before);
});
