// A live configuration of one page, on the module as it ships.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ready } from "../pkg/full/algebra.node.js";
import { open } from "../pkg/full/config.js";

await ready();

const layers = () => [
  { id: "base", priority: 30, text: '{\n  "rate_limit": 100,\n  "features": { "beta": false }\n}', format: "json" },
  { id: "page", priority: 10, value: { rate_limit: 200 } },
];

test("layers are merged, explained and overridden by what the page sets", () => {
  const config = open(layers());
  assert.equal(config.get("rate_limit"), 200);
  const { winner, others } = config.explain("rate_limit");
  assert.deepEqual([winner.source, others[0].origin.line], ["page", 2]);
  const receipt = config.set("rate_limit", 300);
  assert.deepEqual([receipt.changed, config.get("rate_limit")], [["rate_limit"], 300]);
  assert.equal(config.provenance.rate_limit, "runtime");
  config.unset("rate_limit");
  assert.deepEqual(config.toObject(), { rate_limit: 200, features: { beta: false } });
});

test("subscribers are told what matches, also when a layer is replaced", () => {
  const config = open(layers());
  const told = [];
  const subscription = config.subscribe("features.*", ({ path, old, new: now, cause }) => told.push([path, old, now, cause]));
  config.set("rate_limit", 1);
  config.setLayer({ id: "base", priority: 30, value: { rate_limit: 100, features: { beta: true, dark: 1 } } });
  assert.deepEqual(told, [["features.beta", false, true, "base"], ["features.dark", undefined, 1, "base"]]);
  subscription.close();
  config.set("features.beta", false);
  assert.equal(told.length, 2);
});

test("a subscription may end itself while it is told", () => {
  const config = open(layers());
  const told = [];
  const subscription = config.subscribe("*", ({ path }) => {
    told.push(path);
    subscription.close();
  });
  config.set("features", { beta: true, gamma: 1 });
  assert.equal(told.length, 1);
});

test("documents are frozen and stay the same object until something changes", () => {
  const config = open(layers());
  const before = config.toObject();
  assert.equal(config.toObject(), before);
  assert.throws(() => { before.features.beta = true; }, TypeError);
  config.set("rate_limit", 5);
  assert.notEqual(config.toObject(), before);
});

test("what cannot be opened, set or explained is an error with a code", () => {
  const code = (wanted) => (error) => error.name === "ConfmeshError" && error.code === wanted;
  assert.throws(() => open(["config.json"]), code("usage"));
  assert.throws(() => open([{ id: "broken", text: "{" }]), code("syntax"));
  const config = open(layers());
  assert.throws(() => config.set("a..b", 1), code("path_syntax"));
  assert.throws(() => config.explain("nowhere"), code("not_found"));
  assert.throws(() => config.subscribe("", () => {}), code("pattern_syntax"));
  config.close();
  assert.throws(() => config.set("a", 1), code("closed"));
  assert.equal(config.get("rate_limit"), 200);
});
