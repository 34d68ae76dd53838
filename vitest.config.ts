import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // libtorch keeps state per process (threads, random generators), so test files run in processes of their own; with one
    // thread each, since several times all cores would spend their time waiting for each other.
    pool: "forks",
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: "1" },
    // Limits end what hangs; on a machine with other work a test of several processes takes three times as long.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    globalSetup: "test/support/cache.ts",
  },
});

export default config;
