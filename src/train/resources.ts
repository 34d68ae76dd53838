// Things that have to be closed, whatever happens.

interface Closable {
  close(): unknown;
}

/** Closes what was added, the newest first. */
export class Resources {
  readonly #added: Closable[] = [];

  add<T extends Closable>(resource: T): T {
    this.#added.push(resource);
    return resource;
  }

  async close(): Promise<void> {
    for (let resource = this.#added.pop(); resource !== undefined; resource = this.#added.pop()) await resource.close();
  }
}
