import { expect, test } from "vitest";
import { commandWithout } from "./command.ts";

const flags = ["--nnodes", "--rdzv"];
const kept = (...words: string[]): string[] =>
  commandWithout(flags, { execArgv: ["--import", "tsx"], argv: ["/bin/node", "main.js", "train", ...words] });

test("the flags of the launcher go, in both spellings, and all else stays in its order", () => {
  const start = ["--import", "tsx", "main.js", "train"];
  expect(kept("--nnodes", "2", "--lr", "2", "--rdzv=a:1", "--train-data", "a b", "c")).toEqual([
    ...start,
    "--lr",
    "2",
    "--train-data",
    "a b",
    "c",
  ]);
  expect(kept("--train-data", "a", "--nnodes", "2")).toEqual([...start, "--train-data", "a"]);
  // The value of one flag may look like another's.
  expect(kept("--nnodes-more", "3", "--nnodes=--rdzv", "x")).toEqual([...start, "--nnodes-more", "3", "x"]);
});
