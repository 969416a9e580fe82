// What the client class shows of itself, how it reconnects, and what it does beside following a document.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bindElements, ConfigWebSocketClient, ConfmeshError } from "../pkg/client.node.js";
import { scriptedWebSocket } from "./scripted.mjs";

const ADDRESS = "ws://127.0.0.1:8765/sync";

function start(t, options = {}) {
  const script = scriptedWebSocket();
  const client = new ConfigWebSocketClient(ADDRESS, { WebSocket: script.WebSocket, initialDelay: 1, maxDelay: 2, ...options });
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

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

test("a client shows its address, socket, connection, patterns and handlers", async (t) => {
  const { client, next } = start(t);
  const none = [client.url, client.ws, client.connectionId, client.subscriptions.size, client.reconnectAttempts, client.maxReconnectAttempts];
  assert.deepEqual(none, [ADDRESS, null, null, 0, 0, Infinity]);
  const states = [];
  const hear = (state) => states.push(state);
  client.on("connected", hear).on("connected", hear);
  const connected = client.connect();
  const socket = await next();
  assert.equal(client.ws, socket);
  await socket.serve({ a: 1 });
  await connected;
  client.subscribe(["app.*", "b"]);
  client.subscribe("b");
  assert.deepEqual([client.connectionId, [...client.subscriptions]], ["ws_1", ["app.*", "b"]]);
  assert.deepEqual(states, [{ revision: client.revision, connectionId: "ws_1" }, states[0]]);
  assert.deepEqual(client.eventHandlers.get("connected"), [hear, hear]);
  client.eventHandlers.get("connected").pop();
  client.subscriptions.add("x");
  assert.deepEqual([client.eventHandlers.get("connected").length, client.subscriptions.size], [2, 2]);
  socket.close();
  assert.equal(client.connectionId, null);
});

test("reconnections wait 1, 2, 4, 8 and 16 seconds, and begin again once the document has arrived", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, next } = start(t, { initialDelay: 1_000, maxDelay: 30_000, jitter: false });
  const waits = [];
  client.on("error", (_, state) => waits.push(state?.retryIn));
  const connected = client.connect();
  const fail = async () => {
    (await next()).close();
    await turns();
    t.mock.timers.tick(waits.at(-1) - 1);
    await turns();
    const before = client.ws;
    t.mock.timers.tick(1);
    assert.equal(before, null, "not before its time");
  };
  for (let failure = 0; failure < 6; failure++) await fail();
  assert.deepEqual(waits.splice(0), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  assert.equal(client.reconnectAttempts, 6);
  const socket = await next();
  await socket.serve({});
  await connected;
  assert.equal(client.reconnectAttempts, 0);
  socket.close();
  await turns();
  assert.deepEqual(waits, [1_000]);
});

test("waits are spread where nothing else is said, so that pages do not come back all at once", async (t) => {
  const waits = new Set();
  for (let page = 0; page < 8; page++) {
    const { client, next } = start(t, { initialDelay: 1_000_000, maxDelay: 1_000_000 });
    const failed = new Promise((resolve) => client.on("error", (_, { retryIn }) => resolve(retryIn)));
    client.connect();
    (await next()).close();
    waits.add(await failed);
  }
  assert.ok(waits.size > 1 && Math.max(...waits) <= 1_000_000, [...waits].join());
});

test("attempts may have an end, after which connecting begins anew and sends what was kept", async (t) => {
  const { client, next, sockets } = start(t, { maxReconnectAttempts: 2 });
  const errors = [];
  client.on("error", (error, state) => errors.push([error.code, state !== undefined]));
  const connected = client.connect();
  for (let attempt = 0; attempt < 3; attempt++) (await next()).close();
  await assert.rejects(connected, (error) => error.code === "unreachable" && /gave up after 2 attempts/.test(error.message) && /connect/.test(error.hint));
  assert.deepEqual(errors, [["unreachable", true], ["unreachable", true], ["unreachable", false]]);
  client.setConfig("a", 1).catch(() => {});
  await turns();
  assert.equal(sockets.length, 3);
  const again = client.connect();
  const socket = await next();
  await socket.serve({});
  await again;
  assert.equal((await socket.frame("config_change")).config_key, "a");
});

test("locks of others and errors of the instance are events", async (t) => {
  const { client, socket } = await live(t, { text: "{\"type\":\"error\"}" });
  const told = [];
  for (const event of ["config_locked", "config_unlocked"]) client.on(event, (lock) => told.push([event, lock]));
  client.on("error", (error) => told.push(["error", error instanceof ConfmeshError, error.code, error.message, error.hint]));
  const lock = { name: "default", config_key: "app.**", user_id: "deploy", token: "9007199254740993" };
  socket.tell({ type: "config_locked", ...lock });
  socket.tell({ type: "config_unlocked", ...lock });
  socket.tell({ type: "error", message: "no such thing", code: "usage", hint: "ask otherwise" });
  const seen = { key: "app.**", holder: "deploy", token: "9007199254740993" };
  assert.deepEqual(told, [
    ["config_locked", seen], ["config_unlocked", seen], ["error", true, "usage", "no such thing", "ask otherwise"],
  ]);
  socket.update(1, [{ path: "text", op: "changed", old: "", new: '"type":"config_locked"' }]);
  assert.equal(client.getConfig("text"), '"type":"config_locked"', "a value is no frame");
});

