// Whether both sides compute the same: the loss and all gradient norms of the first step, from the same weights on the same batch.
import { modelConfig } from "../../src/models/presets.ts";
import type { LineProcess } from "../peer.ts";
import type { Case, Checked } from "./messages.ts";
import { startOurs, startPeer } from "./sides.ts";

export interface Agreement {
  /** |our loss - OpenCLIP's| over OpenCLIP's; in bfloat16 both are compared with OpenCLIP's float32. */
  readonly loss: number;
  /** The 2-norm of the differences of the gradients' norms, over that of OpenCLIP's; 0 where the loss is another one. */
  readonly gradients: number;
  /** What was allowed. */
  readonly limit: { readonly loss: number; readonly gradients: number };
}

const float32Limit = 1e-4;
/** A ReLU whose input rounds to the other side of 0 passes another gradient on; PyTorch without oneDNN is 4e-5 away from float64 by that. */
const resNetLimit = 1e-3;
/** Rounding to bfloat16 moves our numbers no farther from float32 than so many times what it moves OpenCLIP's. */
const bfloat16Times = 2;
/** One rounding to bfloat16. */
const bfloat16Floor = 2 ** -8;

/** Throws where the sides disagree. Their processes are others than those that are timed, whose memory this would enlarge. */
export async function checkAgreement(folder: string, options: Case): Promise<Agreement> {
  const ours = await checked(startOurs(folder, options));
  const exact = await checked(startPeer(folder, { name: "plain", ...options, precision: "fp32" }));
  const found = compare(ours, exact, options);
  const isResNet = typeof modelConfig(options.model).vision_cfg.layers !== "number";
  const exactLimit = { loss: float32Limit, gradients: isResNet ? resNetLimit : float32Limit };
  const limit = options.precision === "fp32" ? exactLimit : await roundingOf();
  if (!(found.loss <= limit.loss && found.gradients <= limit.gradients))
    throw new Error(
      `${options.model}, ${options.precision}: the first step differs from OpenCLIP's, by ${found.loss} of the loss and ${found.gradients} of the gradients' norms; allowed are ${limit.loss} and ${limit.gradients}`,
    );
  return { ...found, limit };

  async function roundingOf(): Promise<Agreement["limit"]> {
    const rounded = await checked(startPeer(folder, { name: "plain", ...options }));
    const peer = compare(rounded, exact, options);
    const allowed = (difference: number): number => Math.max(bfloat16Floor, bfloat16Times * difference);
    return { loss: allowed(peer.loss), gradients: allowed(peer.gradients) };
  }
}

async function checked(side: LineProcess): Promise<Checked> {
  try {
    return await side.ask<Checked>({ check: true });
  } finally {
    side.close();
  }
}

function compare(found: Checked, exact: Checked, { loss }: Pick<Case, "loss">): Omit<Agreement, "limit"> {
  const names = Object.keys(exact.norms);
  const missing = names.find((name) => found.norms[name] === undefined);
  if (missing !== undefined) throw new Error(`our side has no gradient of ${missing}`);
  const norm = (values: readonly number[]): number => Math.hypot(...values);
  const differences = names.map((name) => found.norms[name]! - exact.norms[name]!);
  return {
    loss: Math.abs(found.loss - exact.loss) / exact.loss,
    gradients: loss === "openclip" ? norm(differences) / norm(Object.values(exact.norms)) : 0,
  };
}
