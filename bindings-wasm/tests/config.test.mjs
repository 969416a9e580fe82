// A live configuration of one page, on the module as it ships.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ready, Schema } from "../pkg/full/algebra.node.js";
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

test("a subscription is iterated, ended by a signal, and left with its block", async () => {
  const config = open([{ id: "base", value: { a: 1, deep: { list: [1] } } }]);
  const seen = [];
  const feed = config.subscribe("a");
  config.set("a", 2);
  config.set("b", 1);
  config.set("a", 3);
  for await (const { new: now } of feed) {
    seen.push(now);
    if (now === 3) break;
  }
  assert.deepEqual(seen, [2, 3]);
  await assert.rejects(feed[Symbol.asyncIterator]().next(), { code: "usage" });
  const stop = new AbortController();
  config.subscribe("a", ({ new: now }) => seen.push(now), { signal: stop.signal });
  config.subscribe("a", () => seen.push("never"), { signal: AbortSignal.abort() });
  config.set("a", 4);
  stop.abort();
  config.set("a", 5);
  config.subscribe("a", () => seen.push("never"))[Symbol.dispose ?? Symbol.for("nodejs.dispose")]();
  config.set("a", 6);
  assert.deepEqual(seen, [2, 3, 4]);
  const waiting = config.subscribe("a");
  const ended = (async () => { for await (const _ of waiting) assert.fail("nothing changes any more"); })();
  assert.equal(config.get("deep"), config.get("deep"), "the same object until something changes");
  config.set("deep.other", 1);
  assert.deepEqual(config.get("deep"), { list: [1], other: 1 });
  config.close();
  await ended;
  const slow = open([{ id: "base", value: {} }]);
  const late = slow.subscribe("n");
  for (let number = 0; number <= 10_000; number++) slow.set("n", number);
  const { value: first } = await late[Symbol.asyncIterator]().next();
  assert.equal(first.op, "lagged");
  slow.close();
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

test("a schema, profiles and references hold, as they do outside browsers", () => {
  const definition = { fields: { port: { type: "integer", min: 1, default: 80 }, url: "string" } };
  const text = '{"url": "http://${env:HOST}:${port}", "profiles": {"dev": {"port": 8080}}}';
  const given = { schema: definition, profiles: "dev", interpolate: { HOST: "h", GONE: undefined } };
  const config = open([{ id: "base", text, format: "json" }], given);
  assert.deepEqual(config.toObject(), { port: 8080, url: "http://h:8080" });
  assert.throws(() => config.set("port", 0), { code: "invalid", path: "port" });
  config.set("port", 81);
  assert.equal(config.get("url"), "http://h:81");
  assert.deepEqual(open([], { schema: new Schema(definition) }).toObject(), { port: 80 });
  assert.equal(open([{ id: "a", value: { b: "${c}", c: 1 } }], { interpolate: true }).get("b"), 1);
  assert.equal(open([{ id: "a", value: { b: "${c}", c: 1 } }], { interpolate: false }).get("b"), "${c}");
});

test("checks are asked before anything comes into force, and cannot stop the page", () => {
  let config;
  const asked = [];
  const schema = new Schema({ fields: { port: "integer" } }, { checks: {
    port: (port) => {
      asked.push(port);
      if (port === 13) throw new Error("unlucky");
      if (port === 14) config.set("other", 1);
      return port < 1024 ? "ports below 1024 are for root" : undefined;
    },
    "list.*": async () => true,
  } });
  assert.throws(() => open([{ id: "a", value: { port: 80 } }], { schema }), { code: "invalid", path: "port", message: /for root/ });
  config = open([{ id: "a", value: { port: 8080 } }], { schema });
  assert.deepEqual(config.toObject(), { port: 8080 });
  assert.throws(() => config.set("port", 22), { code: "invalid", path: "port" });
  assert.throws(() => config.set("port", 13), { message: /unlucky/ });
  assert.throws(() => config.set("port", 14), { message: /a check cannot write to the configuration that it checks/ });
  assert.throws(() => config.set("list", [1]), { path: "list.0", message: /async cannot be waited for/ });
  assert.throws(() => config.setLayer({ id: "a", value: { port: 1 } }), { message: /for root/ });
  assert.deepEqual(config.toObject(), { port: 8080 });
  config.set("port", 8081);
  assert.equal(config.get("port"), 8081);
  assert.equal(asked.filter((port) => port === 8081).length, 1, "nothing is asked twice");
});

test("a layer that the schema refuses throws, and comes into force once others make it valid", () => {
  const schema = { fields: { low: "integer", high: { type: "integer", min: 1 } } };
  assert.throws(() => open([{ id: "base", value: { high: 0 } }], { schema }), { code: "invalid", path: "high" });
  assert.throws(() => open([], { schema: { fields: { name: { type: "string", required: true } } } }), { code: "invalid" });
  const config = open([{ id: "base", value: { low: 1, high: 2 } }], { schema });
  const told = [];
  config.subscribe("*", ({ path, new: now }) => told.push([path, now]));
  assert.throws(() => config.setLayer({ id: "base", value: { low: 3, high: 0 } }), { code: "invalid", path: "high" });
  assert.deepEqual([config.toObject(), told], [{ low: 1, high: 2 }, []]);
  config.setLayer({ id: "over", priority: 1, value: { high: 5 } });
  assert.deepEqual(config.toObject(), { low: 3, high: 5 });
  assert.deepEqual(told, [["high", 5], ["low", 3]]);
});

test("what a page has not is refused with what takes its place", () => {
  for (const name of ["envPrefix", "sources", "watch", "dataDir"]) {
    const told = { code: "usage", message: `\`open\` has no option \`${name}\` in browsers`, hint: /layer|setLayer/i };
    assert.throws(() => open(layers(), { [name]: "x" }), told);
  }
  for (const interpolate of ["HOST", ["HOST"]]) {
    assert.throws(() => open(layers(), { interpolate }), { code: "usage", hint: /HOST/ });
  }
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
