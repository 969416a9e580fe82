// Values and errors on their way in and out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonical, ConfmeshError, diff, merge, parse } from "../pkg/full/algebra.node.js";

test("integers of 64 bits survive both ways", () => {
  const text = '{"big":18446744073709551615,"low":-9223372036854775808,"safe":9007199254740991,"text":"9007199254740993"}';
  const value = parse(text);
  assert.deepEqual(value, {
    big: 18446744073709551615n, low: -9223372036854775808n, safe: 9007199254740991, text: "9007199254740993",
  });
  assert.equal(canonical(value), text);
  assert.equal(canonical([2n, 9007199254740993n]), "[2,9007199254740993]");
});

test("texts that look like the tags of big integers stay texts", () => {
  const value = { tags: ["#", "##1", "\"#9007199254740993\""], n: 9007199254740993n };
  assert.deepEqual(parse(canonical(value)), value);
});

test("layers with texts and with values mix, and a text that is none is refused", () => {
  const text = '{"half": 0.1234567890123456, "big": 9007199254740993, "a": "é😀"}';
  const layers = [{ id: "b", value: { a: 1, c: 2 } }, { id: "t", text, priority: 1 }, { id: "u", text: '{"d":3}' }];
  assert.deepEqual(merge(layers), { a: "é😀", big: 9007199254740993n, c: 2, d: 3, half: 0.1234567890123456 });
  for (const wrong of [5, null, "\ud800", '{"a": "\ud800"}']) {
    assert.throws(() => merge([...layers, { id: "w", text: wrong }]), ConfmeshError, String(wrong));
  }
});

test("a key named __proto__ is a key like any other", () => {
  const value = parse('{"__proto__": {"polluted": true}, "n": 9007199254740993}');
  assert.deepEqual(Object.keys(value).sort(), ["__proto__", "n"]);
  const merged = merge([{ id: "a", value }, { id: "b", value: { x: 1 } }]);
  assert.equal({}.polluted, undefined);
  assert.equal(merged.polluted, undefined);
  assert.equal(canonical(merged), '{"__proto__":{"polluted":true},"n":9007199254740993,"x":1}');
});

test("what is no configuration value is refused with its place", () => {
  for (const [value, path] of [
    [{ a: [1, NaN] }, "a.1"], [{ f: () => {} }, "f"], [{ m: new Map() }, "m"], [Infinity, ""], [undefined, ""],
    [{ s: Symbol("x") }, "s"],
  ]) {
    assert.throws(() => canonical(value), (error) => error.code === "type" && error.path === path, path);
  }
  const loop = {};
  loop.self = loop;
  assert.throws(() => canonical(loop), { code: "type" });
  assert.equal(canonical({ gone: undefined, kept: null }), '{"kept":null}');
});

test("errors carry code, place and hint", () => {
  assert.throws(() => parse('{"a": 1,}', "json", { source: "app.json" }), (error) => {
    assert.ok(error instanceof ConfmeshError && error instanceof Error);
    assert.deepEqual(error.origin, { source: "app.json", line: 1, column: 8 });
    assert.equal(error.code, "syntax");
    return true;
  });
  assert.throws(() => parse("a: 1", "yaml"), { code: "unknown_format" });
  assert.throws(() => merge([{ id: "a" }]), { code: "usage" });
  assert.deepEqual(diff({ a: 1 }, { a: 2 }), [{ op: "replace", path: "/a", value: 2 }]);
});
