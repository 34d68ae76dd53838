import { expect, test } from "vitest";
import { temporaryFolder, writeShards } from "../../data/shards.fixture.ts";
import type { FlagValues } from "../config/layers.ts";
import { loadConfig } from "../config/load.ts";
import { findDataSize } from "./data-size.ts";

const sizeOf = (flags: FlagValues) => findDataSize(loadConfig({ flags }));

test("shards that are there are counted, whatever size is set", async () => {
  const pattern = await writeShards({ folder: temporaryFolder(), count: 2, samples: 3 });
  expect(await sizeOf({ "train-data": pattern })).toEqual({ size: 6, source: "counted in 2 shards" });
  expect(await sizeOf({ "train-data": pattern, "train-num-samples": "7" })).toEqual({
    size: 6,
    source: "counted in 2 shards, not the 7 that are set",
  });
});

test("where they are not, the size that is set stands in, else it is asked for", async () => {
  const flags = { "train-data": "none-{0..1}.tar" };
  const missing = "shard none-0.tar (of none-{0..1}.tar) does not exist";
  expect(await sizeOf({ ...flags, "train-num-samples": "7" })).toEqual({
    size: 7,
    source: `as set; not counted, because ${missing}`,
  });
  await expect(sizeOf(flags)).rejects.toThrow(
    `${missing}; a plan without the data needs its number of pairs (--train-num-samples)`,
  );
});
