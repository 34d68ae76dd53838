// Training by several real processes gives what the reference's processes gave: every golden training case with two ranks.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort } from "../src/distributed/children.fixture.ts";
import { findCases, readSettings } from "../src/train/parity/case.ts";
import type { TrainSettings } from "../src/train/parity/train.ts";

const run = promisify(execFile);
const folder = join(import.meta.dirname, "golden");
const script = fileURLToPath(new URL("./children/replay.ts", import.meta.url));
const cases = findCases(folder).filter(({ name }) => /^train\/.*-w2$/.test(name));

test("the golden cases are there", () => expect(cases.length).toBeGreaterThanOrEqual(5));

test.each(cases)("$name in two processes", async (golden) => {
  const scratch = mkdtempSync(join(tmpdir(), "fastclip-ranks-"));
  const port = await freePort();
  const settings = readSettings(golden) as unknown as TrainSettings;
  try {
    const outputs = await Promise.all(
      [0, 1].map((rank) => {
        const place = { RANK: rank, WORLD_SIZE: 2, LOCAL_RANK: rank, MASTER_ADDR: "127.0.0.1", MASTER_PORT: port };
        const env = {
          ...process.env,
          ...Object.fromEntries(Object.entries(place).map(([key, value]) => [key, `${value}`])),
        };
        const args = ["--import", "tsx", script, folder, golden.name, join(scratch, "pairs.f32")];
        return run(process.execPath, args, { env });
      }),
    );
    for (const { stdout } of outputs) {
      const { verdict, traffic } = JSON.parse(stdout);
      expect(verdict).toMatchObject({ status: "ok", failures: [] });
      // Two gathers a step for features and two for scalars: 2 K b d and 2 K b numbers (v2: twice as many), and no feature gradients.
      const [steps, global] = [24, 2 * settings.localBatch];
      const { embed_dim: width } = settings.model as { embed_dim: number };
      expect(traffic.features).toEqual({ calls: 2 * steps, bytes: steps * 2 * global * width * 4 });
      const each = settings.variant === "v2" ? 2 : 1;
      expect(traffic.scalars).toEqual({ calls: 2 * steps, bytes: steps * 2 * global * each * 4 });
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
