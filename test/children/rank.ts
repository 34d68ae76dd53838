// What a launcher starts in tests: a process that ends in one of many ways. See src/distributed/launcher/*.test.ts.
import { setTimeout as delay } from "node:timers/promises";
import { readPlace } from "../../src/distributed/environment.ts";

const [task = "", ...rest] = process.argv.slice(2);
const { rank, size, node, attempt } = readPlace(process.env);

const ready = (): void => void process.stdout.write(`ready ${process.pid}\n`);
/** As a tensor call does: no signal handler of JavaScript runs meanwhile. */
const block = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
const linger = (): unknown => setTimeout(() => {}, 60_000);

/** Loads the engine, which tasks that end at once do without. */
async function fasten(): Promise<void> {
  const { tether } = await import("../../src/distributed/launcher/tether.ts");
  tether(process.env);
}

/** Rank 0 does; so do the others, or they have something else to do. */
async function gather({ forever = false, alone = false } = {}): Promise<void> {
  await fasten();
  const { ProcessGroup } = await import("../../src/distributed/process-group.ts");
  const { scope, tensor } = await import("../../src/tensor/index.ts");
  const group = await ProcessGroup.open(readPlace(process.env), { heartbeatMs: 200, timeoutMs: 20_000 });
  try {
    group.phase = "gathering";
    const once = (): number[] => scope(() => group.allGather(tensor([rank, attempt])).toArray() as number[]);
    console.log(JSON.stringify(once()));
    if (forever || alone) ready();
    while (forever) once();
    if (alone) await (rank === 0 ? once() : delay(60_000));
  } finally {
    group.close();
  }
}

/** Says how it is asked to stop. */
async function onSignals(action: (signal: NodeJS.Signals, count: number) => void): Promise<void> {
  await fasten();
  let count = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      console.log(`got ${signal}`);
      action(signal, ++count);
    });
  }
  ready();
  linger();
}

const tasks: Record<string, () => unknown> = {
  /** The variables that a launcher sets. */
  environment: () => {
    const names = Object.keys(process.env).filter((name) => /RANK|WORLD_SIZE|MASTER|TORCHELASTIC|OMP_NUM/.test(name));
    const values = Object.fromEntries(names.sort().map((name) => [name, process.env[name]]));
    console.log(JSON.stringify({ ...values, arguments: rest }));
  },
  lines: () => {
    for (let i = 0; i < 200; i++) {
      process.stdout.write(`line ${i} of`);
      process.stdout.write(` rank ${rank} ä\n`);
      if (i % 50 === 0) process.stderr.write(`error ${i}\n`);
    }
    process.stdout.write("the end");
  },
  "rank 1 fails": () => (rank === 1 ? process.exit(3) : linger()),
  "rank 1 fails at first": () => (attempt === 0 ? (rank === 1 ? process.exit(1) : linger()) : gather()),
  "wrong settings": () => process.exit(2),
  block: async () => {
    await fasten();
    ready();
    block();
  },
  "stop when asked": () => onSignals(() => process.exit(75)),
  "stop when asked twice": () => onSignals((_, count) => count > 1 && process.exit(130)),
  "never stop": () => onSignals(() => {}),
  gather: () => gather(),
  "gather forever": () => gather({ forever: true }),
  "rank 0 gathers": () => gather({ alone: true }),
  "node 1 fails at first": () => (attempt === 0 && node === 1 ? process.exit(4) : gather({ forever: attempt === 0 })),
  "end well": () => console.log(`rank ${rank} of ${size}`),
};

await tasks[task]!();
