import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeEnvironment, gitState } from "./environment.ts";
import { residentBytes } from "./memory.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-environment-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const git = (...args: string[]): string => execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" }).trim();

test("the environment names versions and machine", () => {
  const environment = describeEnvironment();
  expect(environment.version).toMatch(/^\d+\.\d+\.\d+/);
  expect(environment.node).toBe(process.versions.node);
  expect(environment.cores).toBeGreaterThan(0);
  expect(Date.parse(environment.startedAt)).toBeLessThanOrEqual(Date.now());
});

test("a checkout has its commit, and is dirty when a file is in no commit", () => {
  git("init", "--quiet");
  git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "first");
  expect(gitState(folder)).toEqual({ commit: git("rev-parse", "HEAD"), dirty: false });
  writeFileSync(join(folder, "file"), "");
  expect(gitState(folder)?.dirty).toBe(true);
});

test("a folder inside another checkout, and a broken checkout, have no git state", () => {
  git("init", "--quiet");
  mkdirSync(join(folder, "inside"));
  expect(gitState(join(folder, "inside"))).toBeNull();
  mkdirSync(join(folder, "broken", ".git"), { recursive: true });
  expect(gitState(join(folder, "broken"))).toBeNull();
});

test("resident memory grows with what is held", () => {
  const before = residentBytes();
  const held = Buffer.alloc(64e6, 1);
  expect(residentBytes() - before).toBeGreaterThan(held.length / 2);
});
