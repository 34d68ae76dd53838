// Makes the copy of a run's folder what the folder is. A thread of its own does this (mirror.worker.ts).
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Candidate, candidateOf, chooseKept, evaluationFile, type Keeping } from "../kept.ts";
import { checkpointsOf, runFiles } from "../run-files.ts";
import { sealFile } from "../seal.ts";
import { type RemoteCheckpoints, RemoteRun } from "./remote-run.ts";

export interface MirrorSetup {
  /** The run's folder. */
  readonly folder: string;
  /** Where its copy is. */
  readonly root: string;
  readonly keeping: Keeping;
}

export class Mirror {
  readonly #folder: string;
  readonly #keeping: Keeping;
  readonly #remote: RemoteRun;
  /** Of files that change: what they were when they were copied. */
  readonly #copied = new Map<string, string>();
  /** The seals of the copy's checkpoints, as far as they are known. */
  readonly #seals = new Map<string, string>();
  readonly #candidates = new Map<string, Candidate>();

  constructor({ folder, root, keeping }: MirrorSetup) {
    this.#folder = folder;
    this.#keeping = keeping;
    this.#remote = new RemoteRun(root);
  }

  /** Copies what is new and removes what is not kept. `names` are the checkpoints that stay in the folder meanwhile. */
  async update(names: readonly string[]): Promise<void> {
    const there = await this.#remote.checkpoints();
    // Before the checkpoints: the figures of their steps are to be there when a run goes on from one.
    for (const path of Object.values(runFiles)) await this.#copyChanged(path(this.#folder), path(""));
    // A folder that is gone is no reason to remove its copy.
    if (names.length === 0) return;
    const kept = await this.#chooseKept(names, there);
    for (const name of names.filter((one) => kept.has(one)).reverse()) {
      await this.#copyCheckpoint(name, there);
      const file = `checkpoints/${name}/${evaluationFile}`;
      await this.#copyChanged(join(this.#folder, file), file);
    }
    for (const [name, files] of there) if (!kept.has(name)) await this.#remove(name, files);
  }

  /**
   * What is to be kept of the folder and its copy together: a run that went on in an empty folder has older checkpoints there alone. What
   * is newer there than here was damaged, or the run would have gone on from it.
   */
  async #chooseKept(names: readonly string[], there: RemoteCheckpoints): Promise<Set<string>> {
    const newest = names.at(-1) ?? "";
    const others = [...there].filter(([name, files]) => files.has(sealFile) && !names.includes(name) && name < newest);
    const candidates = names.map((name) => candidateOf(join(checkpointsOf(this.#folder), name)));
    for (const [name] of others) {
      const known = this.#candidates.get(name) ?? (await this.#remote.candidate(name));
      this.#candidates.set(name, known);
      candidates.push(known);
    }
    return chooseKept(candidates, this.#keeping);
  }

  /** The seal comes last, so that what was not copied to its end is never taken for whole. */
  async #copyCheckpoint(name: string, there: RemoteCheckpoints): Promise<void> {
    const local = join(checkpointsOf(this.#folder), name);
    const seal = readFileSync(join(local, sealFile), "utf8");
    const sealPath = `checkpoints/${name}/${sealFile}`;
    const isSealed = there.get(name)?.has(sealFile) === true;
    const known = isSealed ? (this.#seals.get(name) ?? (await this.#remote.text(sealPath))) : undefined;
    if (known !== seal) {
      if (isSealed) await this.#remote.remove(sealPath);
      for (const file of Object.keys(JSON.parse(seal) as object))
        await this.#remote.write(`checkpoints/${name}/${file}`, join(local, file));
      await this.#remote.write(sealPath, join(local, sealFile));
    }
    this.#seals.set(name, seal);
  }

  async #copyChanged(file: string, path: string): Promise<void> {
    if (!existsSync(file)) return;
    const { mtimeMs, size } = statSync(file);
    const version = `${mtimeMs} ${size}`;
    if (this.#copied.get(path) === version) return;
    await this.#remote.write(path, file);
    this.#copied.set(path, version);
  }

  /** The seal goes first: what is half removed is not whole. */
  async #remove(name: string, files: ReadonlySet<string>): Promise<void> {
    const sealFirst = [...files].sort((a, b) => Number(b === sealFile) - Number(a === sealFile));
    for (const file of sealFirst) await this.#remote.remove(`checkpoints/${name}/${file}`);
    this.#seals.delete(name);
    this.#candidates.delete(name);
  }
}
