// Which S3 is meant: region and endpoint, from the variables and files that all S3 programs read.
import { loadSharedConfigFiles } from "@smithy/shared-ini-file-loader";

export interface S3Settings {
  readonly region: string;
  /** Of a server that is not AWS', or AWS' own by another name. */
  readonly endpoint: URL | undefined;
}

type Variables = Readonly<Record<string, string | undefined>>;
type Profile = Readonly<Record<string, string | undefined>>;

/** What AWS' programs take where nothing is set; each bucket's answer then says where it is. */
const defaultRegion = "us-east-1";

/**
 * Variables win over the profile, names for S3 alone over those for all services:
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 */
export async function findSettings(variables: Variables = process.env): Promise<S3Settings> {
  const { profile, services } = await readProfile(variables);
  const region = variables["AWS_REGION"] || variables["AWS_DEFAULT_REGION"] || profile["region"] || defaultRegion;
  const isIgnored = variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]?.toLowerCase() === "true";
  if (isIgnored) return { region, endpoint: undefined };
  const own = variables["AWS_ENDPOINT_URL_S3"] || variables["AWS_ENDPOINT_URL"];
  const endpoint = own || services["s3.endpoint_url"] || profile["endpoint_url"];
  return { region, endpoint: endpoint ? endpointOf(endpoint) : undefined };
}

export function profileName(variables: Variables = process.env): string {
  return variables["AWS_PROFILE"] || "default";
}

/** The profile of both files (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE), and the section of services that it names. */
async function readProfile(variables: Variables): Promise<{ profile: Profile; services: Profile }> {
  const { configFile, credentialsFile } = await loadSharedConfigFiles({ ignoreCache: true });
  const name = profileName(variables);
  const profile = { ...configFile[name], ...credentialsFile[name] };
  return { profile, services: configFile[`services.${profile["services"]}`] ?? {} };
}

function endpointOf(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text);
  throw new Error(`the endpoint of S3 is to be a URL such as https://storage.example.com, not ${JSON.stringify(text)}`);
}
