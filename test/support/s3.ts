// A server that speaks as much of S3 as is used here, keeps its objects in memory and takes no request that is not rightly signed.
import { randomUUID } from "node:crypto";
import { type Asked, FaultyServer, type Reply } from "./delivery.ts";
import { md5, partOf } from "./files-server.ts";
import { type Refusal, refusalOf, type User } from "./signature.ts";

interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
}

interface Upload {
  readonly name: string;
  readonly parts: Map<number, Buffer>;
}

export const rightUser: User = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG" };

export class S3Server extends FaultyServer {
  /** By "bucket/key". */
  readonly objects: Map<string, StoredObject> = new Map();
  readonly buckets: Set<string> = new Set(["bucket"]);
  readonly uploads: Map<string, Upload> = new Map();
  users: readonly User[] = [rightUser];
  region = "us-east-1";
  /** Reads without a signature are answered. */
  isPublic = false;
  /** Added to the server's clock. */
  skewMs = 0;
  pageSize = 1000;

  /** What a process needs in its environment to use this server, and nothing else of the user's. */
  variables(user: User | undefined = rightUser): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_S3: this.url,
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_CONFIG_FILE: "/dev/null",
      ...(user && { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey }),
      ...(user?.sessionToken !== undefined && { AWS_SESSION_TOKEN: user.sessionToken }),
    };
  }

  put(location: string, body: Uint8Array | string): void {
    const bytes = Buffer.from(body);
    this.objects.set(location.replace("s3://", ""), { body: bytes, etag: `"${md5(bytes)}"` });
  }

  get(location: string): Buffer | undefined {
    return this.objects.get(location.replace("s3://", ""))?.body;
  }

  /** Locations of all objects, sorted. */
  get locations(): string[] {
    return [...this.objects.keys()].sort().map((name) => `s3://${name}`);
  }

  protected override async reply(asked: Asked): Promise<Reply> {
    const now = new Date(Date.now() + this.skewMs);
    const isOpen = this.isPublic && asked.method === "GET" && asked.headers.authorization === undefined;
    const refusal = isOpen ? undefined : await refusalOf(asked, { users: this.users, region: this.region, now });
    if (refusal !== undefined) return refuse(refusal, { date: now.toUTCString() });
    const [path = "", search = ""] = asked.url.split("?");
    const name = decodeURIComponent(path.slice(1));
    const query = new URLSearchParams(search);
    if (!this.buckets.has(name.split("/")[0]!))
      return refuse({ status: 404, code: "NoSuchBucket", message: "The specified bucket does not exist" });
    if (asked.method === "GET") return query.has("list-type") ? this.#list(name, query) : this.#read(name, asked);
    if (asked.method === "PUT") return this.#write(name, { query, body: asked.body });
    if (asked.method === "POST") return this.#post(name, { query, body: asked.body.toString() });
    if (query.has("uploadId")) this.uploads.delete(query.get("uploadId")!);
    else this.objects.delete(name);
    return { status: 204 };
  }

  #read(name: string, { headers }: Asked): Reply {
    const object = this.objects.get(name);
    if (object === undefined)
      return refuse({ status: 404, code: "NoSuchKey", message: "The specified key does not exist." });
    const { body, etag } = object;
    if (headers["if-match"] !== undefined && headers["if-match"] !== etag)
      return refuse({
        status: 412,
        code: "PreconditionFailed",
        message: "At least one of the pre-conditions you specified did not hold",
      });
    return partOf(body, { range: headers.range, headers: { etag } });
  }

  #write(name: string, { query, body }: { query: URLSearchParams; body: Buffer }): Reply {
    const upload = this.uploads.get(query.get("uploadId") ?? "");
    if (query.has("uploadId")) {
      if (upload === undefined) return refuse(noSuchUpload);
      upload.parts.set(Number(query.get("partNumber")), body);
    } else this.put(name, body);
    return { status: 200, headers: { etag: `"${md5(body)}"` } };
  }

  #post(name: string, { query, body }: { query: URLSearchParams; body: string }): Reply {
    if (query.has("uploads")) {
      const id = `${randomUUID()}+/=`;
      this.uploads.set(id, { name, parts: new Map() });
      return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    const id = query.get("uploadId") ?? "";
    const upload = this.uploads.get(id);
    if (upload === undefined) return refuse(noSuchUpload);
    const named = [...body.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>"?([0-9a-f]+)"?<\/ETag>/g)];
    const parts = named.map(([, number, tag]) => ({ bytes: upload.parts.get(Number(number)), tag }));
    if (parts.length === 0 || parts.some(({ bytes, tag }) => bytes === undefined || md5(bytes) !== tag))
      return refuse({
        status: 400,
        code: "InvalidPart",
        message: "One or more of the specified parts could not be found.",
      });
    this.put(name, Buffer.concat(parts.map(({ bytes }) => bytes!)));
    this.uploads.delete(id);
    return xml("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
  }

  #list(bucket: string, query: URLSearchParams): Reply {
    const start = bucket.endsWith("/") ? bucket : `${bucket}/`;
    const prefix = `${start}${query.get("prefix") ?? ""}`;
    const after = query.get("continuation-token") ?? "";
    const all = [...this.objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const page = all.slice(0, this.pageSize);
    const encode = (name: string): string => encodeURIComponent(name.slice(start.length)).replaceAll("%20", "+");
    const contents = page.map((name) => `<Contents><Key>${encode(name)}</Key></Contents>`).join("");
    const isCut = page.length < all.length;
    const next = isCut ? `<NextContinuationToken>${escapeXml(page.at(-1)!)}</NextContinuationToken>` : "";
    const head = `<EncodingType>url</EncodingType><IsTruncated>${isCut}</IsTruncated>${next}`;
    return xml(`<ListBucketResult>${head}${contents}</ListBucketResult>`);
  }
}

const noSuchUpload: Refusal = { status: 404, code: "NoSuchUpload", message: "The specified upload does not exist." };

function xml(body: string): Reply {
  return { status: 200, headers: { "content-type": "application/xml" }, body: `<?xml version="1.0"?>\n${body}` };
}

function refuse({ status, code, message, more = "" }: Refusal, headers: Record<string, string> = {}): Reply {
  const body = `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message>${more}</Error>`;
  return { status, headers: { "content-type": "application/xml", ...headers }, body };
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
