// Where an object of S3 is asked for.
import { StorageError } from "../storage.ts";
import type { S3Settings } from "./settings.ts";

export interface ObjectName {
  readonly bucket: string;
  /** As it is, nothing in it encoded; empty for the bucket itself. */
  readonly key: string;
}

/** `s3://bucket/key`; the key is all behind the slash, `?`, `#` and `%` too. */
export function parseLocation(location: string): ObjectName {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/is.exec(location);
  if (match === null) throw new StorageError("bad-answer", { location, problem: "expected s3://bucket/key" });
  const [, bucket = "", key = ""] = match;
  if (key.split("/").some((part) => part === "." || part === ".."))
    throw new StorageError("bad-answer", {
      location,
      problem: `a key with "." or ".." in it has no address over HTTP`,
    });
  return { bucket, key };
}

/**
 * The bucket stands in the host's name on AWS, and in the path for other endpoints, which often have one name only; also where it has a
 * dot, which AWS' certificate does not cover.
 */
export function addressOf(
  { bucket, key }: ObjectName,
  { settings, query }: { settings: S3Settings; query: Readonly<Record<string, string>> },
): URL {
  const words = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  const rest = `${encodePath(key)}${words.length === 0 ? "" : `?${words.join("&")}`}`;
  const { region, endpoint } = settings;
  if (endpoint !== undefined) return new URL(`${endpoint.href.replace(/\/?([?#].*)?$/, "")}/${bucket}/${rest}`);
  const host = `s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
  return new URL(bucket.includes(".") ? `https://${host}/${bucket}/${rest}` : `https://${bucket}.${host}/${rest}`);
}

/** Every byte but those that SigV4 leaves as they are; a URL alone would leave more. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function encodePath(key: string): string {
  return key.split("/").map(encode).join("/");
}
