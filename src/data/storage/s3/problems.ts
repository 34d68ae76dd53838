// What S3's errors mean, and what to look at.
import { decodeXML } from "entities";
import type { Answer } from "../exchange.ts";
import { retryAfter } from "../headers.ts";
import { passingStatus } from "../http.ts";
import { Passing } from "../patience.ts";
import { StorageError, type StorageErrorKind } from "../storage.ts";
import type { Identity } from "./credentials.ts";

/** An error as S3 tells it: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
export interface S3Problem {
  readonly status: number;
  /** Such as NoSuchKey; empty where the answer has none. */
  readonly code: string;
  readonly message: string;
  /** Where the bucket is, when it was asked for elsewhere. */
  readonly region: string | undefined;
  readonly askedMs: number | undefined;
  /** The server's clock. */
  readonly date: string | undefined;
}

export async function readProblem(answer: Answer): Promise<S3Problem> {
  const xml = await answer.text();
  const { status, headers } = answer;
  return {
    status,
    code: textOf(xml, "Code") ?? "",
    message: textOf(xml, "Message") ?? "",
    region: headers.get("x-amz-bucket-region") ?? textOf(xml, "Region"),
    askedMs: retryAfter(answer),
    date: headers.get("date") ?? undefined,
  };
}

/** The text of the first element of this name. */
export function textOf(xml: string, element: string): string | undefined {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
  return text === undefined ? undefined : decodeXML(text);
}

/** Also with other statuses than those of passing troubles; RequestTimeout is a 400. */
const passingCodes: ReadonlySet<string> = new Set([
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
]);

export function isExpired({ code }: S3Problem): boolean {
  return code === "ExpiredToken" || code === "ExpiredTokenException" || code === "TokenRefreshRequired";
}

interface Asked {
  readonly location: string;
  readonly identity: Identity | undefined;
}

/** The error to throw for a problem. */
export function errorOf(problem: S3Problem, { location, identity }: Asked): Error {
  const { status, code, message, askedMs } = problem;
  const said = [code, message].filter((text) => text !== "").join(": ");
  const text = `S3 answered ${status}${said === "" ? "" : ` (${withoutPeriod(said)})`}`;
  if (passingStatus.has(status) || passingCodes.has(code)) return new Passing(text, { askedMs });
  const kind = kindOf(problem);
  const hint = kind === "denied" ? deniedHint(problem, identity) : redirectHint(problem);
  return new StorageError(kind, { location, problem: hint === undefined ? text : `${text}: ${hint}` });
}

const deniedCodes: ReadonlySet<string> = new Set(["ExpiredToken", "InvalidToken", "TokenRefreshRequired"]);

function kindOf({ status, code }: S3Problem): StorageErrorKind {
  if (status === 404) return "not-found";
  if (status === 412) return "changed";
  return status === 401 || status === 403 || deniedCodes.has(code) ? "denied" : "bad-answer";
}

function redirectHint({ status, region }: S3Problem): string | undefined {
  if (status < 300 || status >= 400) return undefined;
  const where = region === undefined ? "elsewhere" : `in region ${region}`;
  return `the bucket is ${where}; set AWS_REGION and, if the server is not AWS', AWS_ENDPOINT_URL_S3 to where it is`;
}

function deniedHint(problem: S3Problem, identity: Identity | undefined): string {
  if (identity === undefined)
    return "no credentials were found, so only what is public can be read (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)";
  const key = `key ${identity.accessKeyId.slice(0, 4)}… from ${identity.source}`;
  if (isExpired(problem)) return `the session of ${key} has expired; get a new one and go on`;
  switch (problem.code) {
    case "SignatureDoesNotMatch":
      return `the secret is not that of ${key}`;
    case "InvalidAccessKeyId":
      return `this server does not know ${key}`;
    case "InvalidToken":
      return `the session token (AWS_SESSION_TOKEN) does not belong to ${key}`;
    case "RequestTimeTooSkewed":
      return `this machine's clock says ${new Date().toUTCString()}, the server's ${problem.date ?? "something else"}; set the clock`;
    default:
      return `${key} has no right to it, or there is no such object and no right to see that`;
  }
}

function withoutPeriod(text: string): string {
  return text.replace(/\.$/, "");
}
