// The file of what a loss keeps of every pair: one on each machine, mapped into memory by all of its processes.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ProcessGroup } from "../distributed/process-group.ts";
import type { PairState } from "../losses/pair-state.ts";
import { empty, noGrad, scope } from "../tensor/index.ts";
import { savedPairs } from "./checkpoint.ts";
import { copySparse } from "./durable.ts";

/** Where this process' machine has the file. Machines may see the same folder, so each has a name of its own. */
export function pairsPath(run: string, node: number): string {
  return join(run, node === 0 ? "pairs.f32" : `pairs-node${node}.f32`);
}

/**
 * Brings the file of rank 0's machine to where the checkpoint had it, or to nothing when there is no checkpoint, and those of other
 * machines to nothing; `spreadPairs` fills them. To be called by every process before any opens the file.
 */
export function restorePairs(
  group: ProcessGroup,
  { run, checkpoint }: { run: string; checkpoint: string | undefined },
): void {
  if (group.isFirstOfMachine) {
    const path = pairsPath(run, group.node);
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    const saved = checkpoint === undefined ? undefined : savedPairs(checkpoint);
    if (group.rank === 0 && saved !== undefined && existsSync(saved)) copySparse(saved, path);
  }
  group.barrier();
}

const rowsTogether = 2 ** 22; // 16 MiB of float32

/** Gives the tables of other machines what rank 0's holds. */
export function spreadPairs(group: ProcessGroup, pairs: PairState): void {
  if (!group.severalMachines) return;
  const keeps = group.isFirstOfMachine && group.node !== 0;
  for (const name of pairs.names)
    for (let start = 0; start < pairs.size; start += rowsTogether)
      scope(() => {
        const rows = Math.min(rowsTogether, pairs.size - start);
        const own = pairs.column(name).narrow(0, start, rows);
        const sent = group.rank === 0 ? own.clone() : empty([rows], { dtype: "float32" });
        group.broadcast_([sent], { name: "pairs" });
        // Zeros are pairs never seen: where there is nothing else, the file keeps its hole.
        if (keeps && sent.ne(0).any().item() !== 0) noGrad(() => own.copy_(sent));
      });
}
