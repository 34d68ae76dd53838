// Requests to S3: signed, sent to where the bucket is, and repeated with new credentials where the old ones have expired.
import { AwsV4Signer } from "aws4fetch";
import { type Answer, type Call, send } from "../exchange.ts";
import type { Patience } from "../patience.ts";
import { StorageError } from "../storage.ts";
import { addressOf, type ObjectName, parseLocation } from "./address.ts";
import { Credentials, type Identity } from "./credentials.ts";
import { errorOf, isExpired, readProblem, type S3Problem } from "./problems.ts";
import { findSettings, type S3Settings } from "./settings.ts";

export interface S3Request {
  readonly method: NonNullable<Call["method"]>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly remainingMs: number;
  /** The answer may come as late as the whole request. */
  readonly isSlow?: boolean;
  /** What to ask for, where it is not the location itself. */
  readonly target?: ObjectName;
}

export class S3Client {
  readonly #patience: Patience;
  readonly #credentials = new Credentials();
  /** Where buckets are that are elsewhere than the settings say. */
  readonly #regions = new Map<string, string>();
  readonly #signingKeys = new Map<string, ArrayBuffer>();
  #settings: Promise<S3Settings> | undefined;

  constructor({ patience }: { patience: Patience }) {
    this.#patience = patience;
  }

  /** Sends a request once. Returns an answer of status 2xx or 416; throws Passing where it may go well the next time. */
  async send(location: string, request: S3Request): Promise<Answer> {
    const target = request.target ?? parseLocation(location);
    let problem: S3Problem | undefined;
    let identity: Identity | undefined;
    // A second time with what the first one taught: another region, or new credentials.
    for (const isLast of [false, true]) {
      const settings = await this.#settingsOf(location, target.bucket);
      identity = await this.#identity(location);
      const answer = await this.#sendSigned({ location, target, settings, identity, request });
      if ((answer.status >= 200 && answer.status < 300) || answer.status === 416) return answer;
      problem = await readProblem(answer);
      if (isLast || !(await this.#learn(problem, { target, settings, identity }))) break;
    }
    throw errorOf(problem!, { location, identity });
  }

  async #settingsOf(location: string, bucket: string): Promise<S3Settings> {
    this.#settings ??= findSettings();
    try {
      const settings = await this.#settings;
      return { ...settings, region: this.#regions.get(bucket) ?? settings.region };
    } catch (error) {
      throw new StorageError("denied", { location, problem: (error as Error).message, cause: error });
    }
  }

  async #identity(location: string): Promise<Identity | undefined> {
    try {
      return await this.#credentials.find();
    } catch (error) {
      const problem = `no credentials can be had: ${(error as Error).message}`;
      throw new StorageError("denied", { location, problem, cause: error });
    }
  }

  async #sendSigned({ location, target, settings, identity, request }: Prepared): Promise<Answer> {
    const { method, query = {}, headers = {}, body, remainingMs } = request;
    const url = addressOf(target, { settings, query });
    const all = new Headers(headers);
    if (identity !== undefined)
      await this.#sign({ url, method, headers: all, body, identity, region: settings.region });
    all.set("accept-encoding", "identity"); // not signed: proxies write their own
    const call = { location, url, method, headers: all, redirect: "manual", ...(body && { body }) } as const;
    const { totalMs } = this.#patience;
    const slow = { ...this.#patience, answerMs: totalMs, stallMs: totalMs };
    return send(call, { patience: request.isSlow ? slow : this.#patience, remainingMs });
  }

  /** Adds the headers of a signature, over the body's hash too: what arrives damaged is refused. */
  async #sign({ url, method, headers, body, identity, region }: Unsigned): Promise<void> {
    headers.set("x-amz-content-sha256", hex(await crypto.subtle.digest("SHA-256", body ?? new Uint8Array())));
    const { source, ...keys } = identity;
    const cache = this.#signingKeys;
    const given = { url: url.href, method, headers, service: "s3", region, cache, ...keys };
    const signed = await new AwsV4Signer(given).sign();
    for (const [name, value] of signed.headers) headers.set(name, value);
  }

  /** Whether the request may go well now. */
  async #learn(
    problem: S3Problem,
    { target, settings, identity }: Pick<Prepared, "target" | "settings" | "identity">,
  ): Promise<boolean> {
    const { region } = problem;
    if (region !== undefined && region !== settings.region) {
      this.#regions.set(target.bucket, region);
      return true;
    }
    return identity !== undefined && isExpired(problem) && (await this.#credentials.renew(identity));
  }
}

interface Prepared {
  readonly location: string;
  readonly target: ObjectName;
  readonly settings: S3Settings;
  readonly identity: Identity | undefined;
  readonly request: S3Request;
}

interface Unsigned {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly identity: Identity;
  readonly region: string;
}

function hex(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString("hex");
}
