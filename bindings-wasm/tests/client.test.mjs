// The client class, with the test playing the instance.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigWebSocketClient, ConfmeshError } from "../pkg/client.node.js";
import { named, scriptedWebSocket } from "./scripted.mjs";

const URL_ = "ws://127.0.0.1:8765/sync";

/** A client, the sockets that it opens, and its end when the test is over. */
function start(t, options = {}) {
  const script = scriptedWebSocket();
  const client = new ConfigWebSocketClient(URL_, { WebSocket: script.WebSocket, initialDelay: 1, maxDelay: 2, ...options });
  t.after(() => client.close());
  return { client, ...script };
}

async function live(t, value, options) {
  const all = start(t, options);
  const connected = all.client.connect();
  const socket = await all.next();
  await socket.serve(value);
  await connected;
  return { ...all, socket };
}

const once = (client, event) => new Promise((resolve) => client.on(event, resolve));

test("connecting resolves when the document has arrived", async (t) => {
  const { client, next } = start(t, { token: "cm_5ec4e7" });
  const connected = client.connect();
  const socket = await next();
  assert.equal(socket.url, URL_);
  assert.deepEqual(socket.protocols, ["confmesh", "confmesh.bearer.cm_5ec4e7"]);
  assert.throws(() => new ConfigWebSocketClient(URL_, { token: "s e" }), { code: "usage" });
  assert.equal(client.isLive, false);
  await socket.serve({ app: { rate: 100 }, big: 1 });
  await connected;
  assert.equal(client.isLive, true);
  assert.deepEqual(client.getConfig(), { app: { rate: 100 }, big: 1 });
  assert.equal(client.getConfig("app.rate"), 100);
  assert.equal(client.getConfig("app.none"), undefined);
  assert.match(client.hash, /^sha256:[0-9a-f]{64}$/);
  assert.equal((await socket.frame("config_request")).follow, true);
});

test("a failed first attempt rejects only where no retry is wanted", async (t) => {
  const { client, next } = start(t);
  const refused = client.connect({ retry: false });
  (await next()).close();
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof ConfmeshError);
    assert.equal(error.code, "unreachable");
    assert.match(error.message, /127\.0\.0\.1:8765/);
    assert.match(error.hint, /confmesh serve/);
    return true;
  });
  const errors = [];
  client.on("error", (error, { retryIn }) => errors.push([error.code, retryIn > 0]));
  const connected = client.connect();
  (await next()).close();
  await (await next()).serve({ a: 1 });
  await connected;
  assert.deepEqual(errors, [["unreachable", true]]);
});

test("changes are told key by key, by the patterns that were asked for", async (t) => {
  const { client, socket } = await live(t, { app: { a: 1, b: 2 }, x: 1 });
  const told = [];
  client.on("config_changed", ({ key, oldValue, newValue, eventType }) => told.push([key, oldValue, newValue, eventType]));
  socket.update(1, [{ path: "app.a", op: "changed", old: 1, new: 5 }, { path: "n", op: "added", new: { k: true, l: [] } }]);
  assert.deepEqual(told.splice(0), [
    ["app.a", 1, 5, "config_changed"], ["n.k", undefined, true, "config_changed"], ["n.l", undefined, [], "config_changed"],
  ]);
  client.subscribe(["app.*"]);
  socket.update(2, [{ path: "x", op: "changed", old: 1, new: 2 }, { path: "app.b", op: "removed", old: 2 }]);
  assert.deepEqual(told.splice(0), [["app.b", 2, undefined, "config_deleted"]]);
  client.subscribe("x");
  client.unsubscribe("app.*");
  socket.update(3, [{ path: "x", op: "changed", old: 2, new: 3 }, { path: "app.a", op: "changed", old: 5, new: 6 }]);
  assert.deepEqual(told.splice(0), [["x", 2, 3, "config_changed"]]);
  client.unsubscribe();
  socket.update(4, [{ path: "x", op: "changed", old: 3, new: 4 }]);
  assert.deepEqual(told, []);
  assert.deepEqual(client.getConfig(), { app: { a: 6 }, n: { k: true, l: [] }, x: 4 });
  assert.throws(() => client.subscribe("a..b"), ConfmeshError);
});

