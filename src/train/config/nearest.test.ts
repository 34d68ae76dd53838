import { expect, test } from "vitest";
import { nearest } from "./nearest.ts";

const keys = ["gamma", "gammaMin", "rho", "eps", "temperature"];

test.each([
  ["gama", "gamma"], // one letter missing
  ["gmama", "gamma"], // two letters swapped
  ["gamma_min", "gammaMin"], // one letter inserted; case does not count
  ["ro", "rho"],
  ["temprature", "temperature"],
])("%s was meant to be %s", (word, meant) => expect(nearest(word, keys)).toBe(meant));

test.each(["learningRate", "x", "", "g".repeat(5000)])("nothing is near %s", (word) =>
  expect(nearest(word, keys)).toBeUndefined(),
);
