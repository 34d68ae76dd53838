// Tables of URLs, packed from a real server on loopback.
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataset } from "../src/data/dataset.ts";
import { openPackSource } from "../src/data/pack/open-source.ts";
import { type Packed, type PackOptions, pack } from "../src/data/pack/pack.ts";
import { picture, temporaryFolder } from "../src/data/shards.fixture.ts";
import type { Fault as Trouble } from "./support/delivery.ts";
import { FilesServer } from "./support/files-server.ts";

let folder: string;
let server: FilesServer;
beforeEach(async () => {
  folder = temporaryFolder();
  server = await new FilesServer().listen();
});
afterEach(() => server.close());

/** Serves so many pictures, and writes the table of them. */
async function serve(count: number, names: readonly string[] = []): Promise<string> {
  const all = [...Array.from({ length: count }, (_, i) => `${i}.png`), ...names];
  for (let i = 0; i < count; i++) server.files.set(`/${i}.png`, { body: await picture(i) });
  const rows = all.map((name, i) => `${server.url}/${name},caption ${i},CC-BY`);
  writeFileSync(join(folder, "in.csv"), `URL,TEXT,licence\n${rows.join("\n")}\n`);
  return join(folder, "in.csv");
}

/** Requests for these paths meet the faults in their turn, and are answered well afterwards. */
function spoil(faults: Record<string, (Trouble | undefined)[]>): void {
  server.faultOf = ({ url }) => faults[url]?.shift();
}

async function packed(source: string, options: Partial<PackOptions> = {}): Promise<Packed & { messages: string[] }> {
  const messages: string[] = [];
  const onFault = ({ message }: { message: string }) => void messages.push(message);
  const standard = { directory: join(folder, "out"), name: "train", shardSize: 4, maxBadRate: 0.01, onFault };
  return { ...(await pack(await openPackSource(source, {}), { ...standard, ...options })), messages };
}

function shardsIn(name: string): Record<string, string> {
  const files = readdirSync(join(folder, name)).filter((file) => /\.tar$|faults/.test(file));
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, name, file), "hex")]));
}

test("pictures are downloaded, with what may pass tried again; what is none is named", async () => {
  const source = await serve(6, ["gone.png", "page.png", "empty.png", "moved.png", "text"]);
  server.files.set("/page.png", { body: Buffer.from("<!doctype html><p>Not here any more") });
  server.files.set("/empty.png", { body: Buffer.alloc(0) });
  server.files.set("/text", { body: Buffer.from("a text") });
  server.redirects.set("/moved.png", `${server.url}/0.png`);
  spoil({
    "/1.png": [{ kind: "status", status: 500 }],
    "/2.png": [
      { kind: "reset", after: 20 },
      { kind: "short", by: 5 },
    ],
    "/3.png": [{ kind: "drip", everyMs: 1 }],
  });
  const { pattern, messages, samples, faults } = await packed(source);
  expect(messages).toEqual([
    expect.stringMatching(/^in\.csv:8: http:\S+gone\.png: the server answered 404: there is no such file; skipped/),
    expect.stringMatching(/^in\.csv:9: http:\S+page\.png is not a picture .*\(it is SVG, XML or HTML\); skipped/),
    expect.stringMatching(/^in\.csv:10: http:\S+empty\.png is empty; skipped/),
    expect.stringMatching(/^in\.csv:12: http:\S+text is not a picture .*it starts with the bytes 61207465\)/),
  ]);
  expect([samples, faults]).toEqual([7, { "no-picture": 2, "bad-picture": 2 }]);
  const dataset = await openDataset({ shards: pattern });
  expect(await dataset.readSample(2)).toMatchObject({
    image: await picture(2),
    captions: ["caption 2"],
    json: { source: "in.csv:4", url: `${server.url}/2.png`, licence: "CC-BY", captions: ["caption 2"] },
  });
  dataset.close();
});

test("servers that tell neither sizes nor parts will do, and a picture is one request", async () => {
  const body = await picture(1);
  const asked: IncomingHttpHeaders[] = [];
  const simple = createServer(({ headers }, response) => {
    asked.push(headers);
    response.write(body.subarray(0, 50)); // in chunks, without a length
    response.end(body.subarray(50));
  });
  await once(simple.listen(0, "127.0.0.1"), "listening");
  const { port } = simple.address() as AddressInfo;
  writeFileSync(join(folder, "in.jsonl"), `{"url":"http://127.0.0.1:${port}/show?id=1","text":"a"}\n`);
  const { pattern, samples } = await packed(join(folder, "in.jsonl"));
  simple.close();
  expect([samples, asked.map(({ range }) => range)]).toEqual([1, [undefined]]);
  const dataset = await openDataset({ shards: pattern });
  expect((await dataset.readSample(0)).image).toEqual(body);
  dataset.close();
});

test("a server that fails is given up after some tries, and too many failures stop the pack", async () => {
  const source = await serve(12);
  server.faultOf = ({ url }) => (url === "/0.png" ? undefined : { kind: "status", status: 503 });
  await expect(packed(source, { workers: 2 })).rejects.toThrow(
    /too many bad samples: 11 of .*the last: in\.csv:13: .*the server answered 503; given up after 3 tries/,
  );
  // None of the shards that had too many faults is kept: all rows are tried again when the server is well.
  server.faultOf = () => undefined;
  const { faults, samples, shards } = await packed(source, { workers: 2 });
  expect([faults, samples, shards.length]).toEqual([{}, 12, 3]);
  // What an earlier pack put up with stays.
  rmSync(join(folder, "out"), { recursive: true });
  server.faultOf = ({ url }) => (url === "/0.png" ? { kind: "status", status: 404 } : undefined);
  await packed(source);
  await expect(packed(source, { maxBadRate: 0 })).rejects.toThrow(/too many bad samples: 1 of 4/);
  expect(Object.keys(shardsIn("out"))).toHaveLength(4);
});

test("shards come out the same however many are packed at once, and what is there is not asked for again", async () => {
  const source = await serve(30, ["gone.png"]);
  await packed(source, { directory: join(folder, "one"), workers: 1, downloads: 1 });
  await packed(source, { workers: 5, downloads: 20 });
  const whole = shardsIn("one");
  expect(Object.keys(whole)).toHaveLength(9);
  expect(shardsIn("out")).toEqual(whole);
  rmSync(join(folder, "out/train-00003.tar"));
  server.asked.length = 0;
  const { samples, faults } = await packed(source, { workers: 5 });
  expect(server.asked.map(({ url }) => url).sort()).toEqual(["/12.png", "/13.png", "/14.png", "/15.png"]);
  expect([samples, faults]).toEqual([4, { "no-picture": 1 }]);
  expect(shardsIn("out")).toEqual(whole);
});

test("a table may be on a server itself: its paths are URLs beside it", async () => {
  await serve(2);
  const table = "image,caption\n0.png,a\n../1.png,b\n";
  server.files.set("/sub/in.csv", { body: Buffer.from(table) });
  server.files.set("/sub/0.png", { body: await picture(7) });
  const { samples, messages } = await packed(`${server.url}/sub/in.csv`);
  expect([samples, messages]).toEqual([2, []]);
});
