// Contradictions between the model and what is to be done with it.
import { modelConfig } from "../../models/presets.ts";
import type { Contradiction } from "./rules.ts";
import type { ModelConfig } from "./types.ts";

type Model = ReturnType<typeof modelConfig>;

/** Of the model itself only what its configuration says is looked at; one that cannot be read is refused when it is made. */
export function modelRules({ model }: { readonly model?: ModelConfig | undefined }): Contradiction[] {
  if (!model) return [];
  const built = configurationOf(model.name);
  return [
    ...lockRules(model.lock),
    ...(built === undefined ? [] : [...resNetRules(model, built), ...groupRules(model, built)]),
  ];
}

function configurationOf(name: string): Model | undefined {
  try {
    return modelConfig(name);
  } catch {
    return undefined;
  }
}

const at = (...keys: string[]): readonly string[] => ["model", ...keys];

function lockRules(lock: ModelConfig["lock"]): Contradiction[] {
  const { image, imageUnlockedGroups, imageFreezeBnStats, text, textUnlockedLayers } = lock;
  const nothingLocked = (key: string, tower: string, flag: string): Contradiction => ({
    paths: [at("lock", key)],
    text: `the ${tower} tower is not locked (--${flag})`,
  });
  const nothingTrained = {
    paths: [at("lock", "image"), at("lock", "text")],
    text: "both towers are locked whole, so that nothing is left to train",
  };
  return [
    ...(imageUnlockedGroups > 0 && !image ? [nothingLocked("imageUnlockedGroups", "image", "lock-image")] : []),
    ...(imageFreezeBnStats && !image ? [nothingLocked("imageFreezeBnStats", "image", "lock-image")] : []),
    ...(textUnlockedLayers > 0 && !text ? [nothingLocked("textUnlockedLayers", "text", "lock-text")] : []),
    ...(image && text && imageUnlockedGroups + textUnlockedLayers === 0 ? [nothingTrained] : []),
  ];
}

function resNetRules({ name, lock, patchDropout = 0 }: ModelConfig, { vision_cfg }: Model): Contradiction[] {
  const isResNet = vision_cfg.patch_size === null;
  const contradiction = (path: readonly string[], text: string): Contradiction => ({ paths: [path, at("name")], text });
  return [
    ...(isResNet && patchDropout > 0
      ? [contradiction(at("patchDropout"), `${name} is a ResNet and has no patches`)]
      : []),
    ...(isResNet && lock.imageUnlockedGroups > 0
      ? [contradiction(at("lock", "imageUnlockedGroups"), `${name} is a ResNet, which can only be locked whole`)]
      : []),
    ...(!isResNet && lock.imageFreezeBnStats
      ? [contradiction(at("lock", "imageFreezeBnStats"), `${name} is a vision transformer and has no batch norm`)]
      : []),
  ];
}

/** The groups are the embeddings, each block (the last with the norm behind it) and the projection. */
function groupRules({ lock }: ModelConfig, { vision_cfg, text_cfg }: Model): Contradiction[] {
  const towers = [
    { key: "imageUnlockedGroups", unlocked: lock.imageUnlockedGroups, blocks: vision_cfg.layers },
    { key: "textUnlockedLayers", unlocked: lock.textUnlockedLayers, blocks: text_cfg.layers },
  ];
  return towers.flatMap(({ key, unlocked, blocks }) => {
    if (typeof blocks !== "number" || unlocked < blocks + 2) return [];
    const text = `the tower has ${blocks + 2} groups, so that ${unlocked} unlocked ones leave none locked`;
    return [{ paths: [at("lock", key), at("name")], text }];
  });
}
