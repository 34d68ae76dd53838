// A run is copied to S3 while it trains; from the copy alone, another machine goes on exactly where it was.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { createRandom } from "../src/data/random.ts";
import { readMetrics } from "../src/telemetry/metrics.ts";
import { listCheckpoints } from "../src/train/run-files.ts";
import type { Fault } from "./support/delivery.ts";
import { endAll, type Started, startRanks, startTrain, trainRecords, until } from "./support/processes.ts";
import { rightUser, S3Server } from "./support/s3.ts";
import { writeShards, writeViT } from "./support/shards.ts";

let folder: string;
let flags: string[];
let server: S3Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fastclip-remote-"));
  const settings = {
    model: writeViT(folder),
    "train-data": await writeShards(folder, 2),
    precision: "fp32",
    "batch-size": 8,
    epochs: 6, // of 6 steps
    lr: 2e-3,
    "force-patch-dropout": 0.3,
    "log-every-n-steps": 1,
    "save-every-n-steps": 3,
    "save-frequency": 2,
  };
  flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const alone = await startTrain([...flags, "--logs", folder, "--name", "alone"]).end;
  expect(alone).toMatchObject({ code: 0, error: "" });
});
beforeEach(async () => {
  server = await new S3Server().listen();
});
afterEach(async () => {
  endAll();
  await server.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

const remote = "s3://bucket/runs";

/** The folder of all runs of one machine. */
const machine = (name: string): string => join(folder, name);

function start(logs: string, ...more: string[]): Started {
  const own = ["--logs", machine(logs), "--name", "run", "--remote-sync", remote];
  return startTrain([...flags, ...own, ...more], { variables: server.variables() });
}

const figures = (run: string) =>
  trainRecords(run).map(({ step, loss, tau, gradNorm }) => ({ step, loss, tau, gradNorm }));

/** Files of a folder and their bytes, by path. */
function filesOf(root: string): Map<string, Buffer> {
  const names = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = names.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return new Map(paths.map((path) => [path.slice(root.length + 1), readFileSync(path)]));
}

/** Steps of the copy's whole checkpoints. */
function copiedSteps(): number[] {
  return server.locations.flatMap((location) => /step-(\d+)\/sha256\.json$/.exec(location)?.[1] ?? []).map(Number);
}

/** The copy holds what the folder holds. */
function expectCopied(run: string): void {
  const files = filesOf(run);
  for (const name of files.keys()) if (/^pairs.*\.f32$/.test(name)) files.delete(name); // a table of work, which each checkpoint has a copy of
  for (const [name, bytes] of files) expect(server.get(`${remote}/run/${name}`)?.equals(bytes), name).toBe(true);
}

/** Some of what servers and networks do, to one request in eight. */
function unreliable(): (asked: { method: string }) => Fault | undefined {
  const random = createRandom([8]);
  const faults: Fault[] = [
    { kind: "status", status: 503, headers: { "retry-after": "0" } },
    { kind: "status", status: 500 },
    { kind: "reset", after: 0 },
    { kind: "reset", after: 30 },
    { kind: "short", by: 20 },
  ];
  return () => (random() < 1 / 8 ? faults[Math.floor(random() * faults.length)] : undefined);
}

test("machine after machine is lost, and the run ends with the losses and the weights of one that was not", async () => {
  server.faultOf = unreliable();
  for (const name of ["first", "second"]) {
    const before = Math.max(0, ...copiedSteps());
    const child = start(name, "--resume", "auto");
    // Training is fast here and copying slow: the second one may come to its end before it is killed.
    await until("a newer copy", () => copiedSteps().some((step) => step > before) || child.process.exitCode !== null);
    child.process.kill("SIGKILL");
    expect(await child.end).toMatchObject({ error: "" });
    rmSync(machine(name), { recursive: true });
  }
  const newest = String(Math.max(...copiedSteps())).padStart(9, "0");
  const end = await start("last", "--resume", "auto").end;
  expect(end).toMatchObject({ code: 0, error: "" });
  expect(end.out).toContain(`step-${newest} was fetched from ${remote}/run`);
  expect(end.out).toContain(`the copy in ${remote}/run is complete`);

  const [run, alone] = [join(machine("last"), "run"), join(folder, "alone")];
  expectCopied(run);
  expect(figures(run)).toEqual(figures(alone));
  const [a, b] = [alone, run].map((path) => filesOf(listCheckpoints(path).at(-1)!));
  expect([...b!.keys()]).toEqual([...a!.keys()]);
  for (const [file, bytes] of a!) expect(b!.get(file)!.equals(bytes), file).toBe(true);
});

test("a run that is asked to stop ends with its copy complete; where that is damaged, what was before it is taken", async () => {
  const child = start("stopped", "--resume", "auto");
  await until("a checkpoint", () => listCheckpoints(join(machine("stopped"), "run")).length > 0);
  child.process.kill("SIGTERM");
  const { code, out } = await child.end;
  expect(code).toBe(75);
  expect(out).toMatch(
    /stopped after step \d+, which is saved\ncopying the last of the run to s3:\/\/bucket\/runs\/run\n.* is complete\n/,
  );
  expectCopied(join(machine("stopped"), "run"));

  const [before, newest] = copiedSteps()
    .slice(-2)
    .map((step) => `step-${String(step).padStart(9, "0")}`);
  const weights = `${remote}/run/checkpoints/${newest}/training.safetensors`;
  const bytes = Buffer.from(server.get(weights)!);
  bytes[bytes.length >> 1]! ^= 1;
  server.put(weights, bytes);
  server.put(`${remote}/run/checkpoints/step-000000999/state.json`, "{}"); // a copy that was not finished
  const end = await start("next", "--resume", "auto").end;
  expect(end).toMatchObject({ code: 0, error: "" });
  expect(end.out).toContain(
    `${remote}/run/checkpoints/${newest}: training.safetensors is not what was saved (its SHA-256 differs); the checkpoint before it is taken`,
  );
  expect(end.out).toContain(`${before} was fetched from ${remote}/run`);
  expect(figures(join(machine("next"), "run"))).toEqual(figures(join(folder, "alone")));
  expectCopied(join(machine("next"), "run"));
  // This machine saw the end alone; the copy has what is kept of the whole run, and nothing else.
  expect(copiedSteps()).toEqual(listCheckpoints(join(folder, "alone")).map((path) => Number(path.slice(-9))));
  expect(server.locations.filter((location) => location.includes("step-000000999"))).toEqual([]);

  const taken = await start("another").end;
  expect(taken.error).toBe(
    `fastclip: ${remote}/run holds a run already: choose another --name, or go on with it by --resume auto\n`,
  );
  expect(taken.code).toBe(2);
});

test("a copy that cannot be made is a warning, and no end of the run", async () => {
  const body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
  server.faultOf = ({ method }) => (method === "PUT" ? { kind: "status", status: 403, body } : undefined);
  const child = start("denied", "--epochs", "100000");
  const sentence = `the copy in ${remote}/run is not what the run is: ${remote}/run/config.yaml: S3 answered 403 (AccessDenied: Access Denied)`;
  await until("the warning", () => child.out().includes(sentence));
  child.process.kill("SIGTERM");
  const { code, error, out } = await child.end;
  expect({ code, error }).toEqual({ code: 75, error: "" });
  const events = readMetrics(join(machine("denied"), "run", "metrics.jsonl")).filter(({ kind }) => kind === "event");
  expect(events.some((event) => "message" in event && event.message.startsWith(sentence))).toBe(true);
  expect(out).toMatch(/copying the last of the run to .*\nthe copy in .* is not what the run is/);
});

test("a wrong secret is told before anything is trained", async () => {
  server.users = [{ ...rightUser, secretAccessKey: "another" }];
  const { code, error } = await start("wrong").end;
  expect(code).toBe(1);
  expect(error).toMatch(
    /^fastclip: s3:\/\/bucket\/runs\/run\/: S3 answered 403 \(SignatureDoesNotMatch: .*\): the secret is not that of key AKIA… from the variables .*\n$/,
  );
});

test("two processes go on from what the first one fetches", async () => {
  for (const [name, value] of Object.entries(server.variables())) vi.stubEnv(name, value);
  try {
    const own = (logs: string): string[] => ["--logs", machine(logs), "--name", "run", "--remote-sync", remote];
    const first = await startRanks(2, { flags: [...flags, ...own("two-1"), "--resume", "auto"] });
    await until("a checkpoint", () => listCheckpoints(join(machine("two-1"), "run")).length > 0);
    for (const { process } of first) process.kill("SIGTERM");
    for (const { end } of first) expect(await end).toMatchObject({ code: 75, error: "" });
    const from = Math.max(...copiedSteps());
    const second = await startRanks(2, { flags: [...flags, ...own("two-2"), "--resume", "auto"] });
    const [end, other] = await Promise.all(second.map((one) => one.end));
    expect(end).toMatchObject({ code: 0, error: "" });
    expect(other).toMatchObject({ code: 0, error: "" });
    expect(end!.out).toContain(`from step ${from} on`);
    expectCopied(join(machine("two-2"), "run"));
  } finally {
    vi.unstubAllEnvs();
  }
});
