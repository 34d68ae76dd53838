import { beforeEach, describe, expect, test } from "vitest";
import type { Pair } from "../losses/pair.ts";
import { CLIP, lockImageTower, lockTextTower, parseModelConfig } from "../models/index.ts";
import {
  gradOf,
  liveTensors,
  manualSeed,
  randn,
  resetPeakMemory,
  rngState,
  scope,
  setGrad,
  type Tensor,
  tensor,
  tensorMemory,
} from "../tensor/index.ts";
import type { Precision } from "./encode.ts";
import { type Encoded, Towers } from "./towers.ts";

const text_cfg = { context_length: 8, vocab_size: 50, width: 16, heads: 2, layers: 3 };
const visions = {
  ViT: { image_size: 32, layers: 3, width: 16, patch_size: 8, head_width: 8, patch_dropout: 0.5 },
  ResNet: { image_size: 32, layers: [1, 2, 1, 1], width: 8, head_width: 32 },
};
type Kind = keyof typeof visions;

const build = (kind: Kind): CLIP =>
  new CLIP(parseModelConfig({ embed_dim: 8, vision_cfg: visions[kind], text_cfg }, "tiny"));

const batch = 4;
const text = [48, 7, 9, 49, 0, 0, 0, 0];
const randomInputs = () => ({
  images: randn([batch, 3, 32, 32]),
  tokens: tensor(new Array(batch).fill(text).flat(), { shape: [batch, 8], dtype: "int64" }),
});

type Way = "forward" | "forwardTwice";

interface Outcome {
  readonly features: number[];
  readonly gradients: Map<string, number[] | undefined>;
  readonly buffers: Map<string, number[]>;
  readonly random: number[];
}

/** All that a pass of training through the towers leaves, from the same random state each time. */
function run(
  model: CLIP,
  { way, gradCheckpointing = false, precision = "fp32" }: Mode,
  inputs: ReturnType<typeof randomInputs>,
): Outcome {
  const before = new Map([...model.buffers()].map(([name, buffer]) => [name, buffer.clone()]));
  manualSeed(7);
  const gradients: Pair<Tensor> = { image: wave(0), text: wave(1) };
  const encoded = scope((): Encoded => new Towers(model, { precision, gradCheckpointing })[way](inputs));
  encoded.backward(gradients);
  const outcome = {
    features: [encoded.features.image, encoded.features.text].flatMap((values) => values.detach().toArray()),
    gradients: new Map([...model.parameters()].map(([name, value]) => [name, gradOf(value)?.toArray()])),
    buffers: new Map([...model.buffers()].map(([name, buffer]) => [name, buffer.toArray()])),
    random: rngState().toArray(),
  };
  for (const parameter of model.parameters().values()) setGrad(parameter, null);
  for (const [name, buffer] of model.buffers()) buffer.copy_(before.get(name)!);
  return outcome;
}

interface Mode {
  readonly way: Way;
  readonly gradCheckpointing?: boolean;
  readonly precision?: Precision;
}

const wave = (phase: number): Tensor =>
  tensor(
    Array.from({ length: batch * 8 }, (_, i) => Math.sin(1.7 * i + phase)),
    { shape: [batch, 8] },
  );

beforeEach(() => manualSeed(5));

const sparing: Mode[] = [
  { way: "forward", gradCheckpointing: true },
  { way: "forwardTwice" },
  { way: "forwardTwice", gradCheckpointing: true },
];

function expectSame(actual: Outcome, expected: Outcome): void {
  expect(actual.features).toEqual(expected.features);
  expect(actual.buffers).toEqual(expected.buffers);
  expect(actual.random).toEqual(expected.random);
  for (const [name, values] of expected.gradients) {
    const got = actual.gradients.get(name);
    expect(got === undefined, name).toBe(values === undefined);
    const largest = Math.max(...(values ?? []).map(Math.abs));
    const errors = (values ?? []).map((value, i) => Math.abs(value - got![i]!));
    expect(Math.max(0, ...errors), name).toBeLessThanOrEqual(1e-6 * Math.max(1, largest));
  }
}

