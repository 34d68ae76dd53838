import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { leftBehind, startLauncher } from "./launcher.fixture.ts";

test("each process gets torchrun's variables, and the name of the run", async () => {
  const launcher = startLauncher({ task: "environment", processes: 2, maxRestarts: 3, name: "first" });
  expect(await launcher.end).toBe(0);
  const variables = [...launcher.stdout].sort().map((line) => JSON.parse(line.slice("[rank 0] ".length)));
  const common = {
    WORLD_SIZE: "2",
    LOCAL_WORLD_SIZE: "2",
    GROUP_RANK: "0",
    GROUP_WORLD_SIZE: "1",
    MASTER_ADDR: "127.0.0.1",
    MASTER_PORT: expect.stringMatching(/^\d+$/),
    TORCHELASTIC_RESTART_COUNT: "0",
    TORCHELASTIC_MAX_RESTARTS: "3",
    TORCHELASTIC_RUN_ID: variables[0].TORCHELASTIC_RUN_ID,
    TORCHELASTIC_USE_AGENT_STORE: "True",
    OMP_NUM_THREADS: "1",
    arguments: ["--name", "first"],
  };
  expect(variables).toEqual([0, 1].map((rank) => ({ ...common, RANK: `${rank}`, LOCAL_RANK: `${rank}` })));
  expect(leftBehind()).toEqual([]);
});

test("the cores are divided, unless the user has done so", async () => {
  const launcher = startLauncher({ task: "environment", processes: 2, env: { OMP_NUM_THREADS: undefined } });
  expect(await launcher.end).toBe(0);
  const cores = availableParallelism();
  const threads = Math.max(1, Math.floor(cores / 2));
  expect(launcher.stderr).toEqual([`fastclip: 2 processes on ${cores} cores: OMP_NUM_THREADS=${threads} for each`]);
  for (const line of launcher.stdout) expect(line).toContain(`"OMP_NUM_THREADS":"${threads}"`);
});

test("the processes meet at the launcher's store", async () => {
  const launcher = startLauncher({ task: "gather", processes: 2 });
  expect(await launcher.end).toBe(0);
  expect([...launcher.stdout].sort()).toEqual(["[rank 0] [0,0,1,0]", "[rank 1] [0,0,1,0]"]);
});

test("lines come whole, with the rank before them", async () => {
  const launcher = startLauncher({ task: "lines", processes: 3 });
  expect(await launcher.end).toBe(0);
  for (const rank of [0, 1, 2]) {
    const prefix = `[rank ${rank}] `;
    const own = launcher.stdout.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
    expect(own).toEqual([...Array.from({ length: 200 }, (_, i) => `line ${i} of rank ${rank} ä`), "the end"]);
    expect(launcher.stderr.filter((line) => line.startsWith(prefix))).toEqual(
      [0, 50, 100, 150].map((i) => `${prefix}error ${i}`),
    );
  }
  expect(launcher.stdout.length).toBe(603);
});
