// Who asks S3, and where: credentials, regions, addresses.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { addressOf } from "../src/data/storage/s3/address.ts";
import { findSettings } from "../src/data/storage/s3/settings.ts";
import { S3Storage } from "../src/data/storage/s3/storage.ts";
import { shortPatience } from "./support/patience.ts";
import { rightUser, S3Server } from "./support/s3.ts";
import { failure, useAwsVariables } from "./support/storage.ts";

let server: S3Server;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-s3-"));
  server = await new S3Server().listen();
  useAwsVariables(server.variables());
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  rmSync(folder, { recursive: true });
});

const open = (): S3Storage => new S3Storage({ patience: shortPatience });

describe("who asks", () => {
  const credentials = (secret: string): string =>
    `[work]\naws_access_key_id = ${rightUser.accessKeyId}\naws_secret_access_key = ${secret}\n`;

  test("by a profile, with its endpoint and region", async () => {
    server.region = "eu-north-7";
    server.put("s3://bucket/a", "x");
    const { AWS_ENDPOINT_URL_S3: url } = server.variables();
    const [config, shared] = [join(folder, "config"), join(folder, "credentials")];
    writeFileSync(
      config,
      `[profile work]\nregion = eu-north-7\nservices = here\n[services here]\ns3 =\n  endpoint_url = ${url}\n`,
    );
    writeFileSync(shared, credentials(rightUser.secretAccessKey));
    useAwsVariables({ AWS_PROFILE: "work", AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: shared });
    expect(await open().stat("s3://bucket/a")).toMatchObject({ size: 1 });
    writeFileSync(shared, credentials("another"));
    expect((await failure(open().stat("s3://bucket/a"))).message).toContain(
      "the secret is not that of key AKIA… from profile work",
    );
    useAwsVariables({
      AWS_PROFILE: "missing",
      AWS_CONFIG_FILE: config,
      AWS_SHARED_CREDENTIALS_FILE: shared,
      AWS_ENDPOINT_URL: url!,
      AWS_EC2_METADATA_DISABLED: "true",
    });
    const { kind, message } = await failure(open().stat("s3://bucket/a"));
    expect(kind).toBe("denied");
    expect(message).toContain("no credentials can be had");
  });

  test("nobody, for what is public", async () => {
    server.put("s3://bucket/a", "x");
    const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...variables } = server.variables();
    useAwsVariables(variables);
    const storage = open();
    expect((await failure(storage.stat("s3://bucket/a"))).message).toContain(
      "no credentials were found, so only what is public can be read",
    );
    server.isPublic = true;
    expect(await storage.stat("s3://bucket/a")).toMatchObject({ size: 1 });
  });

  test("by the role of a container, whose sessions are renewed before they expire", async () => {
    let session = 0;
    const expirations = [60_000, 3_600_000]; // the first one has but a minute left
    const metadata = createServer((_request, response) => {
      const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = rightUser;
      const Expiration = new Date(Date.now() + expirations[session]!).toISOString();
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ AccessKeyId, SecretAccessKey, Token: `session-${session++}`, Expiration }));
    }).listen(0, "127.0.0.1");
    await once(metadata, "listening");
    try {
      const { port } = metadata.address() as AddressInfo;
      const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...variables } = server.variables();
      useAwsVariables({ ...variables, AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/role` });
      server.put("s3://bucket/a", "x");
      server.users = [{ ...rightUser, sessionToken: "session-0" }];
      const storage = open();
      await storage.stat("s3://bucket/a");
      await storage.stat("s3://bucket/a"); // in the background new ones are asked for
      await vi.waitFor(() => expect(session).toBe(2), { timeout: 30_000 });
      server.users = [{ ...rightUser, sessionToken: "session-1" }];
      expect(await storage.stat("s3://bucket/a")).toMatchObject({ size: 1 });
      server.users = [{ ...rightUser, secretAccessKey: "another", sessionToken: "session-1" }];
      expect((await failure(storage.stat("s3://bucket/a"))).message).toContain("from the role of this container");
    } finally {
      metadata.close();
    }
  });

  test("with a key that nobody knows, or a clock that is wrong", async () => {
    useAwsVariables(server.variables({ ...rightUser, accessKeyId: "NOBODYKNOWSTHIS" }));
    expect((await failure(open().stat("s3://bucket/a"))).message).toMatch(/this server does not know key NOBO… from/);
    useAwsVariables(server.variables());
    server.skewMs = 3_600_000;
    const { kind, message } = await failure(open().stat("s3://bucket/a"));
    expect(kind).toBe("denied");
    expect(message).toMatch(
      /RequestTimeTooSkewed.*this machine's clock says .* GMT, the server's .* GMT; set the clock$/,
    );
  });

  test("with a session that has expired: told, or taken from the file that was written anew", async () => {
    const [old, next] = ["old", "new"].map((sessionToken) => ({ ...rightUser, sessionToken }));
    server.put("s3://bucket/a", "x");
    server.users = [{ ...old!, isExpired: true }];
    useAwsVariables(server.variables(old));
    const { kind, message } = await failure(open().stat("s3://bucket/a"));
    expect(kind).toBe("denied");
    expect(message).toMatch(/ExpiredToken.*the session of key AKIA… from the variables .* has expired/);
    expect(message).not.toMatch(/old|OSFODNN7/);

    const shared = join(folder, "credentials");
    const write = (token: string): void =>
      writeFileSync(shared, `${credentials(rightUser.secretAccessKey)}aws_session_token = ${token}\n`);
    write("old");
    server.users = [old!];
    useAwsVariables({
      AWS_PROFILE: "work",
      AWS_SHARED_CREDENTIALS_FILE: shared,
      AWS_CONFIG_FILE: "/dev/null",
      AWS_ENDPOINT_URL_S3: server.url,
    });
    const storage = open();
    await storage.stat("s3://bucket/a");
    write("new");
    server.users = [next!];
    server.faults = [{ kind: "status", status: 400, body: "<Error><Code>ExpiredToken</Code></Error>" }];
    expect(await storage.stat("s3://bucket/a")).toMatchObject({ size: 1 });
  });

  test("in the region that the server names", async () => {
    server.region = "ap-south-9";
    server.put("s3://bucket/a", "x");
    const storage = open();
    expect(await storage.stat("s3://bucket/a")).toMatchObject({ size: 1 });
    expect(server.asked).toHaveLength(2);
    await storage.stat("s3://bucket/a");
    expect(server.asked).toHaveLength(3);
    const moved = { "x-amz-bucket-region": "sa-east-1" };
    server.faults = [301, 301].map((status) => ({
      kind: "status",
      status,
      headers: moved,
      body: "<Error><Code>PermanentRedirect</Code></Error>",
    }));
    expect((await failure(storage.stat("s3://bucket/a"))).message).toContain(
      "the bucket is in region sa-east-1; set AWS_REGION",
    );
  });
});

describe("addresses", () => {
  const at = async (location: string, variables: Record<string, string>): Promise<string> => {
    const [bucket = "", key = ""] = location.split(":");
    const settings = await findSettings({ AWS_CONFIG_FILE: "/dev/null", ...variables });
    return addressOf({ bucket, key }, { settings, query: {} }).href;
  };

  test.each<[string, string, Record<string, string>]>([
    ["https://b.s3.us-east-1.amazonaws.com/a%2Bb%20c", "b:a+b c", {}],
    ["https://b.s3.eu-west-1.amazonaws.com/k", "b:k", { AWS_REGION: "eu-west-1", AWS_DEFAULT_REGION: "x" }],
    ["https://b.s3.cn-north-1.amazonaws.com.cn/k", "b:k", { AWS_DEFAULT_REGION: "cn-north-1" }],
    ["https://s3.us-east-1.amazonaws.com/b.c/k", "b.c:k", {}],
    ["http://host:9000/base/b/k", "b:k", { AWS_ENDPOINT_URL: "http://host:9000/base/" }],
    ["https://own/b/k", "b:k", { AWS_ENDPOINT_URL: "http://all", AWS_ENDPOINT_URL_S3: "https://own" }],
    [
      "https://b.s3.us-east-1.amazonaws.com/k",
      "b:k",
      { AWS_ENDPOINT_URL: "http://all", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" },
    ],
  ])("%s", async (address, location, variables) => {
    expect(await at(location, variables)).toBe(address);
  });

  test("that there are not", async () => {
    await expect(at("b:k", { AWS_ENDPOINT_URL: "host:9000" })).rejects.toThrow("the endpoint of S3 is to be a URL");
    expect((await failure(open().stat("s3://"))).message).toContain("expected s3://bucket/key");
    expect((await failure(open().stat("s3://bucket/a/../b"))).message).toContain('"." or ".." in it');
  });
});
