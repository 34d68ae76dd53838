import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { liveTensors, noGrad, ones, scope, type Tensor } from "./index.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** How many tensors more are alive after `body`, and what it gave. */
function grown<T>(body: () => T): [number, T] {
  const before = liveTensors();
  const result = body();
  return [liveTensors() - before, result];
}

test("frees what its body made", () => {
  let inner: Tensor | undefined;
  const [more, sum] = grown(() =>
    scope(() => {
      inner = ones([3]);
      return inner.add(1).sum().item();
    }),
  );
  expect([more, sum, inner!.alive]).toEqual([0, 6, false]);
});

test("leaves what its body returns", () => {
  const [one, x] = grown(() => scope(() => ones([3]).add(1)));
  expect([one, x.toArray()]).toEqual([1, [2, 2, 2]]);
  const [many, nested] = grown(() =>
    scope(() => ({
      list: [ones([1]), [ones([2])]],
      map: new Map([["x", { deep: ones([3]) }]]),
      same: x,
      count: 3,
      none: null,
    })),
  );
  expect(many).toBe(3);
  expect((nested.list[0] as Tensor).alive && (nested.list[1] as Tensor[])[0]!.alive).toBe(true);
  expect(nested.map.get("x")!.deep.shape).toEqual([3]);
});

test("leaves what is kept, until it is freed", () => {
  let kept: Tensor | undefined;
  const [more] = grown(() =>
    scope(() => {
      kept = ones([2]).keep();
      ones([3]);
    }),
  );
  expect([more, kept!.alive]).toEqual([1, true]);
  kept!.free();
  expect(kept!.alive).toBe(false);
});

test("frees also when its body throws", () => {
  const [more] = grown(() =>
    expect(() =>
      scope(() => {
        ones([2]);
        throw new RangeError("mine");
      }),
    ).toThrow(new RangeError("mine")),
  );
  expect(more).toBe(0);
});

test("what an inner scope returns belongs to the outer one", () => {
  const [more] = grown(() =>
    scope(() => {
      const x = scope(() => [ones([2]), ones([3])]);
      const y = scope(() => scope(() => x[0]!.add(x[1]!.sum())));
      expect([x[0]!.alive, y.toArray()]).toEqual([true, [4, 4]]);
    }),
  );
  expect(more).toBe(0);
});

test("a tensor that was freed by hand is no trouble, nor freed twice", () => {
  const [more] = grown(() =>
    scope(() => {
      const x = ones([2]);
      x.free();
      x.free();
      ones([2]);
      return x;
    }),
  );
  expect(more).toBe(0);
});

test("returning what holds itself ends", () => {
  const ring: { self?: unknown; x?: Tensor } = {};
  const [more] = grown(() =>
    scope(() => {
      ring.x = ones([1]);
      ring.self = ring;
      return ring;
    }),
  );
  expect([more, ring.x!.alive]).toEqual([1, true]);
});

test("an asynchronous body is refused", () => {
  const [more] = grown(() =>
    expect(() => scope(async () => ones([2]))).toThrow(new TypeError("a scope's body must not be asynchronous")),
  );
  expect(more).toBe(0);
});

test("tensors outside of any scope are freed when they are garbage", async () => {
  const before = liveTensors();
  noGrad(() => {
    for (let i = 0; i < 100; i++) ones([10]);
  });
  expect(liveTensors() - before).toBe(100);
  for (let i = 0; i < 50 && liveTensors() > before; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(liveTensors()).toBeLessThanOrEqual(before);
});
