// Who asks: the credentials that AWS' own programs would find, and where they were found.
import { profileName } from "./settings.ts";

export interface Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** In words, for who has to look there. */
  readonly source: string;
}

/** What a provider gives; it notes features of itself in $source. */
type Found = Omit<Identity, "source"> & { readonly $source?: object };
type Provider = (options?: { forceRefresh?: boolean }) => Promise<Found>;

/** So long nobody looks for credentials again where there were none. */
const anonymousMs = 60_000;

/** Finds credentials when they are first needed, and new ones a few minutes before they expire. */
export class Credentials {
  #provider: Provider | undefined;
  #anonymousUntil = 0;

  /** Undefined where there are none: only what is public can be asked for then. Throws where some are named and cannot be had. */
  async find(): Promise<Identity | undefined> {
    if (performance.now() < this.#anonymousUntil) return undefined;
    this.#provider ??= await openProvider();
    try {
      return identityOf(await this.#provider());
    } catch (error) {
      if (areNamed()) throw error;
      this.#anonymousUntil = performance.now() + anonymousMs;
      return undefined;
    }
  }

  /** Looks again, for instance in a file that was written anew. Returns whether there are others now than `old`. */
  async renew(old: Identity): Promise<boolean> {
    const found = await this.#provider?.({ forceRefresh: true }).catch(() => undefined);
    return found !== undefined && found.sessionToken !== old.sessionToken;
  }
}

/** It is 30 ms of loading, which only who reads from S3 waits for. */
async function openProvider(): Promise<Provider> {
  const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
  // The files are read anew each time, since a long run outlives what is in them.
  return defaultProvider({ ignoreCache: true, maxRetries: 2 }) as Provider;
}

/** Variables that say where credentials are. */
const naming = [
  "AWS_PROFILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

const areNamed = (): boolean => naming.some((name) => process.env[name]);

function identityOf(found: Found): Identity {
  const { accessKeyId, secretAccessKey, sessionToken } = found;
  return { accessKeyId, secretAccessKey, source: sourceOf(found), ...(sessionToken && { sessionToken }) };
}

/** By the features; of several the first holds. */
const sources: readonly (readonly [feature: string, words: () => string])[] = [
  ["CREDENTIALS_ENV_VARS", () => "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"],
  ["CREDENTIALS_STS_ASSUME_ROLE_WEB_ID", () => "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE"],
  ["CREDENTIALS_HTTP", () => "the role of this container (AWS_CONTAINER_CREDENTIALS_*)"],
  ["CREDENTIALS_SSO", () => `the single sign-on of profile ${profileName()}`],
  ["CREDENTIALS_PROCESS", () => `the credential_process of profile ${profileName()}`],
];

function sourceOf({ $source: features = {} }: Found): string {
  const known = sources.find(([feature]) => feature in features);
  if (known !== undefined) return known[1]();
  // The metadata service of an instance notes nothing.
  const isOfProfile = Object.keys(features).some((feature) => feature.startsWith("CREDENTIALS_PROFILE"));
  return isOfProfile ? `profile ${profileName()}` : "the role of this machine (metadata service)";
}
