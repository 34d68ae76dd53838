// Shards as a source: to be cut anew, or kept elsewhere.
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { SampleError } from "../faults.ts";
import { SampleReader } from "../samples.ts";
import type { OpenedSegment } from "../segments/open.ts";
import type { Cache } from "../shards/file.ts";
import { captionsOf } from "../sources/columns.ts";
import type { Contents, Row, Source } from "../sources/source.ts";
import { isRemote } from "../storage/index.ts";

export interface ShardsOptions {
  readonly name: string;
  readonly cache: Cache;
}

/** The samples of opened shards. What is no whole sample is a row that cannot be read, so that it is counted and named. */
export function shardsSource(opened: readonly OpenedSegment[], { name, cache }: ShardsOptions): Source {
  const hash = createHash("sha256");
  for (const { identity } of opened) hash.update(`${identity}\n`);
  const folders = opened.filter(({ location }) => !isRemote(location)).map(({ location }) => dirname(location));
  return {
    name,
    fingerprint: hash.digest("hex"),
    folders: [...new Set(folders)],
    rows: () => rowsOf(opened, cache),
  };
}

async function* rowsOf(opened: readonly OpenedSegment[], cache: Cache): AsyncGenerator<Row> {
  const starts = [0];
  for (const { segment } of opened) starts.push(starts.at(-1)! + segment.count);
  const reader = new SampleReader({ ...cache, segments: opened.map(({ segment }) => segment), starts });
  for (const [i, { faults }] of opened.entries()) {
    for (const fault of faults()) yield { where: fault.shard, read: () => Promise.reject(new SampleError(fault)) };
    for (let id = starts[i]!; id < starts[i + 1]!; id++) {
      const where = `${reader.segmentName(id)}:${reader.key(id)}`;
      yield { where, read: () => contentsOf(reader, id) };
    }
  }
}

/** A sample of an earlier pack has its captions in the JSON too, and all of them there. */
async function contentsOf(reader: SampleReader, id: number): Promise<Contents> {
  const { image, captions } = await reader.sample(id);
  const json = await reader.json(id);
  const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
  const { captions: listed, ...more } = (isObject ? json : json === undefined ? {} : { json }) as Contents["more"];
  return {
    picture: { kind: "bytes", bytes: image },
    captions: [...new Set([...captions(), ...captionsOf(listed)])],
    more,
  };
}
