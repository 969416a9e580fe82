// A misspelt option is an error that names the nearest one, in Node and in browsers.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as node from "confmesh";
import { ConfigWebSocketClient, ready } from "confmesh/client";
import * as browser from "./node_modules/confmesh/browser.js";
import * as browserReplica from "./node_modules/confmesh/wasm/replica/replica.node.js";
import { readFileSync } from "node:fs";

const file = join(mkdtempSync(join(tmpdir(), "confmesh-")), "app.json");
writeFileSync(file, '{"a": 1}');
await ready();
await browser.ready(readFileSync(new URL("./node_modules/confmesh/wasm/full/confmesh_wasm_bg.wasm", import.meta.url)));
if (browserReplica.ready) await browserReplica.ready();

const told = (message, hint) => ({ code: "usage", message, hint });
const layers = [{ id: "base", value: { a: 1 } }];

for (const [name, { merge, explain, mergeWithProvenance, parse, Schema }] of [["Node", node], ["browsers", browser]]) {
  test(`functions refuse options that they do not have in ${name}`, () => {
    assert.throws(() => merge(layers, { profile: "x" }), told("`merge` has no option `profile`", "did you mean `profiles`?"));
    assert.throws(() => mergeWithProvenance(layers, { rule: [] }), told("`merge` has no option `rule`", "did you mean `rules`?"));
    assert.throws(() => explain(layers, "a", { shcema: null }), told("`explain` has no option `shcema`", "did you mean `schema`?"));
    assert.throws(() => merge(layers, { zzz: 1 }), told("`merge` has no option `zzz`", "the options are `rules`, `schema`, `profiles`, `interpolate`, `invalidVariables`"));
    assert.throws(() => merge(layers, "rules"), told("the options of `merge` are an object, not `string`"));
    assert.throws(() => parse("1", "json", { sorce: "x" }), told("`parse` has no option `sorce`", "did you mean `source`?"));
    assert.throws(() => new Schema({ fields: {} }, { check: {} }), told("`Schema` has no option `check`", "did you mean `checks`?"));
    assert.throws(() => new Schema({ fields: {} }).reference("human", { env_only: true }), told("`reference` has no option `env_only`", "did you mean `envOnly`?"));
    assert.throws(() => new Schema({ fields: {} }).validateText("1", "json", { file: "x" }), { code: "usage" });
    assert.deepEqual([merge(layers, null), merge(layers, undefined), merge(layers, {})], [{ a: 1 }, { a: 1 }, { a: 1 }]);
  });
}

test("a configuration of one process refuses options of writes, which would mean nothing", () => {
  const here = node.open(file);
  const page = browser.open(layers);
  const hint = "a configuration of one process has no versions, locks or history: these are options of `Mesh`";
  for (const config of [here, page]) {
    for (const option of ["message", "ifVersion", "fence", "force", "user", "rule"]) {
      assert.throws(() => config.set("a", 5, { [option]: 1 }), told(`\`set\` of a configuration has no option \`${option}\``, hint));
      assert.throws(() => config.unset("a", { [option]: 1 }), { code: "usage" });
    }
    assert.throws(() => config.set("a", 5, "message"), { code: "usage" });
    assert.equal(config.get("a"), 1);
    config.set("a", 2, {});
    config.unset("a", undefined);
    config.close?.();
  }
});

test("running configurations refuse options that they do not have", async () => {
  for (const wrong of ["envprefix", "env_prefix", "envPrefx"]) {
    assert.throws(() => node.open(file, { [wrong]: "APP" }), told(`\`open\` has no option \`${wrong}\``, "did you mean `envPrefix`?"));
  }
  await assert.rejects(node.Mesh.start({ peer: ["ws://h:1"] }), told("`Mesh` has no option `peer`", "did you mean `peers`?"));
  assert.throws(() => new node.Mesh({ data_dir: "x" }), told("`Mesh` has no option `data_dir`", "did you mean `dataDir`?"));
  const config = node.open(file);
  assert.throws(() => config.subscribe("a", () => {}, { singal: null }), told("`subscribe` has no option `singal`", "did you mean `signal`?"));
  assert.throws(() => config.subscribe("a", { signal: null }), { code: "usage", hint: "leave it out to iterate with `for await`" });
  assert.throws(() => config.reports(null, { x: 1 }), { code: "usage" });
  config.close();
  const mesh = await node.Mesh.start();
  await assert.rejects(mesh.set("a", 1, { ifversion: "none" }), told("`set` has no option `ifversion`", "did you mean `ifVersion`?"));
  await assert.rejects(mesh.unset("a", { forced: true }), told("`unset` has no option `forced`", "did you mean `force`?"));
  await assert.rejects(mesh.conflicts({ al: true }), { hint: "did you mean `all`?" });
  await assert.rejects(mesh.patch([], { if_hash: "x" }), { hint: "did you mean `ifHash`?" });
  await assert.rejects(mesh.mergePatch({}, { hash: "x" }), { code: "usage" });
  await assert.rejects(mesh.replace({}, { ifhash: "x" }), { hint: "did you mean `ifHash`?" });
  await assert.rejects(mesh.resolve("x", { kepp: true }), { hint: "did you mean `keep`?" });
  await mesh.close();
});

for (const [name, { Replica }] of [["Node", node], ["browsers", browserReplica]]) {
  test(`replicas refuse options that they do not have in ${name}`, () => {
    assert.throws(() => new Replica(null, { genesys: new Uint8Array(16) }), told("`Replica` has no option `genesys`", "did you mean `genesis`?"));
    const replica = new Replica();
    assert.throws(() => replica.set("a", 1, { wallms: 1 }), told("`set` has no option `wallms`", "did you mean `wallMs`?"));
    assert.throws(() => replica.unset("a", { version: 1 }), { code: "usage" });
    assert.throws(() => replica.resolve("a", 1, { wall: 1 }), { code: "usage" });
    assert.throws(() => replica.fork({ ids: 1 }), { hint: "did you mean `id`?" });
    assert.throws(() => Replica.load(replica.save(), null, { ids: 1 }), { hint: "did you mean `id`?" });
    assert.equal(replica.set("a", 1, { wallMs: 1 }), true);
  });
}

test("what a page opens and follows refuses options that it does not have, also before the module is there", async () => {
  assert.throws(() => browser.open(layers, { rulez: [] }), told("`open` has no option `rulez`", "did you mean `rules`?"));
  const config = browser.open(layers);
  assert.equal(config.get("nothing", 7), 7);
  assert.equal(JSON.stringify(config), '{"a":1}');
  assert.throws(() => config.subscribe("a", 5), { code: "usage", hint: /for await/ });
  assert.throws(() => config.subscribe("a", () => {}, { singal: null }), told("`subscribe` has no option `singal`", "did you mean `signal`?"));
  class WebSocket {}
  const wrong = () => new ConfigWebSocketClient("ws://127.0.0.1:1/sync", { WebSocket, maxdelay: 1 });
  assert.throws(wrong, told("`ConfigWebSocketClient` has no option `maxdelay`", "did you mean `maxDelay`?"));
  const client = new ConfigWebSocketClient("ws://127.0.0.1:1/sync", { WebSocket });
  await assert.rejects(client.connect({ retrys: false }), told("`connect` has no option `retrys`", "did you mean `retry`?"));
  client.close();
});
