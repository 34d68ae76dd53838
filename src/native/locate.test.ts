import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { locateEngine, packageRoot } from "./locate.ts";

const folder = mkdtempSync(join(tmpdir(), "locate-"));
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true }));

test("the package's root is the folder of its package.json", () => {
  expect(existsSync(join(packageRoot(), "src", "native", "locate.ts"))).toBe(true);
});

test("the engine that set-up built is found", () => {
  const engine = locateEngine();
  expect(existsSync(engine.addon)).toBe(true);
  expect(existsSync(join(engine.torch, "lib"))).toBe(true);
  expect(engine.version).toMatch(/^2\.\d+\./);
});

test("an engine that is missing or damaged is an error that names the mend", () => {
  const path = join(folder, "engine.json");
  vi.stubEnv("FASTCLIP_ENGINE", path);
  expect(() => locateEngine()).toThrow(`the engine is not built: ${path} is missing; run \`npm run setup\``);
  writeFileSync(path, "{");
  expect(() => locateEngine()).toThrow(`${path} is not valid JSON; run \`npm run setup\``);
});
