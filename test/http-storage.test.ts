// Reading over HTTP from a real server on loopback that does all that servers and networks do.
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HttpStorage } from "../src/data/storage/http.ts";
import { isRemote, storageOf } from "../src/data/storage/index.ts";
import type { Fault } from "./support/delivery.ts";
import { FilesServer, type ServedFile } from "./support/files-server.ts";
import { shortPatience } from "./support/patience.ts";
import { failure, gather } from "./support/storage.ts";

const body = randomBytes(300_000);
const storage = new HttpStorage({ patience: shortPatience });
let server: FilesServer;
let location: string;

beforeEach(async () => {
  server = await new FilesServer().listen();
  server.files.set("/a.tar", { body });
  location = `${server.url}/a.tar`;
});
afterEach(() => server.close());

const serve = (file: Omit<ServedFile, "body">): void => void server.files.set("/a.tar", { body, ...file });
const ranges = (): string[] => server.asked.map(({ headers }) => headers.range ?? "none");

describe("a server that works", () => {
  test("tells size, version and ranges in one request for one byte", async () => {
    const info = await storage.stat(location);
    expect(info).toEqual({ size: 300_000, version: expect.stringMatching(/^"[0-9a-f]{32}" 300000$/), ranges: true });
    expect(ranges()).toEqual(["bytes=0-0"]);
  });

  test("gives any part, and less only at the end", async () => {
    const { version } = await storage.stat(location);
    const read = (offset: number, length: number) => storage.read(location, { offset, length, version });
    expect(Buffer.from(await read(1000, 5000)).equals(body.subarray(1000, 6000))).toBe(true);
    expect(Buffer.from(await read(299_000, 5000)).equals(body.subarray(299_000))).toBe(true);
    expect((await read(300_000, 10)).length).toBe(0);
  });

  test("is not asked for each part over a new connection", async () => {
    const { version } = await storage.stat(location);
    for (let offset = 0; offset < 250_000; offset += 50_000)
      await storage.read(location, { offset, length: 50_000, version });
    expect(server.asked).toHaveLength(6);
    expect(server.connections).toBeLessThan(3);
  });

  test("gives a small file by one request, and no larger one than is wanted", async () => {
    serve({ ranges: false, tag: "none" });
    expect(Buffer.from(await storage.fetch(location, { mostBytes: 300_000 })).equals(body)).toBe(true);
    expect(ranges()).toEqual(["none"]);
    const refusal = await failure(storage.fetch(location, { mostBytes: 299_999 }));
    expect(refusal.message).toMatch(/a\.tar: has more than the 299999 bytes allowed$/);
  });

  test("has an empty file", async () => {
    server.files.set("/a.tar", { body: Buffer.alloc(0) });
    expect(await storage.stat(location)).toMatchObject({ size: 0 });
    expect(await gather(storage.stream(location))).toHaveLength(0);
  });

  test("is read in a worker thread with nothing handed over but the location", async () => {
    const tsx = JSON.stringify(import.meta.resolve("tsx/esm/api"));
    const file = JSON.stringify(new URL("../src/data/storage/index.ts", import.meta.url).href);
    const code = `
      import { parentPort, workerData } from "node:worker_threads";
      import { register } from ${tsx};
      register();
      const { storageOf } = await import(${file});
      parentPort.postMessage(await storageOf(workerData).stat(workerData));`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: location });
    const answer = await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
    expect(answer).toMatchObject({ size: 300_000, ranges: true });
  });
});

describe("what may pass is tried again", () => {
  const twice = (fault: Fault): Fault[] => [fault, fault];
  test.each<[string, Fault]>([
    ["500", { kind: "status", status: 500 }],
    ["503 with Retry-After", { kind: "status", status: 503, headers: { "retry-after": "1" } }],
    ["429", { kind: "status", status: 429 }],
    ["a connection that is reset at once", { kind: "reset", after: 0 }],
    ["a connection that is reset in the body", { kind: "reset", after: 1000 }],
    ["a body that stops", { kind: "stall", after: 1000 }],
    ["a body that drips", { kind: "drip", everyMs: 10 }],
    ["a body that is too short", { kind: "short", by: 1000 }],
  ])("%s", async (_name, fault) => {
    const { version } = await storage.stat(location);
    server.faults = twice(fault);
    const bytes = await storage.read(location, { offset: 100, length: 200_000, version });
    expect(Buffer.from(bytes).equals(body.subarray(100, 200_100))).toBe(true);
    expect(server.faults).toEqual([]);
  });

  test("a stream goes on where it broke, and hands every byte over once", async () => {
    server.faults = [undefined, { kind: "reset", after: 100_000 }, { kind: "short", by: 50_000 }];
    expect((await gather(storage.stream(location))).equals(body)).toBe(true);
    const starts = ranges()
      .slice(1)
      .map((range) => Number(/\d+/.exec(range)![0]));
    expect(starts).toHaveLength(3);
    expect(starts[0]).toBe(0);
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[2]).toBe(250_000);
  });

  test("a server without ranges starts anew, and what was handed over is passed over", async () => {
    serve({ ranges: false });
    expect(await storage.stat(location)).toMatchObject({ size: 300_000, ranges: false });
    server.faults = [undefined, { kind: "reset", after: 100_000 }];
    expect((await gather(storage.stream(location))).equals(body)).toBe(true);
    const { version } = await storage.stat(location);
    const part = await storage.read(location, { offset: 1000, length: 500, version });
    expect(Buffer.from(part).equals(body.subarray(1000, 1500))).toBe(true);
  });

  test("so often, and then no more: what came last is told", async () => {
    server.faultOf = () => ({ kind: "status", status: 503 });
    const { kind, message } = await failure(storage.stat(location));
    expect(kind).toBe("unavailable");
    expect(message).toMatch(/a\.tar: the server answered 503; given up after 8 tries in [\d.]+ s$/);
    expect(server.asked).toHaveLength(8);
  });

  test("not longer than the whole request may take", async () => {
    const hurried = new HttpStorage({ patience: { ...shortPatience, totalMs: 600 } });
    const { version } = await storage.stat(location);
    server.faultOf = () => ({ kind: "stall", after: 10 });
    const { kind, message } = await failure(hurried.read(location, { offset: 0, length: 100_000, version }));
    expect(kind).toBe("unavailable");
    expect(message).toMatch(/body.*; given up after \d tries? in/);
  });

  test("nobody listens", async () => {
    const port = await new Promise<number>((resolve) => {
      const probe = createServer().listen(0, "127.0.0.1", () => {
        const { port } = probe.address() as { port: number };
        probe.close(() => resolve(port));
      });
    });
    const { kind, message } = await failure(storage.stat(`http://127.0.0.1:${port}/a.tar`));
    expect(kind).toBe("unavailable");
    expect(message).toMatch(/the connection was refused; given up after 8 tries/);
  });
});

