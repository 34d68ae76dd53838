import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");

function fastclip(
  words: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): { status: number | null; stdout: string; stderr: string } {
  const args = ["--import", "tsx", join(root, "src/cli/main.ts"), ...words];
  return spawnSync(process.execPath, args, { encoding: "utf8", cwd: root, env: { ...process.env, ...environment } });
}

test("--version is that of the package, and --help names every command", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(fastclip(["--version"])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: "" });
  const help = fastclip(["--help"]);
  expect(help).toMatchObject({ status: 0, stderr: "" });
  for (const name of ["train", "eval", "data", "doctor", "quickstart", "parity"]) {
    expect(help.stdout).toMatch(new RegExp(`^  ${name}\\b.* [a-z]`, "m"));
  }
});

test("an unknown command names the nearest, in one line, with status 2", () => {
  expect(fastclip(["trian"])).toMatchObject({
    status: 2,
    stdout: "",
    stderr: "fastclip: unknown command 'trian' (Did you mean train?)\n",
  });
});

test("an unknown flag and a bad value of a command below a command do the same", () => {
  const flag = fastclip(["data", "demo", "--sise", "3"]);
  expect(flag).toMatchObject({ status: 2, stderr: "fastclip: unknown option '--sise' (Did you mean --size?)\n" });
  const value = fastclip(["data", "demo", "--size", "big"]);
  expect(value).toMatchObject({ status: 2, stdout: "" });
  expect(value.stderr).toMatch(
    /^fastclip: option '--size <pixels>' argument 'big' is invalid\. Expected a whole number\.\n$/,
  );
});

test("an error of a command is one sentence with status 1, and has its stack on request", () => {
  const words = ["data", "demo", "--size", "3"];
  const quiet = fastclip(words);
  expect(quiet).toMatchObject({ status: 1, stdout: "" });
  expect(quiet.stderr).toMatch(/^fastclip: size should be [^\n]+\n$/);
  expect(fastclip(words, { FASTCLIP_DEBUG: "1" }).stderr).toMatch(/Error: size should be .*\n +at /);
});
