// One rank of our side: its place comes from the environment. Each line on standard input is a request, answered by one line:
// {"steps": n} -> a Turn; {"check": loss} -> the gradients' first numbers; {"gather": numbers} -> milliseconds of one call.
import { createInterface } from "node:readline";
import { readPlace } from "../../src/distributed/environment.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import { trafficSince } from "../../src/distributed/traffic.ts";
import { scope, setThreads, type Tensor, zeros } from "../../src/tensor/index.ts";
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

/** The fastest of some calls: ranks that came late, and other programs, only ever slow one down. */
function gather(numbers: number): number {
  const part = zeros([numbers]);
  const calls = Array.from({ length: 30 }, () => {
    const start = performance.now();
    scope(() => group.allGather(part));
    return performance.now() - start;
  });
  part.free();
  return Math.min(...calls);
}

function check(loss: "fastclip" | "openclip"): number[] {
  return scope(() => {
    const { image, text } = step.run(loss);
    return [...firstOf(image), ...firstOf(text)];
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { steps: number } | { check: "fastclip" | "openclip" } | { gather: number };
  if ("steps" in request) console.log(JSON.stringify(turn(request.steps)));
  else if ("check" in request) console.log(JSON.stringify({ gradients: check(request.check) }));
  else console.log(JSON.stringify({ milliseconds: gather(request.gather) }));
}
group.close();