describe.each<Kind>(["ViT", "ResNet"])("%s", (kind) => {
  test.each(sparing.flatMap((mode) => [mode, { ...mode, precision: "amp_bf16" as const }]))(
    "%j leaves what the plain way leaves",
    (mode) => {
      const model = build(kind);
      const inputs = randomInputs();
      const expected = run(model, { ...mode, way: "forward", gradCheckpointing: false }, inputs);
      const trained = [...expected.gradients].filter(([, values]) => values !== undefined).map(([name]) => name);
      expect(trained).toEqual([...model.parameters().keys()].filter((name) => name !== "logit_scale"));
      expectSame(run(model, mode, inputs), expected);
    },
  );

  test("the plain way is the model's own, normalised", () => {
    const model = build(kind).eval();
    const inputs = randomInputs();
    const { features } = new Towers(model, { precision: "fp32", gradCheckpointing: false }).forward(inputs);
    const image = model.encodeImage(inputs.images);
    const norms = image
      .square()
      .sumDim({ dim: [1], keepdim: true })
      .sqrt();
    const difference = image.div(norms).sub(features.image).abs().max().item();
    expect(difference).toBeLessThan(1e-6);
  });

  test("steps leave no tensors behind", () => {
    const model = build(kind);
    const step = (mode: Mode) => scope(() => void run(model, mode, randomInputs()));
    for (const mode of sparing) step(mode);
    const live = liveTensors();
    for (const mode of sparing) step(mode);
    expect(liveTensors()).toBe(live);
  });
});

describe("locked towers", () => {
  const groups = (unlockedGroups: number) => (model: CLIP) =>
    lockImageTower(model, { unlockedGroups, freezeBatchNorm: false });

  test.each([
    [0, []],
    [1, ["visual.proj"]],
    [2, ["visual.transformer.resblocks.2", "visual.ln_post", "visual.proj"]],
  ])("with %i groups unlocked, gradients go to these alone, in every way", (unlocked, names) => {
    const model = build("ViT");
    groups(unlocked)(model);
    const inputs = randomInputs();
    const expected = run(model, { way: "forward" }, inputs);
    const trained = [...expected.gradients].flatMap(([name, values]) => (values === undefined ? [] : [name]));
    const visual = trained.filter((name) => name.startsWith("visual."));
    expect(visual.filter((name) => !names.some((part) => name.startsWith(part)))).toEqual([]);
    expect(names.filter((part) => !visual.some((name) => name.startsWith(part)))).toEqual([]);
    expect(trained).toContain("token_embedding.weight");
    for (const mode of sparing) expectSame(run(model, mode, inputs), expected);
  });

  test("a tower that is locked whole keeps no graph", () => {
    const model = build("ResNet");
    const towers = new Towers(model, { precision: "fp32", gradCheckpointing: false });
    const inputs = randomInputs();
    const keptBy = () =>
      scope(() => {
        const { used } = tensorMemory();
        const { features } = towers.forward(inputs);
        return { bytes: tensorMemory().used - used, trained: features.image.requiresGrad };
      });
    const open = keptBy();
    groups(0)(model);
    lockTextTower(model, { unlockedLayers: 0 });
    const locked = keptBy();
    expect(open.trained).toBe(true);
    expect(locked.trained).toBe(false);
    // Two tensors of features.
    expect(locked.bytes).toBeLessThan(4096);
    expect(open.bytes).toBeGreaterThan(50 * locked.bytes);
  });

  test("batch norm of a locked tower goes on learning unless it is frozen; then training computes what evaluation does", () => {
    for (const freezeBatchNorm of [false, true]) {
      const model = build("ResNet");
      lockImageTower(model, { unlockedGroups: 0, freezeBatchNorm });
      const inputs = randomInputs();
      const before = new Map([...model.buffers()].map(([name, buffer]) => [name, buffer.toArray()]));
      const trained = run(model, { way: "forward" }, inputs);
      const evaluated = run(model.eval(), { way: "forward" }, inputs);
      const learned = [...before].filter(([name, values]) => String(trained.buffers.get(name)) !== String(values));
      expect(learned).toHaveLength(freezeBatchNorm ? 0 : before.size);
      expect(String(trained.features) === String(evaluated.features)).toBe(freezeBatchNorm);
    }
  });
});

test("of a deep tower, keeping the inputs of its blocks alone takes a fraction of the memory", () => {
  const vision_cfg = { image_size: 64, layers: 16, width: 32, patch_size: 8, head_width: 16 };
  const model = new CLIP(parseModelConfig({ embed_dim: 8, vision_cfg, text_cfg }, "deep"));
  const inputs = { ...randomInputs(), images: randn([batch, 3, 64, 64]) };
  const peakOf = (mode: Mode) =>
    scope(() => {
      const { used } = tensorMemory();
      resetPeakMemory();
      const outcome = run(model, mode, inputs);
      return { peak: tensorMemory().peak - used, outcome };
    });
  const plain = peakOf({ way: "forward" });
  const sparingly = peakOf({ way: "forward", gradCheckpointing: true });
  expectSame(sparingly.outcome, plain.outcome);
  expect(sparingly.peak).toBeLessThan(0.5 * plain.peak);
});
