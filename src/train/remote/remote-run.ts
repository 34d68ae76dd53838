// The copy of a run that lies elsewhere: the same files under the same names.
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { type Storage, StorageError, storageOf } from "../../data/storage/index.ts";
import type { EvalResult } from "../../telemetry/metrics.ts";
import { type Candidate, evaluationFile } from "../kept.ts";
import { type CheckpointState, checkpointName, stateFile } from "../run-files.ts";

/** File names of each checkpoint, by its name. Whole are those that have a seal. */
export type RemoteCheckpoints = ReadonlyMap<string, ReadonlySet<string>>;

export class RemoteRun {
  /** Such as s3://bucket/prefix/name. */
  readonly root: string;
  readonly #storage: Storage;

  constructor(root: string) {
    this.root = root;
    this.#storage = storageOf(root);
  }

  /** Whether any of its files is there. */
  async exists(): Promise<boolean> {
    return (await this.#storage.list(`${this.root}/`)).length > 0;
  }

  async checkpoints(): Promise<RemoteCheckpoints> {
    const prefix = `${this.root}/checkpoints/`;
    const found = new Map<string, Set<string>>();
    for (const location of await this.#storage.list(prefix)) {
      const [name = "", file] = location.slice(prefix.length).split("/");
      if (file === undefined || !checkpointName.test(name)) continue;
      found.set(name, (found.get(name) ?? new Set()).add(file));
    }
    return found;
  }

  /** The text of a small file; undefined where there is none. */
  async text(path: string): Promise<string | undefined> {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of this.#storage.stream(this.#at(path))) chunks.push(chunk);
    } catch (error) {
      if (error instanceof StorageError && error.kind === "not-found") return undefined;
      throw error;
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  /** What the choice of those to be kept depends on. */
  async candidate(name: string): Promise<Candidate> {
    const state = await this.text(`checkpoints/${name}/${stateFile}`);
    const results = await this.text(`checkpoints/${name}/${evaluationFile}`);
    return {
      name,
      state: state === undefined ? { epoch: 0, stepOfEpoch: 1 } : (JSON.parse(state) as CheckpointState),
      results: results === undefined ? undefined : (JSON.parse(results) as EvalResult[]),
    };
  }

  write(path: string, file: string): Promise<void> {
    return this.#storage.write(this.#at(path), file);
  }

  remove(path: string): Promise<void> {
    return this.#storage.remove(this.#at(path));
  }

  /** Writes a file of the copy into a local one. */
  async fetch(path: string, file: string): Promise<void> {
    const target = await open(file, "w");
    try {
      for await (const chunk of this.#storage.stream(this.#at(path))) await target.writeFile(chunk);
    } finally {
      await target.close();
    }
  }

  #at(path: string): string {
    return `${this.root}/${path}`;
  }
}

/** Where the copy of a run is: under its name, as OpenCLIP has it. */
export function remoteRoot(remoteSync: string, folder: string): string {
  return `${remoteSync.replace(/\/+$/, "")}/${basename(folder)}`;
}
