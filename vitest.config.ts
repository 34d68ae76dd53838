import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // libtorch keeps state per process (threads, random generators), so test files run in processes of their own.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});

export default config;
