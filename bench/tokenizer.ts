// Captions a second and core: this tokenizer beside OpenCLIP's in Python, in one run, taking turns on the same captions.
//   npx tsx bench/tokenizer.ts [--json FILE]
// Ours fills a padded row of 77 ids; the peer's time is of encode() alone, without the padding, which favours it.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createTokenizer } from "../src/data/tokenizer/tokenizer.ts";
import { captionMaker } from "./captions.ts";
import { PeerProcess, pythonPeer } from "./peer.ts";

const packages = ["open_clip_torch==3.3.0", "ftfy==6.3.1", "regex==2026.11.15", "wcwidth==0.9.4"];
const pairs = 15;
const captionsPerTurn = 2000;
/** Fewer, because the peer needs a millisecond for each. */
const rareCaptionsPerTurn = 500;

type Versions = Readonly<Record<string, string>>;

const { values: flags } = parseArgs({ options: { json: { type: "string" } } });
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

function median(numbers: readonly number[]): number {
  return [...numbers].sort((x, y) => x - y)[numbers.length >> 1]!;
}

async function measure(textsOfTurn: () => readonly string[]) {
  await turn(textsOfTurn()); // compiles, and fills the caches where texts repeat
  const turns = [];
  for (let i = 0; i < pairs; i++) turns.push(await turn(textsOfTurn()));
  return {
    ours: Math.round(median(turns.map(({ ours }) => ours))),
    peer: Math.round(median(turns.map(({ peers }) => peers))),
    ratio: Number(median(turns.map(({ ours, peers }) => ours / peers)).toFixed(1)),
  };
}

async function checkSameIds(): Promise<Versions> {
  const check = [...captions.common(300), ...captions.accented(300), ...captions.rare(300)];
  const { ids, versions } = await peer.ask<{ ids: number[][]; versions: Versions }>({ check });
  const wrong = check.find((text, i) => tokenizer.encode(text).join() !== ids[i]!.join());
  if (wrong !== undefined) throw new Error(`the two sides give other ids to ${JSON.stringify(wrong)}`);
  return versions;
}

const versions = await checkSameIds();
const common = captions.common(captionsPerTurn);
const accented = captions.accented(captionsPerTurn);
const result = {
  machine: `${cpus().length} cores, ${cpus()[0]?.model}`,
  versions: { node: process.version, ...versions },
  pairs,
  captionsPerTurn,
  rareCaptionsPerTurn,
  loadMilliseconds: Math.round(loadMilliseconds),
  captionsPerSecond: {
    // Words that were met before, as in training: the same captions every turn.
    warm: await measure(() => common),
    // Every caption has an accent, a curly quote or an entity, and so takes the way through the repairs.
    accented: await measure(() => accented),
    // New captions every turn, of words that no cache has.
    cold: await measure(() => captions.rare(rareCaptionsPerTurn)),
  },
};
peer.close();

console.log(
  `${result.machine}; ${Object.entries(result.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}`,
);
console.log(`vocabulary loaded in ${result.loadMilliseconds} ms; captions/s on one core, median of ${pairs} turns:`);
for (const [name, { ours, peer: peers, ratio }] of Object.entries(result.captionsPerSecond))
  console.log(`  ${name.padEnd(9)} ours ${ours}   OpenCLIP ${peers}   ${ratio} x`);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
