// The steps that are measured: one set by its name, or all combinations of what the flags list.
import { type Captions, captionKinds } from "../support/batches.ts";
import type { Case } from "./messages.ts";

type Measured = Pick<Case, "model" | "batch" | "precision" | "captions">;

/** "ViT-B-32" of 64 pairs "amp_bf16 short". */
function step(model: string, { batch, as }: { batch: number; as: `${Case["precision"]} ${Captions}` }): Measured {
  const [precision, captions] = as.split(" ") as [Case["precision"], Captions];
  return { model, batch, precision, captions };
}

const small = [step("RN-Ti-64", { batch: 64, as: "fp32 short" }), step("ViT-Ti-8-64", { batch: 64, as: "fp32 short" })];

const sets: Readonly<Record<string, readonly Measured[]>> = {
  small,
  /** One case of every kind of model, small enough for a machine of 16 GB. */
  main: [
    ...small,
    step("ViT-B-32", { batch: 32, as: "amp_bf16 short" }),
    step("ViT-B-32", { batch: 32, as: "amp_bf16 full" }),
    step("RN50", { batch: 16, as: "amp_bf16 short" }),
  ],
  /** Other batches, a larger model, and large models in float32; for a machine of 24 GB. */
  sizes: [
    ...[16, 256].flatMap((batch) => [
      step("RN-Ti-64", { batch, as: "fp32 short" }),
      step("ViT-Ti-8-64", { batch, as: "fp32 short" }),
    ]),
    ...[16, 64].map((batch) => step("ViT-B-32", { batch, as: "amp_bf16 short" })),
    step("ViT-B-32", { batch: 128, as: "amp_bf16 full" }),
    step("ViT-B-16", { batch: 16, as: "amp_bf16 short" }),
    step("RN50", { batch: 32, as: "amp_bf16 short" }),
    step("ViT-B-32", { batch: 32, as: "fp32 short" }),
    step("ViT-B-16", { batch: 16, as: "fp32 short" }),
    step("RN50", { batch: 16, as: "fp32 short" }),
  ],
};

export interface CaseFlags {
  readonly set?: string;
  readonly model: string;
  readonly batch: string;
  readonly precision: string;
  readonly captions: string;
}

export function casesOf(flags: CaseFlags): readonly Measured[] {
  if (flags.set === undefined) return combinations(flags);
  const chosen = sets[flags.set];
  if (chosen === undefined) throw new Error(`--set: expected ${Object.keys(sets).join(", ")}, not "${flags.set}"`);
  return chosen;
}

function combinations(flags: CaseFlags): Measured[] {
  const batches = flags.batch.split(",").map(Number);
  const captions = listed(flags.captions, { flag: "captions", known: captionKinds });
  const precisions = listed(flags.precision, { flag: "precision", known: ["amp_bf16", "fp32"] as const });
  return flags.model
    .split(",")
    .flatMap((model) =>
      precisions.flatMap((precision) =>
        captions.flatMap((caption) => batches.map((batch) => ({ model, batch, precision, captions: caption }))),
      ),
    );
}

function listed<T extends string>(list: string, { flag, known }: { flag: string; known: readonly T[] }): T[] {
  return list.split(",").map((name) => {
    const found = known.find((value) => value === name);
    if (found === undefined) throw new Error(`--${flag}: expected ${known.join(" or ")}, not "${name}"`);
    return found;
  });
}