test("an edit shows at once and resolves to its receipt", async (t) => {
  const { client, socket } = await live(t, { app: { rate: 100 } });
  const written = client.setConfig("app.rate", 200n);
  const ask = await socket.frame("config_change");
  assert.deepEqual([ask.config_key, ask.new_value], ["app.rate", 200]);
  assert.equal(client.getConfig("app.rate"), 200);
  assert.equal(client.pendingWrites, 1);
  socket.update(1, [{ path: "app.rate", op: "changed", old: 100, new: 200 }]);
  socket.tell({ type: "config_change_response", config_key: "app.rate", success: true, version: 2, request_id: ask.request_id });
  const receipt = await written;
  assert.deepEqual([receipt.changed, receipt.shadowedBy, client.pendingWrites], [["app.rate"], undefined, 0]);
  assert.match(receipt.digest, /^digest:[0-9a-f]{32}$/);
});

test("a refused edit rejects with the reason and is taken back", async (t) => {
  const { client, socket } = await live(t, { rate: 100 });
  const refused = client.setConfig("rate", "x");
  const ask = await socket.frame("config_change");
  socket.tell({
    type: "config_change_response", config_key: "rate", success: false, error: "`rate` is a number", code: "invalid",
    hint: "give a number", request_id: ask.request_id,
  });
  await assert.rejects(refused, { code: "invalid", message: "`rate` is a number", hint: "give a number" });
  assert.equal(client.getConfig("rate"), 100);
  await assert.rejects(client.setConfig("a..b", 1), { code: "path_syntax" });
  await assert.rejects(client.setConfig("a", NaN), { code: "type" });
});

test("an edit that a higher source hides says which", async (t) => {
  const { client, socket } = await live(t, { rate: 100 });
  const written = client.unsetConfig("rate");
  const ask = await socket.frame("config_change");
  assert.equal(ask.remove, true);
  socket.tell({
    type: "config_change_response", config_key: "rate", success: true, version: 1, shadowed_by: "env:DEMO",
    request_id: ask.request_id,
  });
  assert.equal((await written).shadowedBy, "env:DEMO");
  assert.equal(client.getConfig("rate"), 100);
});

test("a lost connection is told, and edits made meanwhile are sent on the next one, once", async (t) => {
  const { client, socket, next, sockets } = await live(t, { a: 1, b: 1 });
  const states = [];
  client.on("connected", () => states.push("connected")).on("disconnected", () => states.push("disconnected"));
  const unanswered = client.setConfig("a", 2);
  const first = await socket.frame("config_change");
  socket.close();
  assert.equal(client.isLive, false);
  const offline = client.setConfig("b", 3);
  assert.deepEqual(client.getConfig(), { a: 2, b: 3 });

  const second = await next();
  const connected = once(client, "connected");
  await second.serve({ a: 1, b: 1, c: 1 }, 7);
  await connected;
  assert.deepEqual(states, ["disconnected", "connected"]);
  const asks = [await second.frame("config_change"), await second.frame("config_change", 1)];
  assert.deepEqual(asks.map((ask) => [ask.config_key, ask.new_value]), [["a", 2], ["b", 3]]);
  assert.equal(asks[0].request_id, first.request_id, "the host tells a repeated edit by its id");
  assert.deepEqual(client.getConfig(), { a: 2, b: 3, c: 1 });
  second.update(7, [{ path: "a", op: "changed", old: 1, new: 2 }, { path: "b", op: "changed", old: 1, new: 3 }]);
  for (const { config_key, request_id } of asks) {
    second.tell({ type: "config_change_response", config_key, success: true, version: 8, request_id });
  }
  await Promise.all([unanswered, offline]);
  assert.equal(second.sent.filter(({ type }) => type === "config_change").length, 2);
  assert.equal(sockets.length, 2);
});

test("edits made before the first connection are sent on it", async (t) => {
  const { client, next } = start(t);
  const early = client.setConfig("a", 1);
  client.connect();
  const socket = await next();
  await socket.serve({});
  const ask = await socket.frame("config_change");
  assert.equal(socket.sent.filter(({ type }) => type === "config_change").length, 1);
  socket.tell({ type: "config_change_response", config_key: "a", success: true, version: 2, request_id: ask.request_id });
  await early;
});

test("connecting again while waiting tries at once", async (t) => {
  const { client, socket, next } = await live(t, { a: 1 }, { initialDelay: 3_600_000, maxDelay: 3_600_000 });
  socket.close();
  const again = client.connect();
  await (await next()).serve({ a: 2 });
  await again;
  assert.equal(client.getConfig("a"), 2);
});

