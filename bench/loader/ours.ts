// Our side of the benchmark: a loader in a process of its own. Each line on standard input is a request, answered by one line:
// {"batches": n} -> {"seconds": s}; {"check": true} -> {"mean": that of the next batch's pictures}.
import { createInterface } from "node:readline";
import { openDataset } from "../../src/data/dataset.ts";
import { clipMean, clipStd } from "../../src/data/image/transform.ts";
import { type Batch, createLoader } from "../../src/data/loader/loader.ts";

const [pattern, batchSize, size, workers] = process.argv.slice(2) as [string, string, string, string];
const loader = createLoader({
  dataset: await openDataset({ shards: pattern }),
  batchSize: Number(batchSize),
  workers: Number(workers),
  seed: 1,
  image: { size: Number(size), mean: clipMean, std: clipStd, mode: "train" },
  contextLength: 77,
  order: { kind: "global" },
  dropLast: true,
});

async function* batches(): AsyncGenerator<Batch> {
  for (let epoch = 0; ; epoch++) yield* loader.epoch(epoch);
}

const endless = batches();
const next = async (): Promise<Batch> => (await endless.next()).value as Batch;

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { batches: number } | { check: true };
  if ("check" in request) {
    const { images, release } = await next();
    console.log(JSON.stringify({ mean: images.reduce((sum, value) => sum + value, 0) / images.length }));
    release();
    continue;
  }
  const start = performance.now();
  for (let i = 0; i < request.batches; i++) (await next()).release();
  console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }));
}
await loader.close();
