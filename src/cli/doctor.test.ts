import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import type * as Tensors from "../tensor/index.ts";
import { command, examine, formatChecks } from "./doctor.ts";
import { checkCompiler, checkCpu, checkDisk, checkMemory, checkNode, ok, problem } from "./doctor-checks.ts";
import {
  checkCollectives,
  checkDevices,
  checkEngine,
  checkKernels,
  checkMatmul,
  checkThreads,
} from "./doctor-engine.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** What the doctor prints, and its exit status. */
async function runDoctor(): Promise<{ text: string; status: number }> {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const status = await examine();
  return { text: log.mock.calls.flat().join("\n"), status };
}

test("the table puts the mend below its problem and counts the problems", () => {
  const text = formatChecks([ok("node", "20.20.2"), problem("memory", "1 GB", "end other programs")]);
  expect(text).toBe(
    [
      "ok       node    20.20.2",
      "problem  memory  1 GB",
      "                 mend: end other programs",
      "",
      "1 problem",
    ].join("\n"),
  );
  expect(formatChecks([ok("node", "20.20.2")])).toMatch(/all is well$/);
});

test("what was found stays on its line", () => {
  expect(formatChecks([ok("addon", "first\nsecond")])).toContain("first second");
});

test.each([
  ["18.20.4", "problem"],
  ["20.18.3", "problem"],
  ["20.19.0", "ok"],
  ["22.0.0", "ok"],
])("node %s: %s", (version, status) => {
  expect(checkNode(version).status).toBe(status);
});

test("without a compiler a built engine is well, and one that has to be built is not", () => {
  expect(checkCompiler(true, ["no-such-compiler"]).status).toBe("ok");
  expect(checkCompiler(false, ["no-such-compiler"])).toMatchObject({
    status: "problem",
    mend: expect.stringMatching(/npm run setup/),
  });
});

test("the processor's features go by common names", () => {
  const { found } = checkCpu(["fpu", "avx2", "avx512f"]);
  expect(found).toContain("avx2, avx512");
  expect(found).not.toContain("fpu");
  expect(checkCpu([]).found).toContain("no vector features known");
});

test("little memory is a problem", () => {
  expect(checkMemory(0.5e9)).toMatchObject({ status: "problem", found: expect.stringMatching(/^500 MB of/) });
  expect(checkMemory(8e9).status).toBe("ok");
});

test("the disk check names the folder", () => {
  expect(checkDisk(tmpdir()).found).toMatch(new RegExp(` free in ${tmpdir()}$`));
});

test("more threads than cores is a problem", () => {
  expect(checkThreads(2, 2)).toEqual(ok("threads", "2 for 2 cores"));
  expect(checkThreads(8, 1)).toMatchObject({ status: "problem", mend: "set OMP_NUM_THREADS=1" });
});

test("kernels that run on one thread of several are a problem", () => {
  expect(checkKernels(2, 2)).toEqual(ok("kernels", "run on 2 threads"));
  expect(checkKernels(4, 1)).toMatchObject({
    status: "problem",
    found: "run on 1 of 4 threads: they were built without libtorch's OpenMP",
  });
});

test("GPUs without NCCL are a problem", () => {
  expect(checkCollectives({ cudaDevices: 0, nccl: false })).toEqual(
    ok("processes", "several communicate over Gloo; NCCL is not built in"),
  );
  expect(checkCollectives({ cudaDevices: 2, nccl: true }).found).toContain("on GPUs over NCCL");
  expect(checkCollectives({ cudaDevices: 2, nccl: false })).toMatchObject({
    status: "problem",
    mend: expect.stringContaining("nvidia-cuda-crt"),
  });
});

test("a GPU that the engine does not see is a problem", () => {
  expect(checkDevices({ cuda: false }, 0, 0).status).toBe("ok");
  expect(checkDevices({ cuda: true }, 2, 2).found).toBe("cpu and 2 × cuda");
  expect(checkDevices({ cuda: false }, 0, 1)).toMatchObject({
    status: "problem",
    mend: expect.stringMatching(/npm run setup/),
  });
  expect(checkDevices({ cuda: true }, 0, 1)).toMatchObject({
    status: "problem",
    mend: expect.stringMatching(/driver/),
  });
});

