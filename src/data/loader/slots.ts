// The memory that the loader's threads share: a ring of slots, each with room for one batch, and the numbers that say whose turn it is.
//
// Work is dealt in chunks of a batch. A thread takes the next chunk from a counter, waits until the batch's slot is free, fills its part,
// and counts it off; whoever counts off the last chunk finishes the batch. The consumer frees the slot for the batch `slots` steps later.
// No thread ever waits for the consumer's event loop, which stands still while tensors are computed.

/** Room for one batch. */
export interface Slot {
  /** [batchSize, 3, size, size] */
  readonly images: Float32Array;
  /** [batchSize, contextLength] */
  readonly tokens: Int32Array;
  /** [batchSize] */
  readonly ids: BigInt64Array;
  /** [batchSize]: 1 where the sample could not be read at the first try. */
  readonly bad: Uint8Array;
}

/** Samples in a chunk: enough pictures to have in flight at once, few enough to split a small batch over the threads. */
export const chunkSize = 8;

const nextItem = 0;
const cancelled = 1;
/** Behind the two above: for each slot the ticket that may write, and the chunks still to be done. */
const firstSlot = 2;
const perSlot = 2;
/** Owner of a slot that nobody may write. */
const nobody = -1;
const stopped = -2;

/** Batches are numbered by tickets: 0, 1, ... from where the epoch was started. */
export class SlotRing {
  readonly slots: readonly Slot[];
  /** Handed to other threads together with `slots`. */
  readonly control: Int32Array;
  readonly #chunks: number;

  constructor(memory: { slots: readonly Slot[]; control: Int32Array }) {
    this.slots = memory.slots;
    this.control = memory.control;
    this.#chunks = Math.ceil(memory.slots[0]!.ids.length / chunkSize);
  }

  static allocate(options: { count: number; batchSize: number; imageLength: number; contextLength: number }): SlotRing {
    const { count, batchSize, imageLength, contextLength } = options;
    const slots = Array.from({ length: count }, () => ({
      images: new Float32Array(new SharedArrayBuffer(4 * batchSize * imageLength)),
      tokens: new Int32Array(new SharedArrayBuffer(4 * batchSize * contextLength)),
      ids: new BigInt64Array(new SharedArrayBuffer(8 * batchSize)),
      bad: new Uint8Array(new SharedArrayBuffer(batchSize)),
    }));
    return new SlotRing({ slots, control: new Int32Array(new SharedArrayBuffer(4 * (firstSlot + perSlot * count))) });
  }

  /** The number of the slot that a ticket is written to. */
  slotOf(ticket: number): number {
    return ticket % this.slots.length;
  }

  /** Consumer: begins anew at ticket 0, with the slots in `held` not free yet. No thread may be at work. */
  reset(held: ReadonlySet<number>): void {
    Atomics.store(this.control, nextItem, 0);
    Atomics.store(this.control, cancelled, 0);
    for (let slot = 0; slot < this.slots.length; slot++) {
      if (held.has(slot)) Atomics.store(this.control, this.#owner(slot), nobody);
      else this.free(slot);
    }
  }

  /** Consumer: lets the slot be written by `ticket`, by default its first. */
  free(slot: number, ticket: number = slot): void {
    Atomics.store(this.control, this.#owner(slot) + 1, this.#chunks);
    Atomics.store(this.control, this.#owner(slot), ticket);
    Atomics.notify(this.control, this.#owner(slot));
  }

  /** Consumer: all threads stop at their next chunk. */
  cancel(): void {
    Atomics.store(this.control, cancelled, 1);
    for (let slot = 0; slot < this.slots.length; slot++) {
      // A changed owner, so that a thread just about to wait for the old one does not.
      Atomics.store(this.control, this.#owner(slot), stopped);
      Atomics.notify(this.control, this.#owner(slot));
    }
  }

  /** Thread: the next chunk that nobody has taken. */
  take(): { ticket: number; chunk: number } {
    const item = Atomics.add(this.control, nextItem, 1);
    return { ticket: Math.floor(item / this.#chunks), chunk: item % this.#chunks };
  }

  /** Thread: waits until the ticket's slot may be written; false when the epoch was cancelled. */
  async whenFree(ticket: number): Promise<boolean> {
    const owner = this.#owner(this.slotOf(ticket));
    for (;;) {
      const current = Atomics.load(this.control, owner);
      if (Atomics.load(this.control, cancelled) === 1) return false;
      if (current === ticket) return true;
      await Atomics.waitAsync(this.control, owner, current).value;
    }
  }

  /** Thread: counts off a chunk; true for the last one of its batch. */
  finishChunk(ticket: number): boolean {
    return Atomics.sub(this.control, this.#owner(this.slotOf(ticket)) + 1, 1) === 1;
  }

  #owner(slot: number): number {
    return firstSlot + perSlot * slot;
  }
}
