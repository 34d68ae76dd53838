// One rank of our side: its place comes from the environment. Each line on standard input is a request, answered by one line:
// {"steps": n} -> a Turn; {"check": loss} -> the gradients' first numbers.
import { createInterface } from "node:readline";
import { readPlace } from "../../src/distributed/environment.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import { trafficSince } from "../../src/distributed/traffic.ts";
import { scope, setThreads, type Tensor } from "../../src/tensor/index.ts";
import { OurStep } from "./ours.ts";
import type { Turn } from "./sides.ts";

const [reduction, batch, width] = process.argv.slice(2) as ["scalars" | "features", string, string];
setThreads(1);
// A beat a second would be counted on the wire.
const group = await ProcessGroup.open(readPlace(process.env), { timeoutMs: 120_000, heartbeatMs: 60_000 });
const step = new OurStep(group, { batch: Number(batch), width: Number(width), reduction });
const checked = 4;

function turn(steps: number): Turn {
  scope(() => step.run("fastclip")); // the ranks come together
  const [before, start] = [group.traffic, performance.now()];
  for (let i = 0; i < steps; i++) scope(() => step.run("fastclip"));
  const milliseconds = (performance.now() - start) / steps;
  const traffic = [...trafficSince(before, group.traffic)];
  return {
    milliseconds,
    inCollectives: traffic.reduce((sum, [, { exposedMilliseconds }]) => sum + exposedMilliseconds, 0) / steps,
    bytes: Object.fromEntries(traffic.map(([name, { bytes }]) => [name, bytes / steps])),
  };
}

const firstOf = (values: Tensor): number[] => values.flatten().narrow(0, 0, checked).toArray();

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { steps: number } | { check: "fastclip" | "openclip" };
  const reply =
    "steps" in request
      ? turn(request.steps)
      : scope(() => {
          const { image, text } = step.run(request.check);
          return { gradients: [...firstOf(image), ...firstOf(text)] };
        });
  console.log(JSON.stringify(reply));
}
group.close();
