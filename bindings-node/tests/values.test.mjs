// JavaScript values to documents and back, and the fields of what is thrown.
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonical, ConfmeshError, hash, merge, mergePatch, parse } from "confmesh";

const roundTrip = (value) => mergePatch(null, value);

test("values come back as they went", () => {
  for (const value of [null, true, 0, -1, 0.1, 1e300, "", "größe 😀", [], {}, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 64n - 1n,
    { a: [1, { b: [null, "x#1", 2n ** 63n] }], __proto__x: 1 },
    1e20]) {
    assert.deepEqual(roundTrip(value), value);
  }
  assert.deepEqual(roundTrip(Object.assign(Object.create(null), { k: 1 })), { k: 1 });
  assert.equal(roundTrip(5n), 5);
  assert.equal(canonical([1.0, -0, 9007199254740993n]), "[1,0,9007199254740993]");
});

test("what no document can hold is refused with its path", () => {
  const cycle = [];
  cycle.push(cycle);
  const cases = [
    [undefined, "type"], [NaN, "number_range"], [Infinity, "number_range"], [2n ** 64n, "number_range"], [() => 1, "type"],
    [Symbol("s"), "type"], [new Date(0), "type"], [new Map(), "type"], [new Set(), "type"], [new Uint8Array(1), "type"],
    [/x/, "type"], ["\ud800", "invalid"], [new (class Strange {})(), "type"],
  ];
  for (const [value, code] of cases) {
    assert.throws(() => hash({ a: [0, value] }), { name: "ConfmeshError", code, path: "a.1" }, String(code));
  }
  assert.throws(() => canonical(cycle), { code: "too_large" });
  let deep = 0;
  for (let level = 0; level < 128; level++) deep = [deep];
  assert.deepEqual(roundTrip(deep), deep);
  assert.throws(() => canonical([deep]), { code: "too_large" });
});

test("errors carry all fields", () => {
  assert.throws(() => parse('{\n  "a": 1,\n  "a": 2\n}', "json", { source: "app.json" }), (error) => {
    assert.ok(error instanceof ConfmeshError && error instanceof Error);
    assert.equal(error.name, "ConfmeshError");
    assert.equal(error.code, "duplicate_key");
    assert.deepEqual(error.origin, { source: "app.json", line: 3, column: 3 });
    assert.deepEqual(error.related, []);
    return true;
  });
  assert.throws(() => merge([{ value: {} }]), { code: "usage", hint: /fields are/ });
  assert.throws(() => parse(7), { name: "ConfmeshError", code: "usage" });
});
