// What tests of storages share.
import { expect, vi } from "vitest";
import { StorageError } from "../../src/data/storage/index.ts";

/** What it is refused with. */
export async function failure(work: Promise<unknown>): Promise<StorageError> {
  const error = await work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  expect(error).toBeInstanceOf(StorageError);
  return error as StorageError;
}

export async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Puts these variables of AWS in the place of those that the environment has, until `vi.unstubAllEnvs()`. */
export function useAwsVariables(variables: Readonly<Record<string, string>>): void {
  vi.unstubAllEnvs();
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}
