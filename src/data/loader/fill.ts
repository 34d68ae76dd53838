import { type Fault, SampleError } from "../faults.ts";
import { createTransform, type ImageSettings, type Transform } from "../image/transform.ts";
import { createPlan, type Mix, type Order, type Plan } from "../plan/plan.ts";
import { createRandom } from "../random.ts";
import { chooseCaption, readSample } from "../read-sample.ts";
import { SampleReader, type SampleTable } from "../samples.ts";
import { createTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { Prefetcher } from "./prefetch.ts";
import { chunkSize, type Slot, SlotRing } from "./slots.ts";

/** What a thread is told when it starts. */
export interface FillSetup {
  readonly table: SampleTable;
  readonly slots: readonly Slot[];
  readonly control: Int32Array;
  /** Samples of a whole batch, of which this process fills its part. */
  readonly batchSize: number;
  readonly part: Part;
  readonly seed: number;
  readonly order: Order;
  readonly mix: Mix | undefined;
  readonly image: ImageSettings;
  readonly contextLength: number;
  /** More bad samples than this are too many, however many are good; the consumer is the one that says so. */
  readonly mostBad: number;
  /** Which of how many threads this one is. */
  readonly thread: Part;
}

/** One of several processes that share every batch, or of threads that share other work: it has the `rank`th of `size` equal parts. */
export interface Part {
  readonly rank: number;
  readonly size: number;
}

/** Steps `startStep` to `endStep` - 1 of an epoch. */
export interface FillJob {
  readonly epoch: number;
  readonly startStep: number;
  readonly endStep: number;
}

/** A sample that was left out. */
export interface BadSample {
  readonly id: number;
  readonly fault: Fault;
}

/** The positions of this process' part of a batch. */
interface Span {
  /** Where the whole batch starts. */
  readonly batch: number;
  readonly start: number;
  readonly size: number;
}

/** What the lanes of one thread share. */
interface Lane {
  readonly plan: Plan;
  readonly fetching: Prefetcher;
  readonly onReady: (ticket: number, bad: BadSample[]) => void;
}

/** Chunks that one thread has under way at once where each sample is a request over the network. */
const remoteLanes = 8;

/** Fills batches, together with the other threads that share its slots. */
export class Filler {
  readonly #setup: FillSetup;
  readonly #ring: SlotRing;
  readonly #reader: SampleReader;
  readonly #tokenizer: Tokenizer;
  readonly #transform: Transform;

  constructor(setup: FillSetup) {
    this.#setup = setup;
    this.#ring = new SlotRing(setup);
    this.#reader = new SampleReader(setup.table);
    this.#tokenizer = createTokenizer({ contextLength: setup.contextLength });
    this.#transform = createTransform(setup.image);
  }

  /** Takes chunks until none is left or the epoch is cancelled. Calls `onReady` for each batch that it finishes. */
  async run(job: FillJob, onReady: (ticket: number, bad: BadSample[]) => void): Promise<void> {
    const { table, thread } = this.#setup;
    const plan = createPlan({ ...this.#setup, starts: table.starts }, job.epoch);
    const fetching = new Prefetcher(this.#reader, thread);
    const lanes = Array.from({ length: this.#reader.asksNetwork ? remoteLanes : 1 }, () =>
      this.#lane(job, { plan, fetching, onReady }),
    );
    await Promise.all(lanes);
  }

  async #lane(job: FillJob, { plan, fetching, onReady }: Lane): Promise<void> {
    for (;;) {
      const { ticket, chunk } = this.#ring.take();
      const step = job.startStep + ticket;
      if (step >= job.endStep || !(await this.#ring.whenFree(ticket))) return;
      const slot = this.#ring.slots[this.#ring.slotOf(ticket)]!;
      const span = this.#span(step, plan);
      if (plan.segmentsFrom) fetching.want(plan.segmentsFrom(span.batch));
      const from = chunk * chunkSize;
      const indexes = Array.from({ length: Math.min(chunkSize, span.size - from) }, (_, i) => from + i);
      await Promise.all(indexes.map((index) => this.#tryFirst(slot, index, { plan, span, epoch: job.epoch })));
      if (this.#ring.finishChunk(ticket))
        onReady(ticket, await this.#replaceBad(slot, { plan, span, epoch: job.epoch }));
    }
  }

  close(): void {
    this.#reader.close();
  }

  #span(step: number, plan: Plan): Span {
    const { batchSize, part } = this.#setup;
    const batch = step * batchSize;
    const start = batch + (part.rank * batchSize) / part.size;
    return { batch, start, size: Math.min(batchSize / part.size, plan.length - start) };
  }

  async #tryFirst(slot: Slot, index: number, at: { plan: Plan; span: Span; epoch: number }): Promise<void> {
    const id = at.plan.at(at.span.start + index);
    slot.bad[index] = (await this.#fill(slot, index, { id, epoch: at.epoch })) ? 1 : 0;
  }

  /**
   * Keeps the batch full: in place of a bad sample stands the good one that has its place in the next batch, or the next but one ... of
   * the epoch (after the last the first). So two bad samples never get the same one, though they may be those of different processes.
   * Done by one thread in the order of the batch, so the outcome does not depend on threads.
   */
  async #replaceBad(
    slot: Slot,
    { plan, span, epoch }: { plan: Plan; span: Span; epoch: number },
  ): Promise<BadSample[]> {
    const faults: BadSample[] = [];
    if (!slot.bad.includes(1)) return faults;
    const whole = Math.min(this.#setup.batchSize, plan.length - span.batch);
    const used = new Set(Array.from({ length: whole }, (_, row) => plan.at(span.batch + row)));
    for (let index = 0; index < span.size; index++) {
      if (slot.bad[index] === 0) continue;
      const position = span.start + index;
      const substitutes = this.#substitutes(plan, position);
      // The sample itself gets a second try: the thread that met the fault may have had trouble of its own.
      let id = plan.at(position);
      for (;;) {
        const fault = await this.#fill(slot, index, { id, epoch });
        if (!fault) break;
        faults.push({ id, fault });
        if (faults.length > this.#setup.mostBad) return faults;
        do {
          const next = substitutes.next();
          if (next.done) throw new Error(exhausted(plan, { wanted: whole, fault }));
          id = next.value;
        } while (used.has(id));
        used.add(id);
      }
    }
    slot.bad.fill(0);
    return faults;
  }

  /** The samples with the same place in other batches, the following first; where a data set has too few batches, all others too. */
  *#substitutes(plan: Plan, position: number): Generator<number> {
    const { batchSize } = this.#setup;
    for (let next = position + batchSize; next < plan.length; next += batchSize) yield plan.at(next);
    for (let next = position % batchSize; next < position; next += batchSize) yield plan.at(next);
    for (let ahead = 1; ahead < plan.length; ahead++) yield plan.at((position + ahead) % plan.length);
  }

  /** Writes one sample into the slot; returns what is wrong with it, if anything is. */
  async #fill(slot: Slot, index: number, sample: { id: number; epoch: number }): Promise<Fault | undefined> {
    const { id, epoch } = sample;
    const { seed, contextLength, image } = this.#setup;
    try {
      const { picture, captions } = await readSample(this.#reader, id);
      const length = 3 * image.size * image.size;
      this.#transform(
        picture,
        createRandom([seed, epoch, id]),
        slot.images.subarray(index * length, (index + 1) * length),
      );
      const row = slot.tokens.subarray(index * contextLength, (index + 1) * contextLength);
      this.#tokenizer.encodeInto(this.#choose(captions(), sample), row);
      slot.ids[index] = BigInt(id);
      return undefined;
    } catch (error) {
      if (error instanceof SampleError) return error.fault;
      throw error;
    }
  }

  /** Evaluation takes the first of several captions, which is the same every time. */
  #choose(captions: readonly string[], { id, epoch }: { id: number; epoch: number }): string {
    const { seed, image } = this.#setup;
    return image.mode === "eval" ? captions[0]! : chooseCaption(captions, { seed, epoch, id });
  }
}

function exhausted({ length }: Plan, { wanted, fault }: { wanted: number; fault: Fault }): string {
  return `the ${length} samples do not hold ${wanted} good ones for a batch; the last bad one: ${fault.message}`;
}