test("without an engine the doctor still answers, and says what to run", async () => {
  vi.stubEnv("FASTCLIP_ENGINE", "/no/such/engine.json");
  const { text, status } = await runDoctor();
  expect(status).toBe(1);
  expect(text).toMatch(/^ok {7}node/);
  expect(text).toMatch(/problem {2}torch .*\/no\/such\/engine\.json is missing[^\n]*\n +mend: run `npm run setup`/);
});

test("an engine file that is no JSON is a problem", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-doctor-"));
  try {
    vi.stubEnv("FASTCLIP_ENGINE", join(folder, "engine.json"));
    writeFileSync(join(folder, "engine.json"), "{");
    expect(await checkEngine()).toMatchObject([{ name: "torch", status: "problem" }]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("an allocator that is not known is a problem, and set-up is not called its mend", async () => {
  vi.stubEnv("FASTCLIP_ALLOCATOR", "jemalloc");
  expect(await checkEngine()).toMatchObject([
    { name: "torch", status: "ok" },
    { name: "allocator", status: "problem", mend: "set it to one of these, or unset it" },
  ]);
});

test("the engine that set-up built is found, loads and multiplies", async () => {
  const checks = await checkEngine();
  expect(checks.map((check) => check.name)).toEqual([
    "torch",
    "addon",
    "allocator",
    "devices",
    "processes",
    "threads",
    "kernels",
    "matmul float32",
    "matmul bfloat16",
  ]);
  for (const name of ["torch", "addon", "matmul float32", "matmul bfloat16"])
    expect(checks.find((check) => check.name === name)).toMatchObject({ status: "ok" });
});

test("a product that is wrong, and one that cannot be made, are problems", () => {
  const engineWith = (matmul: () => unknown): typeof Tensors =>
    ({ scope: (body: () => unknown) => body(), tensor: () => ({ matmul }) }) as unknown as typeof Tensors;
  const zeros = { to: () => ({ toArray: () => new Array(64 * 64).fill(0) }) };
  expect(
    checkMatmul(
      engineWith(() => zeros),
      "float32",
    ),
  ).toMatchObject({
    status: "problem",
    found: expect.stringMatching(/of 4096 entries are wrong/),
  });
  const refuse = (): never => {
    throw new Error("not implemented for 'BFloat16'");
  };
  expect(checkMatmul(engineWith(refuse), "bfloat16")).toMatchObject({
    status: "problem",
    found: expect.stringMatching(/not implemented/),
  });
});

/** What `fastclip doctor` with these words prints, and its exit status. */
async function runCommand(...words: string[]): Promise<{ text: string; status: unknown }> {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const before = process.exitCode;
  try {
    await command().parseAsync(words, { from: "user" });
    return { text: log.mock.calls.flat().join("\n"), status: process.exitCode };
  } finally {
    process.exitCode = before;
    log.mockRestore();
  }
}

const learned = (loss: string): RegExp =>
  new RegExp(
    `^ok +overfit ${loss} +InfoNCE 0\\.0\\d\\d after \\d+ steps on 16 different pairs; guessing has 2\\.773$`,
    "m",
  );

test("--overfit learns a batch by heart with FastCLIP's loss and with OpenCLIP's", async () => {
  const { text } = await runCommand("--overfit");
  expect(text).toMatch(learned("fastclip-v3"));
  expect(text).toMatch(learned("openclip"));
});

test("--overfit with a configuration takes its model and its settings, and is a problem where they cannot learn", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-doctor-"));
  try {
    const config = join(folder, "run.yaml");
    writeFileSync(
      config,
      "model: { name: RN-Ti-64, precision: fp32 }\nloss: { kind: openclip }\noptim: { lr: 0.001 }\n",
    );
    expect((await runCommand("--overfit", "--config", config)).text).toMatch(learned("openclip"));
    const { text, status } = await runCommand("--overfit", "--config", config, "--lr", "1e-12");
    expect(text).toMatch(/^problem +overfit openclip +InfoNCE [\d.]+ after 200 steps/m);
    expect(text).toMatch(/^ +mend: the loss does not move: raise the learning rate \(--lr, now 1e-12\)/m);
    expect(status).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("settings without --overfit are refused", async () => {
  await expect(runCommand("--lr", "1")).rejects.toThrow("--lr: belongs to --overfit");
  await expect(runCommand("--config", "run.yaml")).rejects.toThrow("--config: belongs to --overfit");
});
