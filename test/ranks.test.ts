// Several real processes compute what the reference's processes computed: every golden loss and training case with 2, 3 or 4 ranks, with
// FastCLIP's gradient reduction and with OpenCLIP's, and what each sends is counted to the byte.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort } from "../src/distributed/children.fixture.ts";
import { type Case, findCases, readSettings } from "../src/train/parity/case.ts";
import type { LossSettings } from "../src/train/parity/loss.ts";
import type { TrainSettings } from "../src/train/parity/train.ts";

const run = promisify(execFile);
const folder = join(import.meta.dirname, "golden");
const script = fileURLToPath(new URL("./children/replay.ts", import.meta.url));

interface Output {
  readonly verdict: { status: string; failures: string[] };
  readonly traffic: Record<string, { calls: number; bytes: number }>;
}

/** The outputs of all ranks. */
async function replayInProcesses(
  golden: Case,
  { size, reduction }: { size: number; reduction: string },
): Promise<Output[]> {
  const scratch = mkdtempSync(join(tmpdir(), "fastclip-ranks-"));
  const port = await freePort();
  try {
    const outputs = await Promise.all(
      Array.from({ length: size }, (_, rank) => {
        const place = { RANK: rank, WORLD_SIZE: size, LOCAL_RANK: rank, LOCAL_WORLD_SIZE: size };
        const variables = { ...place, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port, OMP_NUM_THREADS: 1 };
        const texts = Object.entries(variables).map(([key, value]) => [key, `${value}`]);
        const args = ["--import", "tsx", script, folder, golden.name, join(scratch, "pairs.f32"), reduction];
        return run(process.execPath, args, { env: { ...process.env, ...Object.fromEntries(texts) } });
      }),
    );
    return outputs.map(({ stdout }) => JSON.parse(stdout) as Output);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const cases = findCases(folder).flatMap((golden) => {
  const settings = readSettings(golden) as unknown as TrainSettings & LossSettings;
  return golden.kind === "loss" || golden.kind === "train" ? [{ name: golden.name, golden, settings }] : [];
});
const ranked = cases.filter(({ settings }) => settings.worldSize > 1);
// OpenCLIP without gathered gradients leaves the other ranks' part out; it is replayed in one process.
const biased = "loss/clip-w2-local1-grad0";
const both = ranked
  .filter(({ name }) => name !== biased)
  .flatMap((one) =>
    (one.settings.variant === "siglip" ? ["scalars"] : ["scalars", "features"]).map((reduction) => ({
      ...one,
      reduction,
    })),
  );

test("the golden cases are there", () => {
  expect(ranked.filter(({ golden }) => golden.kind === "train").length).toBeGreaterThanOrEqual(5);
  for (const size of [2, 3, 4]) expect(ranked.some(({ settings }) => settings.worldSize === size)).toBe(true);
});

test.each(both)("$name, reduced by $reduction", async ({ golden, settings, reduction }) => {
  const { worldSize: size, variant, localBatch } = settings;
  const outputs = await replayInProcesses(golden, { size, reduction });
  expect(outputs).toHaveLength(size);
  for (const { verdict, traffic } of outputs) {
    expect(verdict).toMatchObject({ status: "ok", failures: [] });
    if (golden.kind !== "train") continue;
    // A gather of each side's features, 2 B d numbers, and of the ids with the pictures'; then 2 B scalars (v2: four times as many), or
    // 2 B d numbers of feature gradients.
    const [steps, global] = [24, size * localBatch];
    const { embed_dim: width } = settings.model as { embed_dim: number };
    expect(traffic["features"]).toEqual({ calls: 2 * steps, bytes: steps * global * (2 * width * 4 + 8) });
    const each = variant === "v2" ? 4 : 1;
    const scalars = { calls: steps, bytes: steps * 2 * global * each * 4 };
    const gradients = { calls: steps, bytes: steps * 2 * global * width * 4 };
    expect(traffic["scalars"]).toEqual(reduction === "scalars" ? scalars : undefined);
    expect(traffic["featureGradients"]).toEqual(reduction === "features" ? gradients : undefined);
    // Nothing else but the parameters' gradients; behind the steps, waiting for all to have ended, and the mean of the losses.
    const behind = reduction === "scalars" ? ["scalars", "barrier"] : ["featureGradients", "barrier", "mean"];
    const rest = ["features", "gradients", ...behind];
    expect(Object.keys(traffic).sort()).toEqual(rest.sort());
  }
});
