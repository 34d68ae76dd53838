// Every node but 0: it does as the launcher of node 0 says.
import type { Socket } from "node:net";
import { hostname } from "node:os";
import { Channel } from "./channel.ts";
import { connectTo } from "./connect.ts";
import type { Crew } from "./crew.ts";
import { type Failure, type Outcome, outcomeOf, type Report } from "./ending.ts";
import type { FromHead, ToHead } from "./messages.ts";
import type { Cluster } from "./options.ts";
import { type Signals, unlessAborted } from "./signals.ts";

export interface FollowOptions {
  readonly cluster: Cluster;
  readonly processes: number;
  readonly beatMs: number;
  readonly crew: Crew;
  readonly signals: Signals;
}

export async function follow(options: FollowOptions): Promise<Outcome> {
  const { cluster, processes, signals, beatMs } = options;
  const { node, nodes } = cluster;
  const socket: Socket = await connectTo(cluster, signals.interruption);
  const channel = new Channel<FromHead, ToHead>(socket, beatMs);
  channel.send({ kind: "hello", node, nodes, processes, host: `${hostname()}, process ${process.pid}` });
  try {
    return await unlessAborted(obey(channel, options), signals.interruption);
  } finally {
    await channel.close();
  }
}

/** Starts and stops this machine's processes as it is told, until the end is told too. */
function obey(channel: Channel<FromHead, ToHead>, { crew, cluster }: FollowOptions): Promise<Outcome> {
  let report: Promise<Report> | undefined;
  const onFailure = (failure: Failure): void => {
    channel.send({ kind: "failed", failure });
    crew.stop(failure);
  };
  const lost = async (reason: string): Promise<Outcome> => {
    const sentence = `node 0, whose launcher was at ${cluster.host}:${cluster.port}, is lost: ${reason}`;
    const failure: Failure = { kind: "machine", sentence, status: 1 };
    crew.stop(failure);
    return outcomeOf([failure], report === undefined ? [] : [await report]);
  };
  return new Promise((resolve, reject) => {
    const received = (message: FromHead): void => {
      if (message.kind === "start") {
        report = crew.run(message.attempt, onFailure);
        report.then((ended) => channel.send({ kind: "ended", report: ended }), reject);
      }
      if (message.kind === "stop") crew.stop(message.failure);
      if (message.kind === "refused") reject(new Error(message.reason));
      if (message.kind === "finished") resolve(message.outcome);
    };
    channel.listen({ received, lost: (reason) => resolve(lost(reason)) });
  });
}
