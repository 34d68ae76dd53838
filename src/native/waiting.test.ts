import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

/** What libgomp takes for its own in a process that loads the engine, and what that process would hand on to others. */
function settingsOf(variables: Readonly<Record<string, string>>): { taken: string | undefined; handedOn: string } {
  const addon = JSON.stringify(new URL("./addon.ts", import.meta.url));
  const script = `await import(${addon}); console.log(String(process.env.GOMP_SPINCOUNT));`;
  const env = { ...process.env, OMP_DISPLAY_ENV: "VERBOSE", ...variables };
  const command = ["--import", "tsx", "--input-type=module", "--eval", script];
  const { stdout, stderr } = spawnSync(process.execPath, command, { env, encoding: "utf8" });
  return { taken: /GOMP_SPINCOUNT = '(\d+)'/.exec(stderr)?.[1], handedOn: stdout.trim() };
}

test("threads of operators wait awake for a short time alone, and no other program is told so", () => {
  expect(settingsOf({})).toEqual({ taken: "20000", handedOn: "undefined" });
});

test("what the environment says of it stays", () => {
  expect(settingsOf({ GOMP_SPINCOUNT: "77" })).toEqual({ taken: "77", handedOn: "77" });
  expect(settingsOf({ OMP_WAIT_POLICY: "passive" })).toEqual({ taken: "0", handedOn: "undefined" });
});
