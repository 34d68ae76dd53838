// One process of a golden case with several ranks; its place comes from the environment, the case, the file of the pairs' state and the
// reduction from the command line. Prints the verdict on this rank's part, and what was sent, as JSON. See test/ranks.test.ts.
import { readPlace } from "../../src/distributed/environment.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import { PairState } from "../../src/losses/pair-state.ts";
import { findCases, readSettings, readTensors } from "../../src/train/parity/case.ts";
import { type LossSettings, replayLoss } from "../../src/train/parity/loss.ts";
import { ownRank } from "../../src/train/parity/ranks.ts";
import { judge } from "../../src/train/parity/replay.ts";
import { replayTrain, type TrainSettings } from "../../src/train/parity/train.ts";

const [folder = "", name = "", path = "", words = ""] = process.argv.slice(2);
const reduction = words === "features" ? "features" : "scalars";
const golden = findCases(folder).find((one) => one.name === name)!;
const settings = readSettings(golden) as unknown as TrainSettings & LossSettings;
const group = await ProcessGroup.open(readPlace(process.env), { timeoutMs: 30_000 });
const createPairs = (columns: readonly string[]): PairState =>
  PairState.inFile(columns, { size: settings.dataSize, path });
const tensors = readTensors(golden);
const compared =
  golden.kind === "train"
    ? replayTrain(settings, tensors, { group, reduction, createPairs })
    : replayLoss(settings, tensors, { ranks: ownRank(group, reduction), createPairs });
const verdict = judge(name, compared);
const traffic = Object.fromEntries([...group.traffic].map(([what, { calls, bytes }]) => [what, { calls, bytes }]));
console.log(JSON.stringify({ verdict, traffic }));
group.close();
