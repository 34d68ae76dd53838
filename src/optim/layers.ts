// Layer-wise decay of the learning rate: the nearer to a tower's input, the smaller.
import type { Tensor } from "../tensor/index.ts";
import type { ParameterGroup } from "./groups.ts";

/**
 * Splits groups by layer. A parameter's learning rate is multiplied by decay^distance, the distance counted in layers from its
 * tower's head: 0 for the head (last norm, attention pooling, projection) and logit_scale, 1 for the last block of a transformer
 * or the last stage of a ResNet, and the most for the stem and the embeddings, as in timm.
 */
export function withLayerDecay(groups: readonly ParameterGroup[], decay: number): ParameterGroup[] {
  const heads = headLayers(groups.flatMap(({ parameters }) => [...parameters.keys()]));
  return groups.flatMap((group) => splitByLayer(group, (name) => decay ** distanceFromHead(name, heads)));
}

type Tower = "image" | "text";
type Heads = ReadonlyMap<Tower, number>;

const towerOf = (name: string): Tower => (name.startsWith("visual.") ? "image" : "text");

const stem =
  /^(visual\.(conv\d|bn\d|class_embedding|positional_embedding|ln_pre)|token_embedding|positional_embedding)\b/;
const block = /^(visual\.)?transformer\.resblocks\.(?<index>\d+)\./; // counted from 0
const stage = /^visual\.layer(?<index>\d+)\./; // counted from 1

/** 0 for what stands before the first block or stage, 1 for that, and so on; undefined for the head. */
function layerOf(name: string): number | undefined {
  if (stem.test(name)) return 0;
  const inBlock = block.exec(name);
  if (inBlock !== null) return Number(inBlock.groups!["index"]) + 1;
  const inStage = stage.exec(name);
  return inStage === null ? undefined : Number(inStage.groups!["index"]);
}

/** The layer behind the last one, tower by tower. */
function headLayers(names: readonly string[]): Heads {
  const heads = new Map<Tower, number>();
  for (const name of names) {
    const tower = towerOf(name);
    heads.set(tower, Math.max(heads.get(tower) ?? 0, (layerOf(name) ?? 0) + 1));
  }
  return heads;
}

function distanceFromHead(name: string, heads: Heads): number {
  const layer = layerOf(name);
  return layer === undefined ? 0 : heads.get(towerOf(name))! - layer;
}

/** One group for each scale that occurs. */
function splitByLayer(group: ParameterGroup, scaleOf: (name: string) => number): ParameterGroup[] {
  const byScale = new Map<number, Map<string, Tensor>>();
  for (const [name, parameter] of group.parameters) {
    const scale = scaleOf(name);
    byScale.set(scale, (byScale.get(scale) ?? new Map<string, Tensor>()).set(name, parameter));
  }
  return [...byScale].map(([lrScale, parameters]) => ({ ...group, parameters, lrScale }));
}
