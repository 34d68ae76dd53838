import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError } from "./errors.ts";
import type { FlagValues } from "./layers.ts";
import { loadConfig } from "./load.ts";
import type { Config } from "./types.ts";

const load = (flags: FlagValues): Config => loadConfig({ flags: { "train-data": "a.tar", ...flags } });

function problems(flags: FlagValues): readonly string[] {
  try {
    load(flags);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

test("OpenCLIP's flags of locked towers, patch dropout and checkpointing are read", () => {
  const { model, optim } = load({
    ...{ "lock-image": true, "lock-image-unlocked-groups": "2", "lock-text": true, "lock-text-unlocked-layers": "13" },
    ...{ "force-patch-dropout": "0.5", "grad-checkpointing": true, "ema-decay": "0.999" },
  });
  expect(model.lock).toEqual({
    ...{ image: true, imageUnlockedGroups: 2, imageFreezeBnStats: false },
    ...{ text: true, textUnlockedLayers: 13 },
  });
  expect(model).toMatchObject({ patchDropout: 0.5, gradCheckpointing: true });
  expect(optim).toMatchObject({ emaDecay: 0.999, emaWarmup: false });
  expect(load({ model: "RN50", "lock-image": true, "lock-image-freeze-bn-stats": true }).model.lock.image).toBe(true);
});

test("without flags everything is trained, and nothing is averaged", () => {
  const { model, optim } = load({});
  expect(model.lock).toMatchObject({ image: false, text: false });
  expect(model).not.toHaveProperty("patchDropout");
  expect(optim).not.toHaveProperty("emaDecay");
});

test.each<[FlagValues, string]>([
  [{ "lock-image-unlocked-groups": "1" }, "--lock-image-unlocked-groups: the image tower is not locked (--lock-image)"],
  [{ "lock-text-unlocked-layers": "1" }, "--lock-text-unlocked-layers: the text tower is not locked (--lock-text)"],
  [
    { model: "RN50", "lock-image-freeze-bn-stats": true },
    "--lock-image-freeze-bn-stats: the image tower is not locked (--lock-image)",
  ],
  [
    { "lock-image": true, "lock-text": true },
    "--lock-image: both towers are locked whole, so that nothing is left to train",
  ],
  [
    { model: "RN50", "lock-image": true, "lock-image-unlocked-groups": "1" },
    "--lock-image-unlocked-groups: RN50 is a ResNet, which can only be locked whole",
  ],
  [
    { "lock-image": true, "lock-image-freeze-bn-stats": true },
    "--lock-image-freeze-bn-stats: ViT-B-32 is a vision transformer and has no batch norm",
  ],
  [
    { "lock-image": true, "lock-image-unlocked-groups": "14" },
    "--lock-image-unlocked-groups: the tower has 14 groups, so that 14 unlocked ones leave none locked",
  ],
  [
    { model: "RN50", "lock-text": true, "lock-text-unlocked-layers": "15" },
    "--lock-text-unlocked-layers: the tower has 14 groups, so that 15 unlocked ones leave none locked",
  ],
  [{ model: "RN50", "force-patch-dropout": "0.5" }, "--force-patch-dropout: RN50 is a ResNet and has no patches"],
  [{ "force-patch-dropout": "1" }, "--force-patch-dropout: expected a number of at least 0 and below 1, got 1"],
  [{ "ema-decay": "1" }, "--ema-decay: expected a number above 0 and below 1, got 1"],
  [{ "ema-warmup": true }, "--ema-warmup: there is no moving average to warm up (optim.emaDecay, --ema-decay)"],
])("%j is refused", (flags, problem) => expect(problems(flags)).toEqual([problem]));

test("a model file is looked into; one that cannot be read is refused later, where the model is made", () => {
  const path = join(mkdtempSync(join(tmpdir(), "fastclip-rules-")), "tiny.json");
  const vision_cfg = { image_size: 32, layers: [1, 1, 1, 1], width: 8, head_width: 32 };
  writeFileSync(path, JSON.stringify({ embed_dim: 8, vision_cfg, text_cfg: { layers: 2 } }));
  expect(problems({ model: path, "force-patch-dropout": "0.5" })).toEqual([
    `--force-patch-dropout: ${path} is a ResNet and has no patches`,
  ]);
  expect(load({ model: "no-such-model", "force-patch-dropout": "0.5" }).model.patchDropout).toBe(0.5);
});
