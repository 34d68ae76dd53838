// Writes src/tensor/ops.generated.ts: a typed TypeScript face for each operator of src/tensor/ops.txt, from the schema that the
// engine reports. Run by `npm run generate`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { native } from "../src/native/addon.ts";
import { packageRoot } from "../src/native/locate.ts";
import { generateOps } from "./generate-ops/emit.ts";

const target = join(packageRoot(), "src", "tensor", "ops.generated.ts");
writeFileSync(
  target,
  generateOps((name, overload) => native.schema(name, overload)),
);
console.log(`wrote ${target}`);
