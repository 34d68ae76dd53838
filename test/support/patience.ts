// Patience that tests have: the waits are short, the counts are those of a real run.
import { defaultPatience, type Patience } from "../../src/data/storage/patience.ts";

export const shortPatience: Patience = {
  ...defaultPatience,
  firstDelayMs: 2,
  longestDelayMs: 20,
  longestAskedMs: 300,
  answerMs: 400,
  stallMs: 400,
  leastBytes: 1024,
};