test("handlers may leave while they are called, and a failing one harms nobody", async (t) => {
  const { client, socket } = await live(t, { a: 1 });
  const calls = [];
  t.mock.method(console, "error", () => calls.push("reported"));
  const last = () => calls.push("last");
  const first = () => {
    calls.push("first");
    client.off("config_changed", first).off("config_changed", gone);
  };
  const gone = () => calls.push("gone");
  const failing = () => {
    throw new Error("of a handler");
  };
  for (const handler of [first, gone, failing, last]) client.on("config_changed", handler);
  socket.update(1, [{ path: "a", op: "changed", old: 1, new: 2 }]);
  socket.update(2, [{ path: "a", op: "changed", old: 2, new: 3 }]);
  assert.deepEqual(calls, ["first", "reported", "last", "reported", "last"]);
  assert.throws(() => client.on("__proto__", last), { code: "usage" });
});

test("a missed change is asked for again", async (t) => {
  const { client, socket } = await live(t, { a: 1 });
  socket.update(5, [{ path: "a", op: "changed", old: 8, new: 9 }]);
  await socket.frame("config_request", 1);
  socket.tell({ type: "config_response", ...named, version: 6, config_hash: "", config_data: { a: 9 } });
  assert.equal(client.getConfig("a"), 9);
});

test("bad frames change nothing and keep the connection", async (t) => {
  const { client, socket } = await live(t, { a: 1 });
  socket.dispatchEvent(Object.assign(new Event("message"), { data: "{nonsense" }));
  socket.tell({ type: "no_such_type" });
  socket.update(1, [{ path: "__proto__.polluted", op: "added", new: true }]);
  assert.equal({}.polluted, undefined);
  assert.deepEqual(Object.keys(client.getConfig()).sort(), ["__proto__", "a"]);
  assert.equal(client.isLive, true);
});

test("an integer of 64 bits arrives and leaves whole", async (t) => {
  const { client, socket } = await live(t, {});
  const frame = `{"v":1,"type":"config_update","name":"default","base_version":1,"version":2,"config_hash":"",
    "changes":[{"path":"n","op":"added","new":18446744073709551615}]}`;
  const told = once(client, "config_changed");
  socket.dispatchEvent(Object.assign(new Event("message"), { data: frame }));
  assert.equal((await told).newValue, 18446744073709551615n);
  assert.equal(client.configText("n"), "18446744073709551615");
  const frames = [];
  socket.send = (text) => frames.push(text);
  client.setConfig("m", 9007199254740993n).catch(() => {});
  assert.ok(await until(() => frames.some((text) => text.includes('"new_value":9007199254740993,'))), frames.join());
});

test("reading again gives what is there now, and nothing that another reader changed", async (t) => {
  const { client, socket } = await live(t, { a: 1, l: [1] });
  assert.deepEqual([client.getConfig("a"), client.getConfig("a"), client.getConfig("gone")], [1, 1, undefined]);
  client.getConfig("l").push(2);
  assert.deepEqual(client.getConfig("l"), [1]);
  const seen = [];
  client.on("config_changed", () => seen.push(client.getConfig("a")));
  socket.update(1, [{ path: "a", op: "changed", old: 1, new: 2 }]);
  assert.deepEqual([...seen, client.getConfig("a")], [2, 2]);
  client.setConfig("a", 3).catch(() => {});
  assert.equal(client.getConfig("a"), 3);
  socket.update(2, [{ path: "gone", op: "added", new: true }]);
  assert.equal(client.getConfig("gone"), true);
});

test("closing rejects what has no answer and ends reconnecting", async (t) => {
  const { client, socket, sockets } = await live(t, { a: 1 });
  const open = client.setConfig("a", 2);
  await socket.frame("config_change");
  client.close();
  client.close();
  await assert.rejects(open, { code: "closed" });
  await assert.rejects(client.connect(), { code: "closed" });
  await assert.rejects(client.setConfig("a", 1), { code: "closed" });
  assert.deepEqual([sockets.length, client.isLive, client.getConfig()], [1, false, undefined]);
});

test("what cannot work is said when the client is made", () => {
  const { WebSocket } = scriptedWebSocket();
  assert.throws(() => new ConfigWebSocketClient("ftp://x", { WebSocket }), { code: "usage" });
  assert.throws(() => new ConfigWebSocketClient("nonsense", { WebSocket }), { code: "usage" });
  if (globalThis.WebSocket === undefined) {
    assert.throws(() => new ConfigWebSocketClient(URL_), (error) => error.code === "usage" && /Node 22/.test(error.hint));
  }
});

/** True as soon as `holds` is, after at most a few turns of the loop. */
async function until(holds) {
  for (let turn = 0; turn < 100 && !holds(); turn++) await new Promise(setImmediate);
  return holds();
}
