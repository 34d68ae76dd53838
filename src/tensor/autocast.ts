// Mixed precision by libtorch's autocast.
import { native } from "../native/addon.ts";
import { type DType, dtypeCode, dtypeName } from "./dtype.ts";

/** Runs `body` with matrix products and convolutions in `dtype`; weights are cast once per region and use. */
export function autocast<T>(options: { device: "cpu" | "cuda"; dtype: DType }, body: () => T): T {
  native.autocastEnter(options.device, dtypeCode(options.dtype));
  return leavingAfter(body);
}

/** Runs `body` with every operator in the element type of what it is given. */
export function withoutAutocast<T>(options: { device: "cpu" | "cuda" }, body: () => T): T {
  native.autocastPause(options.device);
  return leavingAfter(body);
}

/** What matrix products on a device are cast to; undefined outside of a region. */
export function autocastType(device: "cpu" | "cuda"): DType | undefined {
  const code = native.autocastDType(device);
  return code === null ? undefined : dtypeName(code);
}

function leavingAfter<T>(body: () => T): T {
  try {
    return body();
  } finally {
    native.autocastLeave();
  }
}
