import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

/** What a process with this setting has counted after it has made a tensor of 4 MB, and a sum of that. */
function measure(allocator: string): { used: number; sum: number } {
  const tensors = JSON.stringify(new URL("../tensor/index.ts", import.meta.url));
  const script = `
    const { ones, tensorMemory } = await import(${tensors});
    const x = ones([1024, 1024]);
    console.log(JSON.stringify({ used: tensorMemory().used, sum: x.sum().item() }));
  `;
  const env = { ...process.env, FASTCLIP_ALLOCATOR: allocator };
  const command = ["--import", "tsx", "--input-type=module", "--eval", script];
  return JSON.parse(execFileSync(process.execPath, command, { env, encoding: "utf8", stdio: "pipe" }));
}

test.each(["caching", ""])("tensors come from the caching allocator with FASTCLIP_ALLOCATOR=%s", (allocator) => {
  const { used, sum } = measure(allocator);
  expect(used).toBeGreaterThanOrEqual(4 * 2 ** 20);
  expect(sum).toBe(2 ** 20);
});

test("tensors come from libtorch's own allocator with FASTCLIP_ALLOCATOR=system", () => {
  expect(measure("system")).toEqual({ used: 0, sum: 2 ** 20 });
});

test("another FASTCLIP_ALLOCATOR is an error that names those that are known", () => {
  expect(() => measure("jemalloc")).toThrow('Error: FASTCLIP_ALLOCATOR: expected caching or system, not "jemalloc"');
});
