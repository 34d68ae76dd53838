// Which memory CPU tensors get.
const variable = "FASTCLIP_ALLOCATOR";
const kinds = ["caching", "system"] as const;

/**
 * What the environment variable FASTCLIP_ALLOCATOR says: "caching" is addon/allocator.cc, the default; "system" is libtorch's own, over the
 * malloc that the process has, and so what a comparison stands on. Throws at another value.
 */
export function chosenAllocator(): (typeof kinds)[number] {
  const value = process.env[variable] || "caching";
  const kind = kinds.find((name) => name === value);
  if (kind === undefined) throw new Error(`${variable}: expected ${kinds.join(" or ")}, not "${value}"`);
  return kind;
}
