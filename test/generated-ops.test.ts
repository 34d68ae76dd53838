// src/tensor/ops.generated.ts is checked in; this fails when the engine's schemas or ops.txt say something else.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generateOps } from "../scripts/generate-ops/emit.ts";
import { parseSchema } from "../scripts/generate-ops/schema.ts";
import { native } from "../src/native/addon.ts";
import { packageRoot } from "../src/native/locate.ts";

const generatedFrom = "2.15."; // the torch that set-up installs

test.runIf(native.version().startsWith(generatedFrom))("the generated operators are those of this libtorch", () => {
  const text = generateOps((name, overload) => native.schema(name, overload));
  const checkedIn = readFileSync(join(packageRoot(), "src", "tensor", "ops.generated.ts"), "utf8");
  expect(checkedIn === text, "run `npm run generate`").toBe(true);
});

test(`every operator exists in this libtorch, ${native.version()}`, () => {
  const list = readFileSync(join(packageRoot(), "src", "tensor", "ops.txt"), "utf8");
  const names = [...list.matchAll(/aten::\w+(\.\w+)?/g)].map(([name]) => name.split("."));
  expect(names.length).toBeGreaterThan(100);
  for (const [name = "", overload = ""] of names) expect(native.operator(name, overload)).toBeGreaterThanOrEqual(0);
});

describe("schemas", () => {
  test("arguments have type, default and place", () => {
    const schema = parseSchema("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor");
    expect(schema.arguments).toEqual([
      { name: "self", type: "Tensor", optional: false, hasDefault: false, keywordOnly: false },
      { name: "other", type: "Tensor", optional: false, hasDefault: false, keywordOnly: false },
      { name: "alpha", type: "Scalar", optional: false, hasDefault: true, keywordOnly: true },
    ]);
    expect([schema.returns, schema.returnsSelf]).toEqual([["Tensor"], false]);
  });

  test("lists, optional types and symbolic sizes are bare", () => {
    const { arguments: args } = parseSchema(
      "aten::f(Tensor[] tensors, SymInt[2] size, int[1]? dim=None, SymInt[]? s=[0, 1], Tensor?[] indices) -> ()",
    );
    expect(args.map(({ name, type, optional }) => [name, type, optional])).toEqual([
      ["tensors", "Tensor[]", false],
      ["size", "int[]", false],
      ["dim", "int[]", true],
      ["s", "int[]", true],
      ["indices", "Tensor?[]", false],
    ]);
  });

  test("writing into the first argument is told from a view of it", () => {
    expect(parseSchema("aten::add_(Tensor(a!) self, Scalar other) -> Tensor(a!)").returnsSelf).toBe(true);
    expect(parseSchema("aten::view(Tensor(a) self, int[] size) -> Tensor(a)").returnsSelf).toBe(false);
    expect(parseSchema("aten::out(Tensor self, *, Tensor(a!) out) -> Tensor(a!)").returnsSelf).toBe(false);
    expect(parseSchema("aten::zero(Tensor(a!)[] self) -> ()")).toMatchObject({ returns: [], returnsSelf: false });
  });

  test("several results have their types without names", () => {
    const { returns } = parseSchema("aten::topk(Tensor self, int k) -> (Tensor values, Tensor indices)");
    expect(returns).toEqual(["Tensor", "Tensor"]);
    expect(parseSchema("aten::chunk(Tensor(a -> *) self, int chunks) -> Tensor(a)[]").returns).toEqual(["Tensor[]"]);
  });
});
