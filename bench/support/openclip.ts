// OpenCLIP in Python as the benches measure it: pinned, whole, on the engine's own torch, with or without tcmalloc.
import { delimiter } from "node:path";
import { type PythonPeer, pythonPeer } from "../peer.ts";
import { tcmalloc } from "./tcmalloc.ts";

/**
 * open_clip_torch with what its training imports. timm, transformers, huggingface_hub and safetensors are left out: none of the measured
 * models needs them, and OpenCLIP starts faster without them.
 */
const openClip = [
  "open_clip_torch==3.3.0",
  "webdataset==0.2.86",
  "torchvision==0.29.2",
  "pillow==13.0.0",
  "braceexpand==0.1.7",
  "pyyaml==6.0.4",
  "ftfy==6.3.1",
  "regex==2026.11.15",
  "wcwidth==0.9.4",
  "pandas==3.1.1",
  "python-dateutil==4.0.0",
  "six==1.17.0",
  "fsspec==2026.9.0",
  "tqdm==4.70.1",
];
/** What torch.compile imports. */
const compiler = [
  "sympy==1.14.0",
  "mpmath==1.4.1",
  "networkx==3.6.1",
  "jinja2==3.1.6",
  "markupsafe==3.0.4",
  "filelock==4.2.12",
];

export const openClipVersion = "open_clip_torch 3.3.0";

export interface OpenClipOptions {
  readonly threads: number;
  /** Whether tcmalloc takes the place of glibc's malloc. */
  readonly tcmalloc: boolean;
}

/** A Python that imports open_clip, open_clip_train and this folder's trainer.py. */
export function openClipPeer({ threads, tcmalloc: preloaded }: OpenClipOptions): PythonPeer {
  const { python, env } = pythonPeer({ packages: [...openClip, ...compiler], torch: true });
  const path = [import.meta.dirname, env["PYTHONPATH"]].join(delimiter);
  // Of functions that OpenCLIP calls and PyTorch wants to drop.
  const settings = { PYTHONPATH: path, OMP_NUM_THREADS: `${threads}`, PYTHONWARNINGS: "ignore" };
  const preload = preloaded ? { LD_PRELOAD: [env["LD_PRELOAD"], tcmalloc()].filter(Boolean).join(delimiter) } : {};
  return { python, env: { ...env, ...settings, ...preload } };
}
