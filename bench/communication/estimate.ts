// What a step's communication would cost for the FastCLIP paper's three settings on 8, 64 and 512 GPUs: computed from the bytes of a step
// and the costs of rings, not measured.
//   npx tsx bench/communication/estimate.ts [--ranks 8,64,512] [--gbits 25,100,400] [--share 0.9] [--latency-us 20]
// --gbits is the speed of a machine's link, --share the part of it that collectives reach, --latency-us the time of a round without bytes. The
// defaults are assumed, for NCCL; main.ts measures both for Gloo on this computer.
import { parseArgs } from "node:util";
import { type Setting, stepBytes, stepSeconds } from "./cost.ts";

const { values: flags } = parseArgs({
  options: {
    ranks: { type: "string", default: "8,64,512" },
    gbits: { type: "string", default: "25,100,400" },
    share: { type: "string", default: "0.9" },
    "latency-us": { type: "string", default: "20" },
  },
});

/** arXiv 2407.01445: 128, 256 and 320 pairs on each GPU. */
const settings: readonly (Setting & { title: string })[] = [
  { title: "medium: RN50, CC3M", recipe: "medium-cc3m", batch: 128 },
  { title: "large: ViT-B/32, CC12M", recipe: "large-cc12m", batch: 256 },
  { title: "xlarge: ViT-B/16, LAION", recipe: "xlarge-laion", batch: 320 },
];
const speeds = flags.gbits.split(",").map(Number);
const linkOf = (gbits: number) => ({
  bitsPerSecond: gbits * 1e9 * Number(flags.share),
  latencySeconds: Number(flags["latency-us"]) / 1e6,
});

const megabytes = (bytes: number): string => {
  const value = bytes / 1e6;
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);
};
const milliseconds = (seconds: number): string => {
  const value = seconds * 1000;
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2);
};

const header = [
  ...["setting", "GPUs", "pairs", "features", "scalars", "feature gradients", "gradients"],
  ...speeds.map((gbits) => `${gbits} Gbit/s`),
];
const markdown = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
console.log(
  "computed, not measured: MB a step; ms a step with scalars / with feature gradients (and all-reduce of the gradients)\n",
);
console.log(markdown(header));
console.log(markdown(header.map((_, i) => (i < 1 ? "---" : "---:"))));
for (const setting of settings)
  for (const ranks of flags.ranks.split(",").map(Number)) {
    const bytes = stepBytes(setting, ranks);
    const times = speeds.map((gbits) => {
      const { scalars, features, gradients } = stepSeconds(bytes, { ranks, link: linkOf(gbits) });
      return `${milliseconds(scalars)} / ${milliseconds(features)} (${milliseconds(gradients)})`;
    });
    const sizes = [bytes.features, bytes.scalars, bytes.featureGradients, bytes.gradients].map(megabytes);
    console.log(markdown([setting.title, `${ranks}`, bytes.pairs.toLocaleString("en-US"), ...sizes, ...times]));
  }
console.log(`\n${flags.share} of the link's speed, ${flags["latency-us"]} us a round`);
