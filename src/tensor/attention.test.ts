// What it computes is tested in ../nn/heads.test.ts.
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { native } from "../native/addon.ts";
import { fusedAttention, fusesAttention, hasFusedAttention, manualSeed, randn } from "./index.ts";

const options = { heads: 2, isCausal: true };

/** By Linux' own word, unless libtorch or oneDNN is told to do without. */
function hasProductsOfBFloat16(): boolean {
  const isLimited = ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"].some((name) => process.env[name] !== undefined);
  const cpu = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  return !isLimited && cpu.includes(" avx512_bf16");
}

test.runIf(hasProductsOfBFloat16())("a CPU with products of bfloat16 has the kernel, with AMX and without", () => {
  expect(hasFusedAttention()).toBe(true);
});

test.runIf(fusesAttention(randn([1, 2, 12]).to("bfloat16"), options))(
  "the kernel takes tensors in any layout, and refuses what it was not made for",
  () => {
    manualSeed(1);
    const projected = randn([24, 3, 12]).to("bfloat16");
    const turned = projected.transpose(0, 1);
    const [found, expected] = [turned, turned.contiguous()].map((x) => fusedAttention(x, options));
    expect(found!.eq(expected!).all().item()).toBe(1);
    for (const other of [projected.to("float64"), projected.flatten(), turned])
      expect(() => native.attend(other.handle, 2, true, undefined)).toThrow(
        "expected contiguous bfloat16 or float32 of [..., 3 width]",
      );
    expect(() => native.attend(projected.handle, 4, true, undefined)).toThrow("heads of an even size");
    const gradient = randn([24, 3, 2]).to("bfloat16");
    expect(() => native.attendBackward(gradient.handle, projected.handle, 2, true, undefined)).toThrow(
      "a gradient of the other's type, contiguous, [..., width]",
    );
    for (const starts of [[], [0], [0, 40], [1, 72], [0, 30, 30, 72], [0, 80, 72]])
      expect(() => native.attend(projected.handle, 2, true, starts)).toThrow("starts: expected the first rows");
  },
);

test("types, devices and heads that it does not take are known before", () => {
  const projected = randn([1, 2, 18]);
  expect(fusesAttention(projected.to("float64"), { ...options, heads: 3 })).toBe(false);
  expect(fusesAttention(projected.to("bfloat16"), { ...options, heads: 2 })).toBe(false);
});