test("a person is named with an edit", async (t) => {
  const { client, socket } = await live(t, {});
  client.setConfig("a", 1, "ada").catch(() => {});
  client.unsetConfig("b", "ben").catch(() => {});
  client.patchConfig([{ op: "add", path: "/c", value: 1 }], "cleo").catch(() => {});
  client.setConfig("d", 1).catch(() => {});
  const users = await Promise.all([0, 1, 2, 3].map(async (nth) => (await socket.frame("config_change", nth)).user_id));
  assert.deepEqual(users, ["ada", "ben", "cleo", undefined]);
  assert.match((await socket.frame("config_change")).timestamp, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("a receipt names nothing where nothing changed", async (t) => {
  const { client, socket } = await live(t, { a: 1 });
  const written = client.setConfig("a", 1);
  const { request_id } = await socket.frame("config_change");
  socket.tell({ type: "config_change_response", config_key: "a", success: true, version: 1, unchanged: true, request_id });
  assert.deepEqual((await written).changed, []);
});

test("an object of the program follows the document and holds its maps", async (t) => {
  const store = { app: 0, kept: { own: true }, list: [1, { a: 1 }] };
  const { client, socket } = await live(t, { app: { a: 1 } }, { store });
  assert.deepEqual(store, { app: { a: 1 }, kept: { own: true }, list: [1, { a: 1 }] });
  const seen = [];
  client.on("config_changed", ({ key }) => seen.push(`${key} ${store.x?.y?.z}`));
  socket.update(1, [{ path: "x", op: "added", new: { y: { z: 5 } } }, { path: "app.a", op: "removed", old: 1 }]);
  assert.deepEqual(seen, ["app.a 5", "x.y.z 5"]);
  assert.deepEqual(store.x, { y: { z: 5 } });
  assert.equal("a" in store.app, false);
  client.updateLocalConfig("own.deep.key", [1]);
  assert.deepEqual(store.own, { deep: { key: [1] } });
  client.updateLocalConfig("own.deep.key", undefined);
  assert.deepEqual(store.own, { deep: {} });
});

test("items of lists follow as the list that the document has", async (t) => {
  const store = {};
  const { socket } = await live(t, { list: [{ a: 1 }, { a: 2 }] }, { store });
  assert.deepEqual(store, { list: [{ a: 1 }, { a: 2 }] });
  socket.update(1, [{ path: "list.1.a", op: "changed", old: 2, new: 3 }]);
  assert.deepEqual(store, { list: [{ a: 1 }, { a: 3 }] });
});

test("no path reaches what all objects share, and what stands above a key is not overwritten", async (t) => {
  const store = { number: 0, text: "", nothing: null };
  const { client, socket } = await live(t, {}, { store });
  for (const path of ["__proto__.polluted", "constructor.prototype.polluted", "a.__proto__.polluted", "prototype.x"]) {
    assert.throws(() => client.updateLocalConfig(path, true), (error) => error.code === "invalid" && error.path === path, path);
  }
  for (const path of ["number.x", "text.x", "nothing.x"]) assert.throws(() => client.updateLocalConfig(path, 1), { code: "type" }, path);
  assert.throws(() => client.updateLocalConfig("", 1), ConfmeshError);
  assert.deepEqual(store, { number: 0, text: "", nothing: null });
  const errors = [];
  client.on("error", ({ code }) => errors.push(code));
  socket.update(1, [{ path: "__proto__.polluted", op: "added", new: true }, { path: "constructor.prototype.polluted", op: "added", new: true }]);
  assert.deepEqual([{}.polluted, Object.keys(store), errors], [undefined, ["number", "text", "nothing"], ["invalid", "invalid"]]);
});

test("an address holds no token, and what needs a page or a browser says so", (t) => {
  const { WebSocket } = scriptedWebSocket();
  for (const address of ["ws://h/sync?token=t0k3n", "ws://ada:t0k3n@h/sync", "ws://h/sync?access_token=t0k3n"]) {
    const hides = (error) => error.code === "usage" && !String(error.message + error.hint).includes("t0k3n");
    assert.throws(() => new ConfigWebSocketClient(address, { WebSocket }), hides, address);
  }
  const { client } = start(t);
  client.updateUI("a", 1);
  assert.throws(() => bindElements(client), { code: "usage" });
  assert.throws(() => bindElements({}, { root: { querySelectorAll() {} } }), { code: "usage" });
  assert.throws(() => new ConfigWebSocketClient(ADDRESS, { WebSocket, keepEdits: true }), (error) => /indexedDB/.test(error.message));
});
