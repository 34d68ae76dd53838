// One process of a golden training case with several ranks; its place comes from the environment, the case and the file of the pairs'
// state from the command line. Prints the verdict on this rank's part, and what was sent, as JSON. See test/ranks.test.ts.
import { readPlace } from "../../src/distributed/environment.ts";
import { ProcessGroup } from "../../src/distributed/process-group.ts";
import { PairState } from "../../src/losses/pair-state.ts";
import { findCases, readSettings, readTensors } from "../../src/train/parity/case.ts";
import { judge } from "../../src/train/parity/replay.ts";
import { replayTrain, type TrainSettings } from "../../src/train/parity/train.ts";

const [folder = "", name = "", path = ""] = process.argv.slice(2);
const golden = findCases(folder).find((one) => one.name === name)!;
const settings = readSettings(golden) as unknown as TrainSettings;
const group = await ProcessGroup.open(readPlace(process.env), { timeoutMs: 30_000 });
const createPairs = (columns: readonly string[]): PairState =>
  PairState.inFile(columns, { size: settings.dataSize, path });
const verdict = judge(name, replayTrain(settings, readTensors(golden), { group, createPairs }));
const traffic = Object.fromEntries([...group.traffic].map(([what, { calls, bytes }]) => [what, { calls, bytes }]));
console.log(JSON.stringify({ verdict, traffic }));
group.close();
