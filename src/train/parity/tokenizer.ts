// Replays golden cases of the tokenizer: the ids of each text.
import { createTokenizer } from "../../data/tokenizer/tokenizer.ts";
import { tensor } from "../../tensor/index.ts";
import type { Comparison } from "./compare.ts";

export interface TokenizerSettings {
  readonly contextLength: number;
  readonly texts: readonly string[];
  /** The ids of each text without the padding. */
  readonly ids: readonly (readonly number[])[];
}

export function replayTokenizer({ contextLength, texts, ids }: TokenizerSettings): Comparison[] {
  const tokenizer = createTokenizer({ contextLength });
  const integers = (values: Iterable<number>) => tensor([...values], { dtype: "int64" });
  return texts.map((text, i) => {
    const row = new Int32Array(contextLength);
    tokenizer.encodeInto(text, row);
    const expected = [...ids[i]!, ...new Array<number>(contextLength - ids[i]!.length).fill(0)];
    return {
      name: JSON.stringify(text),
      actual: integers(row),
      expected: integers(expected),
      tolerance: { rtol: 0, atol: 0 },
    };
  });
}
