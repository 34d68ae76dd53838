/** Resident memory of this process in bytes: JavaScript's, libtorch's and the allocator's together. */
export function residentBytes(): number {
  return process.memoryUsage.rss();
}
