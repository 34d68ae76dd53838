// Captions a second and core: this tokenizer beside OpenCLIP's in Python, in one run, taking turns on the same captions.
//   npx tsx bench/tokenizer.ts [--json FILE] [--docs]
// Ours fills a padded row of 77 ids; the peer's time is of encode() alone, without the padding, which favours it.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createTokenizer } from "../src/data/tokenizer/tokenizer.ts";
import { captionMaker } from "./captions.ts";
import { PeerProcess, pythonPeer } from "./peer.ts";
import { describeMachine, markdownTable, median, tell } from "./support/measure.ts";
import { openClipVersion } from "./support/openclip.ts";

const packages = ["open_clip_torch==3.3.0", "ftfy==6.3.1", "regex==2026.11.15", "wcwidth==0.9.4"];
const pairs = 15;
const captionsPerTurn = 2000;
/** Fewer, because the peer needs a millisecond for each. */
const rareCaptionsPerTurn = 500;

const { values: flags } = parseArgs({
  options: { json: { type: "string" }, docs: { type: "boolean", default: false } },
});
const peer = new PeerProcess(pythonPeer({ packages }), join(import.meta.dirname, "tokenizer_peer.py"));
const start = performance.now();
const tokenizer = createTokenizer();
const loadMilliseconds = performance.now() - start;
const row = new Int32Array(tokenizer.contextLength);
const captions = captionMaker(1);

/** Captions a second of both sides, one after the other. */
async function turn(texts: readonly string[]): Promise<{ ours: number; peers: number }> {
  const peers = await peer.ask<{ seconds: number }>({ texts });
  const begin = performance.now();
  for (const text of texts) tokenizer.encodeInto(text, row);
  const seconds = (performance.now() - begin) / 1000;
  return { ours: texts.length / seconds, peers: texts.length / peers.seconds };
}

async function measure(captionsAre: string, textsOfTurn: () => readonly string[]) {
  await turn(textsOfTurn()); // compiles, and fills the caches where texts repeat
  const turns = [];
  for (let i = 0; i < pairs; i++) turns.push(await turn(textsOfTurn()));
  return {
    captions: captionsAre,
    ours: median(turns.map(({ ours }) => ours)),
    peer: median(turns.map(({ peers }) => peers)),
    ratio: median(turns.map(({ ours, peers }) => ours / peers)),
  };
}

async function checkSameIds(): Promise<void> {
  const check = [...captions.common(300), ...captions.accented(300), ...captions.rare(300)];
  const { ids } = await peer.ask<{ ids: number[][] }>({ check });
  const wrong = check.find((text, i) => tokenizer.encode(text).join() !== ids[i]!.join());
  if (wrong !== undefined) throw new Error(`the two sides give other ids to ${JSON.stringify(wrong)}`);
}

await checkSameIds();
const common = captions.common(captionsPerTurn);
const accented = captions.accented(captionsPerTurn);
const rows = [
  await measure("warm: words that were met before", () => common),
  await measure("accented: all go through the repair of text", () => accented),
  await measure("cold: every word is new", () => captions.rare(rareCaptionsPerTurn)),
];
peer.close();

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const table = markdownTable(
  [
    { head: "captions", cell: (row) => row.captions, isText: true },
    { head: "ours, a second", cell: ({ ours }) => whole(ours) },
    { head: "OpenCLIP", cell: (row) => whole(row.peer) },
    { head: "times as fast", cell: ({ ratio }) => ratio.toFixed(1) },
  ],
  rows,
);
const machine = describeMachine(openClipVersion);
const markdown = `${table}\n\nOne core, median of ${pairs} turns; the vocabulary is loaded in ${whole(loadMilliseconds)} ms. ${machine}.`;
tell(
  {
    name: "tokenizer",
    markdown,
    data: { machine, pairs, captionsPerTurn, rareCaptionsPerTurn, loadMilliseconds, rows },
  },
  flags,
);
