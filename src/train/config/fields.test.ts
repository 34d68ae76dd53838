import { expect, test } from "vitest";
import { conditionOf, defaultText, fieldAtPath, fieldOfFlag, fields, onlyWith } from "./fields.ts";

test("every setting has a flag of its own and a description", () => {
  const flags = fields.map(({ flag }) => flag);
  expect(new Set(flags).size).toBe(flags.length);
  expect(fields.filter(({ node }) => !node.description)).toEqual([]);
  expect(flags.filter((flag) => !/^[a-z][a-z0-9-]*$/.test(flag))).toEqual([]);
});

test("flags have OpenCLIP's names where they mean the same", () => {
  const openclip = [
    "train-data",
    "val-data",
    "model",
    "precision",
    "batch-size",
    "epochs",
    "lr",
    "beta1",
    "beta2",
    "eps",
  ];
  const more = ["wd", "warmup", "workers", "seed", "logs", "name", "resume", "save-frequency", "val-frequency"];
  const rest = ["log-every-n-steps", "grad-clip-norm", "lr-scheduler", "opt", "image-mean", "image-std"];
  const optim = ["momentum", "epochs-cooldown", "lr-cooldown-power", "lr-cooldown-end"];
  expect([...openclip, ...more, ...rest, ...optim].filter((flag) => fieldOfFlag(flag) === undefined)).toEqual([]);
});

test("a setting of some kinds of the loss knows them", () => {
  expect(onlyWith(fieldOfFlag("rho")!)).toEqual([
    { union: "loss", kinds: ["fastclip-v2", "fastclip-v3", "fastclip-robust"] },
  ]);
  expect(onlyWith(fieldOfFlag("gamma-min")!)).toEqual([
    {
      union: "loss",
      kinds: ["fastclip-v0", "fastclip-v1", "fastclip-v2", "fastclip-v3", "fastclip-global", "fastclip-robust"],
    },
    { union: "loss.gamma", kinds: ["cosine"] },
  ]);
  expect(onlyWith(fieldOfFlag("temperature")!)).toEqual([]);
  expect(onlyWith(fieldOfFlag("epochs")!)).toEqual([]);
});

test("what is said to be needed for a setting is needed in every way that it exists", () => {
  expect(conditionOf(fieldOfFlag("gamma-min")!)?.union).toBe("loss.gamma");
  // A learned temperature is a choice with fastclip-robust, but not with fastclip-v3.
  expect(conditionOf(fieldOfFlag("lr-tau-decay-at")!)).toEqual({
    union: "loss",
    kinds: ["fastclip-v3", "fastclip-global", "fastclip-robust"],
  });
  expect(conditionOf(fieldOfFlag("temperature")!)).toBeUndefined();
});

test("a default is told in words, by kind where kinds differ", () => {
  expect(defaultText(fieldOfFlag("batch-size")!)).toBe("64");
  expect(defaultText(fieldOfFlag("aug-scale")!)).toBe("0.9 1");
  expect(defaultText(fieldOfFlag("lr-tau")!)).toBe(
    "auto with openclip, siglip; 0.0002 with fastclip-v0, fastclip-v3, fastclip-global, fastclip-robust; 0.0133 with fastclip-v2",
  );
  expect(defaultText(fieldOfFlag("beta2")!)).toBe("0.98 with adamw, lamb; 0.99 with lion");
  expect(defaultText(fieldOfFlag("train-data")!)).toBeUndefined();
});

test("a path inside a setting finds the setting", () => {
  expect(fieldAtPath(["data", "aug", "scale", 1])?.flag).toBe("aug-scale");
  expect(fieldAtPath(["data", "aug"])).toBeUndefined();
});
