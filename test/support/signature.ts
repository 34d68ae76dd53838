// Checks signatures of S3 requests with AWS' own signer: what arrived is signed again and compared.
import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Asked } from "./delivery.ts";

export interface User {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** The token was good once. */
  readonly isExpired?: boolean;
}

/** An error as S3 tells it. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly more?: string;
}

const scope =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
const mostSkewMs = 15 * 60_000;

/** Why S3 refuses a request; undefined where it is signed as it should be. */
export async function refusalOf(
  asked: Asked,
  { users, region, now }: { users: readonly User[]; region: string; now: Date },
): Promise<Refusal | undefined> {
  const match = scope.exec(asked.headers.authorization ?? "");
  if (match === null) return { status: 403, code: "AccessDenied", message: "Access Denied" };
  const [, accessKeyId, , signedRegion, names = "", signature] = match;
  const user = users.find((one) => one.accessKeyId === accessKeyId);
  if (user === undefined)
    return {
      status: 403,
      code: "InvalidAccessKeyId",
      message: "The AWS Access Key Id you provided does not exist in our records.",
    };
  if (signedRegion !== region) {
    const message = `The authorization header is malformed; the region '${signedRegion}' is wrong; expecting '${region}'`;
    return { status: 400, code: "AuthorizationHeaderMalformed", message, more: `<Region>${region}</Region>` };
  }
  const date = dateOf(header(asked, "x-amz-date"));
  if (Math.abs(date.getTime() - now.getTime()) > mostSkewMs)
    return {
      status: 403,
      code: "RequestTimeTooSkewed",
      message: "The difference between the request time and the current time is too large.",
    };
  if (header(asked, "x-amz-security-token") !== (user.sessionToken ?? ""))
    return { status: 400, code: "InvalidToken", message: "The provided token is malformed or otherwise invalid." };
  if (user.isExpired) return { status: 400, code: "ExpiredToken", message: "The provided token has expired." };
  if ((await sign(asked, { user, region, date, names: names.split(";") })) !== signature)
    return {
      status: 403,
      code: "SignatureDoesNotMatch",
      message: "The request signature we calculated does not match the signature you provided.",
    };
  return contentRefusal(asked);
}

function contentRefusal(asked: Asked): Refusal | undefined {
  const told = header(asked, "x-amz-content-sha256");
  if (told === "UNSIGNED-PAYLOAD" || told === createHash("sha256").update(asked.body).digest("hex")) return undefined;
  return {
    status: 400,
    code: "XAmzContentSHA256Mismatch",
    message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
  };
}

/** The signature that belongs to what arrived: to the path as S3 decodes it, not as it happened to be encoded. */
async function sign(
  { method, url, headers }: Asked,
  { user, region, date, names }: { user: User; region: string; date: Date; names: readonly string[] },
): Promise<string | undefined> {
  const [path = "", search = ""] = url.split("?");
  const query = Object.fromEntries(new URLSearchParams(search));
  const own = Object.fromEntries(names.map((name) => [name, String(headers[name] ?? "")]));
  const { accessKeyId, secretAccessKey, sessionToken } = user;
  const signer = new SignatureV4({
    service: "s3",
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    sha256: Sha256,
    uriEscapePath: false,
  });
  const request = {
    method,
    protocol: "http:",
    hostname: String(headers.host),
    path: canonicalPath(path),
    query,
    headers: own,
  };
  const signed = await signer.sign(request, { signingDate: date, signableHeaders: new Set(names) });
  return /Signature=([0-9a-f]+)$/.exec(signed.headers["authorization"] ?? "")?.[1];
}

/** Unreserved bytes as they are, all others as %XX: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function canonicalPath(path: string): string {
  const bytes = Buffer.from(decodeURIComponent(path));
  return [...bytes]
    .map((byte) => String.fromCharCode(byte))
    .map((sign) =>
      /[A-Za-z0-9\-._~/]/.test(sign) ? sign : `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("");
}

/** "20130524T000000Z" */
function dateOf(text: string): Date {
  return new Date(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
}

function header(asked: Asked, name: string): string {
  return String(asked.headers[name] ?? "");
}

/** Node's hashes, as the signer wants them. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {}
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
