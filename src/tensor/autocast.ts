// Mixed precision by libtorch's autocast.
import { native } from "../native/addon.ts";
import { type DType, dtypeCode } from "./dtype.ts";

/** Runs `body` with matrix products and convolutions in `dtype`; weights are cast once per region and use. */
export function autocast<T>(options: { device: "cpu" | "cuda"; dtype: DType }, body: () => T): T {
  native.autocastEnter(options.device, dtypeCode(options.dtype));
  try {
    return body();
  } finally {
    native.autocastLeave();
  }
}
