import type { Place } from "./environment.ts";
import { type GroupOptions, ProcessGroup } from "./process-group.ts";

/** Meets the other processes, runs `body` with them and leaves the group. When it fails, those who wait for this one are told why. */
export async function withGroup<T>(
  { place, ...options }: GroupOptions & { readonly place: Place },
  body: (group: ProcessGroup) => Promise<T>,
): Promise<T> {
  const group = await ProcessGroup.open(place, options);
  let reason: string | undefined;
  try {
    return await body(group);
  } catch (error) {
    reason = (error as Error).message;
    throw error;
  } finally {
    group.close(reason);
  }
}
