import { expect, test } from "vitest";
import { alone, firstHost, readPlace } from "./environment.ts";

const torchrun = {
  RANK: "3",
  WORLD_SIZE: "4",
  LOCAL_RANK: "1",
  LOCAL_WORLD_SIZE: "2",
  MASTER_ADDR: "a",
  MASTER_PORT: "29500",
};
const slurm = {
  SLURM_PROCID: "5",
  SLURM_NTASKS: "8",
  SLURM_LOCALID: "1",
  SLURM_JOB_NODELIST: "gpu[003-005,9]",
  SLURM_JOB_ID: "123456",
};

test("without a launcher there is one process", () => {
  expect(readPlace({})).toBe(alone);
  expect(readPlace({ RANK: "0", WORLD_SIZE: "1" })).toEqual(alone);
  expect(readPlace({ SLURM_PROCID: "0", SLURM_NTASKS: "1" })).toEqual(alone);
  expect(readPlace({ RANK: "0", WORLD_SIZE: "1", TORCHELASTIC_RESTART_COUNT: "3" })).toEqual({ ...alone, attempt: 3 });
});

test("torchrun's variables", () => {
  const meeting = { host: "a", port: 29500, servedBy: "rank 0" };
  const place = { rank: 3, size: 4, localRank: 1, localSize: 2, node: 1, attempt: 0, meeting };
  expect(readPlace(torchrun)).toEqual(place);
  const elastic = { ...torchrun, TORCHELASTIC_USE_AGENT_STORE: "True", TORCHELASTIC_RESTART_COUNT: "2" };
  expect(readPlace(elastic)).toEqual({ ...place, attempt: 2, meeting: { ...meeting, servedBy: "launcher" } });
  // Machines of different sizes: the number of the node is not rank / localSize.
  expect(readPlace({ ...torchrun, GROUP_RANK: "2" }).node).toBe(2);
  expect(readPlace({ ...torchrun, LOCAL_WORLD_SIZE: undefined }).node).toBe(0);
  // torchrun started by SLURM: the inner launcher counts, but for a job that was queued again it begins anew.
  expect(readPlace({ ...slurm, ...torchrun }).rank).toBe(3);
  expect(readPlace({ ...slurm, ...elastic, SLURM_RESTART_COUNT: "1" }).attempt).toBe(3);
});

test("SLURM's variables", () => {
  const meeting = { host: "gpu003", port: 23456, servedBy: "rank 0" };
  const place = { rank: 5, size: 8, localRank: 1, localSize: undefined, node: 0, attempt: 0, meeting };
  expect(readPlace(slurm)).toEqual(place);
  const step = { ...slurm, SLURM_NODEID: "2", SLURM_STEP_TASKS_PER_NODE: "1(x2),4,2", SLURM_RESTART_COUNT: "1" };
  expect(readPlace(step)).toEqual({ ...place, localSize: 4, node: 2, attempt: 1 });
  expect(readPlace({ ...slurm, MASTER_ADDR: "b", MASTER_PORT: "7" }).meeting).toMatchObject({ host: "b", port: 7 });
});

test.each([
  ["gpu003", "gpu003"],
  ["login1,gpu[003-005]", "login1"],
  ["gpu[003-005,9],login1", "gpu003"],
  ["rack1-node[12].cluster", "rack1-node12.cluster"],
])("the first host of %s is %s", (nodes, host) => {
  expect(firstHost(nodes)).toBe(host);
});

test.each([
  [{ RANK: "1" }, "WORLD_SIZE is not set, though another variable says that there are several processes"],
  [{ WORLD_SIZE: "2" }, "RANK is not set, though another variable says that there are several processes"],
  [{ ...torchrun, RANK: "4" }, "RANK=4 must be less than WORLD_SIZE=4"],
  [{ ...torchrun, RANK: "-1" }, 'RANK must be a whole number, not "-1"'],
  [{ ...torchrun, WORLD_SIZE: "0" }, "WORLD_SIZE=0 must be 1 or more"],
  [{ ...torchrun, LOCAL_RANK: "2" }, "LOCAL_RANK=2 must be less than LOCAL_WORLD_SIZE=2"],
  [{ ...torchrun, RANK: "0" }, "LOCAL_RANK=1 is greater than RANK=0"],
  [{ ...torchrun, LOCAL_WORLD_SIZE: "5" }, "LOCAL_WORLD_SIZE=5 must be 4 or less"],
  [{ ...torchrun, MASTER_ADDR: undefined }, "WORLD_SIZE=4, but MASTER_ADDR is not set"],
  [{ ...torchrun, MASTER_PORT: undefined }, "MASTER_ADDR is set, but MASTER_PORT is not set"],
  [{ ...torchrun, MASTER_PORT: "65536" }, "MASTER_PORT=65536 must be 65535 or less"],
  [{ ...torchrun, GROUP_RANK: "4" }, "GROUP_RANK=4 must be 3 or less"],
  [{ ...slurm, SLURM_PROCID: "8" }, "SLURM_PROCID=8 must be less than SLURM_NTASKS=8"],
  [
    { ...slurm, SLURM_JOB_NODELIST: undefined },
    "SLURM_NTASKS=8, but neither SLURM_JOB_NODELIST nor MASTER_ADDR says where rank 0 runs",
  ],
])("a contradiction is refused: %o", (environment, message) => {
  expect(() => readPlace(environment)).toThrow(message);
});
