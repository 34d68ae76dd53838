// The keys of a bucket: ListObjectsV2, page by page.
import { decodeXML } from "entities";
import { Passing, type Patience, persist } from "../patience.ts";
import { StorageError } from "../storage.ts";
import { parseLocation } from "./address.ts";
import type { S3Client } from "./client.ts";
import { textOf } from "./problems.ts";

export async function listObjects(
  prefix: string,
  { client, patience }: { client: S3Client; patience: Patience },
): Promise<string[]> {
  const { bucket, key: start } = parseLocation(prefix);
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const query = {
      "list-type": "2",
      "encoding-type": "url", // a key may have signs that XML cannot hold
      ...(start !== "" && { prefix: start }),
      ...(token !== undefined && { "continuation-token": token }),
    };
    const target = { bucket, key: "" };
    const attempt = async (remainingMs: number): Promise<Page> => {
      const answer = await client.send(prefix, { method: "GET", query, target, remainingMs });
      return readPage(await answer.text());
    };
    const page = await persist(prefix, { patience, attempt });
    if (page.next !== undefined && page.next === token) throw endless(prefix);
    keys.push(...page.keys);
    token = page.next;
  } while (token !== undefined);
  return keys.sort().map((key) => `s3://${bucket}/${key}`);
}

interface Page {
  readonly keys: readonly string[];
  readonly next: string | undefined;
}

function readPage(xml: string): Page {
  if (!xml.includes("</ListBucketResult>")) throw new Passing("the list of objects was cut off");
  const isEncoded = textOf(xml, "EncodingType") === "url";
  const decode = (text: string): string => (isEncoded ? decodeURIComponent(text.replaceAll("+", " ")) : text);
  const keys = [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, text = ""]) => decode(decodeXML(text)));
  const next = textOf(xml, "IsTruncated") === "true" ? textOf(xml, "NextContinuationToken") : undefined;
  return { keys, next };
}

function endless(location: string): StorageError {
  return new StorageError("bad-answer", { location, problem: "the list of objects goes round in circles" });
}
