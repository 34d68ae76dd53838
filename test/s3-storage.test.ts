// S3 against a server that verifies signatures with AWS' own signer. With FASTCLIP_S3_TEST=1 the first part runs against the server of the
// environment instead (AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, ...; a bucket "bucket" is there).
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { S3Storage } from "../src/data/storage/s3/storage.ts";
import type { Fault } from "./support/delivery.ts";
import { shortPatience } from "./support/patience.ts";
import { S3Server } from "./support/s3.ts";
import { failure, gather, useAwsVariables } from "./support/storage.ts";

const isReal = process.env["FASTCLIP_S3_TEST"] === "1";
let server: S3Server;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-s3-"));
  server = await new S3Server().listen();
  if (!isReal) useAwsVariables(server.variables());
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  rmSync(folder, { recursive: true });
});

const open = (): S3Storage => new S3Storage({ patience: shortPatience });

function fileOf(bytes: Uint8Array | string): string {
  const path = join(folder, "file");
  writeFileSync(path, bytes);
  return path;
}

describe("objects", () => {
  test.each([
    ...(isReal ? [] : ["double//slash.tar"]), // not for servers that keep objects as files of their name
    "plain.tar",
    "folder/with space.tar",
    "plus+sign.tar",
    "per%cent %41.tar",
    "ünïcode/絵.tar",
    "signs!'()*~&=?#;:@$,.tar",
    'quote"and<angle>.tar',
  ])("with the key %s are written, listed, read and removed", async (key) => {
    const storage = open();
    const location = `s3://bucket/keys/${key}`;
    const bytes = randomBytes(5000);
    await storage.write(location, fileOf(bytes));
    const { size, version, ranges } = await storage.stat(location);
    expect({ size, ranges }).toEqual({ size: 5000, ranges: true });
    expect(
      Buffer.from(await storage.read(location, { offset: 99, length: 500, version })).equals(bytes.subarray(99, 599)),
    ).toBe(true);
    expect((await gather(storage.stream(location))).equals(bytes)).toBe(true);
    expect(await storage.list("s3://bucket/keys/")).toEqual([location]);
    await storage.remove(location);
    expect((await failure(storage.stat(location))).kind).toBe("not-found");
    await storage.remove(location);
    expect(await storage.list("s3://bucket/keys/")).toEqual([]);
  });

  test("that are large go up in parts", async () => {
    const storage = open();
    const bytes = randomBytes(40 * 1024 * 1024 + 17);
    await storage.write("s3://bucket/large", fileOf(bytes));
    expect((await gather(storage.stream("s3://bucket/large"))).equals(bytes)).toBe(true);
    await storage.remove("s3://bucket/large");
  });

  test("that are empty are files too", async () => {
    const storage = open();
    await storage.write("s3://bucket/empty", fileOf(""));
    expect(await storage.stat("s3://bucket/empty")).toMatchObject({ size: 0 });
    expect(await gather(storage.stream("s3://bucket/empty"))).toHaveLength(0);
    await storage.remove("s3://bucket/empty");
  });

  test("that are others by now are not read", async () => {
    const storage = open();
    await storage.write("s3://bucket/changed", fileOf("one"));
    const { version } = await storage.stat("s3://bucket/changed");
    await storage.write("s3://bucket/changed", fileOf("two"));
    const { kind } = await failure(storage.read("s3://bucket/changed", { offset: 0, length: 3, version }));
    expect(kind).toBe("changed");
    await storage.remove("s3://bucket/changed");
  });

  test("a wrong secret is refused", async () => {
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another");
    const error = await failure(open().stat("s3://bucket/a"));
    expect(error.kind).toBe("denied");
    expect(error.message).toMatch(
      /^s3:\/\/bucket\/a: S3 answered 403 \(SignatureDoesNotMatch: .*\): the secret is not that of key \w{4}… from the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY$/,
    );
  });

  test("without a bucket there is nothing", async () => {
    expect((await failure(open().stat("s3://no-such-bucket/a"))).kind).toBe("not-found");
    expect((await failure(open().list("s3://no-such-bucket/a"))).kind).toBe("not-found");
  });
});

describe.skipIf(isReal)("a list", () => {
  test("goes over as many pages as there are", async () => {
    server.pageSize = 7;
    const keys = Array.from({ length: 30 }, (_, i) => `s3://bucket/some/${String(i).padStart(3, "0")} &+.tar`);
    for (const key of keys) server.put(key, "x");
    server.put("s3://bucket/other", "x");
    server.faults = [undefined, { kind: "status", status: 503 }, { kind: "short", by: 30 }];
    expect(await open().list("s3://bucket/some/")).toEqual(keys);
    expect(server.asked).toHaveLength(7);
  });
});

describe.skipIf(isReal)("faults", () => {
  test("that pass cost time and nothing else", async () => {
    const storage = open();
    const bytes = randomBytes(100_000);
    server.faults = [
      { kind: "reset", after: 0 },
      { kind: "status", status: 503, body: "<Error><Code>SlowDown</Code></Error>" },
    ];
    await storage.write("s3://bucket/a", fileOf(bytes));
    server.faults = [
      { kind: "status", status: 500 },
      undefined,
      { kind: "reset", after: 10_000 },
      { kind: "stall", after: 10_000 },
      { kind: "short", by: 10_000 },
      { kind: "status", status: 400, body: "<Error><Code>RequestTimeout</Code></Error>" },
    ];
    expect((await gather(storage.stream("s3://bucket/a"))).equals(bytes)).toBe(true);
    expect(server.faults).toEqual([]);
  });

  test("of an upload in parts are made good, or it leaves nothing behind", async () => {
    const storage = open();
    const bytes = randomBytes(33 * 1024 * 1024);
    const trouble = "<Error><Code>InternalError</Code></Error>";
    let completions = 0;
    const faults: Fault[] = [
      { kind: "status", status: 200, body: trouble },
      { kind: "reset", after: 20 }, // done, and the answer is lost
    ];
    server.faultOf = ({ method, url }) => {
      return method === "POST" && url.includes("uploadId") ? faults[completions++] : undefined;
    };
    server.faults = [undefined, { kind: "reset", after: 0 }, { kind: "status", status: 500 }];
    await storage.write("s3://bucket/a", fileOf(bytes));
    expect(server.get("s3://bucket/a")?.equals(bytes)).toBe(true);

    server.faultOf = ({ url }) => (url.includes("partNumber=2") ? { kind: "status", status: 403 } : undefined);
    expect((await failure(storage.write("s3://bucket/b", fileOf(bytes)))).kind).toBe("denied");
    expect(server.get("s3://bucket/b")).toBeUndefined();
    expect(server.uploads.size).toBe(0);
  });

  test("that stay are told with what came", async () => {
    server.faultOf = () => ({
      kind: "status",
      status: 503,
      body: "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
    });
    expect((await failure(open().stat("s3://bucket/a"))).message).toMatch(
      /^s3:\/\/bucket\/a: S3 answered 503 \(SlowDown: Please reduce your request rate\); given up after 8 tries in/,
    );
  });
});