describe("what does not pass is told at once", () => {
  test.each([
    [401, "denied", "user and password"],
    [403, "denied", "not to be read"],
    [404, "not-found", "no such file"],
    [412, "changed", "was changed"],
    [418, "bad-answer", "answered 418"],
  ])("%i", async (status, kind, words) => {
    server.faults = [{ kind: "status", status }];
    const error = await failure(storage.stat(location));
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(words);
    expect(server.asked).toHaveLength(1);
  });

  test.each<[string, Omit<ServedFile, "body">]>([
    ["a strong ETag", {}],
    ["a weak ETag", { tag: "weak" }],
    ["no ETag", { tag: "none" }],
  ])("a file that is another by now, by %s", async (_name, file) => {
    serve(file);
    const { version } = await storage.stat(location);
    const other = { body: randomBytes(300_000), lastModified: "Thu, 22 Oct 2015 07:28:00 GMT" };
    server.files.set("/a.tar", { ...file, ...other });
    const { kind } = await failure(storage.read(location, { offset: 0, length: 10, version }));
    expect(kind).toBe("changed");
  });

  test("a file that is exchanged in the middle of a stream", async () => {
    server.faults = [undefined, { kind: "reset", after: 100_000 }];
    const read = async (): Promise<void> => {
      for await (const _chunk of storage.stream(location)) server.files.set("/a.tar", { body: randomBytes(300_000) });
    };
    expect((await failure(read())).kind).toBe("changed");
  });

  test.each<[string, Record<string, string>, string]>([
    ["another part than was asked for", { "content-range": "bytes 5-14/300000" }, "bytes 5 to 14 came"],
    ["a part that does not say which", { "content-range": "bytes" }, "no readable Content-Range"],
  ])("%s", async (_name, headers, words) => {
    const { version } = await storage.stat(location);
    const etag = version.split(" ")[0]!;
    server.faults = [{ kind: "status", status: 206, headers: { etag, ...headers }, body: "0123456789" }];
    const { kind, message } = await failure(storage.read(location, { offset: 0, length: 10, version }));
    expect(kind).toBe("bad-answer");
    expect(message).toContain(words);
  });

  test("a file that is sent packed", async () => {
    serve({ headers: { "content-encoding": "gzip" } });
    const { kind, message } = await failure(storage.stat(location));
    expect(kind).toBe("bad-answer");
    expect(message).toContain("Content-Encoding: gzip");
  });

  test("listing, writing and removing", async () => {
    for (const work of [storage.list(location), storage.write(location), storage.remove(location)])
      expect((await failure(work)).kind).toBe("denied");
  });
});

test("a redirect is followed, and nothing signed is printed", async () => {
  const other = await new FilesServer().listen();
  try {
    server.redirects.set("/moved.tar", `${other.url}/a.tar?X-Amz-Signature=secret`);
    other.files.set("/a.tar", { body });
    const moved = `${server.url.replace("//", "//someone:password@")}/moved.tar?token=secret`;
    const info = await storage.stat(moved);
    expect(info.size).toBe(300_000);
    expect(server.asked[0]!.headers.authorization).toBe(`Basic ${btoa("someone:password")}`);
    expect(other.asked[0]!.headers.authorization).toBeUndefined();
    other.files.delete("/a.tar");
    const error = await failure(storage.read(moved, { offset: 0, length: 1, version: info.version }));
    expect(error.message).toContain(
      `/moved.tar?…: ${new URL(other.url).host}, where it was redirected to, answered 404`,
    );
    for (const text of [error.message, error.location, String(error.stack)])
      expect(text).not.toMatch(/secret|password/);
  } finally {
    await other.close();
  }
});

test("a location's scheme says what reads it", async () => {
  expect(["a.tar", "./a.tar", "/b/a.tar", "file:///a.tar"].map(isRemote)).toEqual([false, false, false, false]);
  expect(["http://h/a", "HTTPS://h/a", "s3://b/a"].map(isRemote)).toEqual([true, true, true]);
  expect(await storageOf(location).stat(location)).toMatchObject({ size: 300_000 });
  expect(() => storageOf("ftp://h/a.tar")).toThrow('ftp://h/a.tar: "ftp:" is not supported');
});
