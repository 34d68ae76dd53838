import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { temporaryFolder, writeShards } from "../../data/shards.fixture.ts";

const root = resolve(import.meta.dirname, "../../..");

function fastclip(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const args = ["--import", "tsx", join(root, "src/cli/main.ts"), ...words];
  return spawnSync(process.execPath, args, { encoding: "utf8", cwd: root });
}

test("fastclip data show writes a page or a picture, as the name of the file says", async () => {
  const folder = temporaryFolder();
  const pattern = await writeShards({ folder, count: 1, samples: 4 });
  const [page, picture] = [join(folder, "sheet.html"), join(folder, "sheet.png")];
  const settings = ["--model", "RN-Ti-64", "--caption-key", "caption", "--aug-scale", "0.5", "1"];
  expect(fastclip("data", "show", pattern, ...settings, "--count", "2", "--out", page)).toMatchObject({
    status: 0,
    stdout: `2 samples: ${page}\n`,
    stderr: "",
  });
  expect(readFileSync(page, "utf8").match(/json caption \d/g)).toHaveLength(2);
  const words = [...settings, "--count", "9", "--augmentations", "3", "--out", picture];
  expect(fastclip("data", "show", pattern, ...words)).toMatchObject({ status: 0, stdout: `4 samples: ${picture}\n` });
  // Two samples of three pictures of 128 pixels side by side, and margins.
  expect(await sharp(picture).metadata()).toMatchObject({ format: "png", width: 16 + 2 * (3 * 130 - 2 + 16) });
  const other = fastclip("data", "show", pattern, "--out", "sheet.pdf");
  expect(other).toMatchObject({ status: 2, stdout: "" });
  expect(other.stderr).toMatch(/'sheet\.pdf' is invalid\. Expected a name that ends in \.html or \.png\.\n$/);
});
