// How the ranks of a golden case are played: all by one process, or each by a process of its own.
import type { ProcessGroup } from "../../distributed/process-group.ts";
import type { ContrastiveLoss, LossInput, LossResult } from "../../losses/loss.ts";
import { pair } from "../../losses/pair.ts";
import { cat, type Tensor } from "../../tensor/index.ts";
import { Exchange, type ExchangeOptions } from "../exchange.ts";

/** What one step came to for one rank. */
export interface Played {
  readonly rank: number;
  readonly result: LossResult;
}

/** The ranks that a process plays. */
export interface Ranks {
  /** One step of the ranks of this process; `inputOf` gives what a rank starts from. */
  play(loss: ContrastiveLoss, inputOf: (rank: number) => LossInput): Played[];
  /**
   * Whether the values that a rank reports agree with the reference's in the mean over ranks alone: with OpenCLIP's reduction a rank
   * counts its own anchors' terms, and not those that other anchors share with it.
   */
  readonly agreeInMean: boolean;
  /** The mean over all ranks, given one tensor for each rank of this process. */
  mean(values: readonly Tensor[]): Tensor;
  /** Runs a look at what all ranks have stored, when they have. */
  look<T>(body: () => T): T;
}

/** One process plays all: what ranks would gather is put together here. */
export function allRanks(count: number, { isWhole }: { isWhole: boolean }): Ranks {
  return {
    play: (loss, inputOf) => {
      const inputs = Array.from({ length: count }, (_, rank) => inputOf(rank));
      const inner = inputs.map((input) => loss.inner(input));
      for (const [rank, { ids, epoch }] of inputs.entries()) loss.store({ ids, epoch, scalars: inner[rank]!.scalars });
      const values = pair((side) => cat(inner.map(({ scalars }) => scalars[side])));
      return inputs.map((input, rank) => ({
        rank,
        result: loss.gradients(input, isWhole ? { of: "all", values } : { of: "own", values: inner[rank]!.scalars }),
      }));
    },
    agreeInMean: false,
    mean: (values) => values.reduce((sum, value) => sum.add(value)).div(values.length),
    look: (body) => body(),
  };
}

/** This process plays its own rank and exchanges with the others what a step exchanges. */
export function ownRank(group: ProcessGroup, reduction: ExchangeOptions["reduction"]): Ranks {
  const exchange = new Exchange(group, { reduction, featurePrecision: "fp32" });
  return {
    play: (loss, inputOf) => {
      const start = inputOf(group.rank);
      const gather = exchange.gather(start.ids, false);
      gather.send("image", start.features.local.image);
      gather.send("text", start.features.local.text);
      const { features, ids } = gather.receive();
      const input = { ...start, features };
      const result = exchange.reduce(loss, { input, inner: loss.inner(input), ids });
      if (result.seen !== undefined) loss.store(result.seen);
      return [{ rank: group.rank, result }];
    },
    agreeInMean: reduction === "features",
    mean: ([value]) => group.allReduceMean_(value!.clone(), "mean"),
    look: (body) => {
      group.barrier();
      const seen = body();
      group.barrier();
      return seen;
    },
  };
}
