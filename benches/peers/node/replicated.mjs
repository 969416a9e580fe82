// A replicated document of nested maps in Node, beside loro, yjs and automerge: the scenario of `benches/replicated`.
//
// 16 groups of 8 services hold text values. Two replicas write KEYS (10000) distinct keys in turns, each write a transaction
// of its own, then sync, write single keys into the full document, send single writes one by one, and save and load. Medians
// of ROUNDS (5) in processor time; in brackets the median of the ratios to loro, round by round. `module` is confmesh in
// WebAssembly.
import assert from "node:assert/strict";
import * as automerge from "@automerge/automerge";
import { Replica } from "confmesh";
import { LoroDoc, LoroMap } from "loro-crdt";
import * as yjs from "yjs";
import { median } from "./timing.mjs";

const browser = await import(new URL("wasm/replica/replica.node.js", import.meta.resolve("confmesh/package.json")));

const KEYS = Number(process.env.KEYS ?? 10_000);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const [GROUPS, SERVICES, LIVE, MORE] = [16, 8, 500, 2_000];
const two = (number) => String(number).padStart(2, "0");
const SLOTS = Array.from({ length: GROUPS * SERVICES }, (_, at) => [`group-${two(Math.floor(at / SERVICES))}`, `service-${two(at % SERVICES)}`]);
const WRITES = Array.from({ length: KEYS }, (_, at) => [at % SLOTS.length, `key-${String(at).padStart(6, "0")}`, `value-${at}`]);

class Confmesh {
  static Replica = Replica;

  static skeleton() {
    const first = new this.Replica();
    for (const [group, service] of SLOTS) first.set(`${group}.${service}`, {});
    return first.save();
  }

  constructor(state) {
    this.replica = this.constructor.Replica.load(state);
    this.paths = SLOTS.map(([group, service]) => `${group}.${service}.`);
  }

  put(slot, key, value) {
    this.replica.set(this.paths[slot] + key, value);
  }

  get(slot, key) {
    return this.replica.get(this.paths[slot] + key);
  }

  version() {
    return this.replica.version();
  }

  delta(since) {
    return this.replica.delta(since);
  }

  apply(delta) {
    this.replica.apply(delta);
  }

  save() {
    return this.replica.save();
  }

  value() {
    return this.replica.value;
  }
}

/** The same in WebAssembly, as browsers have it; loro and automerge are WebAssembly in Node as well. */
class Module extends Confmesh {
  static Replica = browser.Replica;
}

class Loro {
  static containers(doc) {
    const root = doc.getMap("root");
    return SLOTS.map(([group, service]) =>
      root.getOrCreateContainer(group, new LoroMap()).getOrCreateContainer(service, new LoroMap()));
  }

  static skeleton() {
    const doc = new LoroDoc();
    Loro.containers(doc);
    doc.commit();
    return doc.export({ mode: "snapshot" });
  }

  constructor(state) {
    this.doc = new LoroDoc();
    this.doc.import(state);
    this.maps = Loro.containers(this.doc);
  }

  put(slot, key, value) {
    this.maps[slot].set(key, value);
    this.doc.commit();
  }

  get(slot, key) {
    return this.maps[slot].get(key);
  }

  version() {
    return this.doc.oplogVersion();
  }

  delta(since) {
    return this.doc.export({ mode: "update", from: since });
  }

  apply(delta) {
    this.doc.import(delta);
  }

  save() {
    return this.doc.export({ mode: "snapshot" });
  }

  value() {
    return this.doc.toJSON().root;
  }
}

class Yjs {
  static skeleton() {
    const doc = new yjs.Doc();
    const root = doc.getMap("root");
    for (const [group, service] of SLOTS) {
      if (!root.has(group)) root.set(group, new yjs.Map());
      root.get(group).set(service, new yjs.Map());
    }
    return yjs.encodeStateAsUpdate(doc);
  }

  constructor(state) {
    this.doc = new yjs.Doc();
    yjs.applyUpdate(this.doc, state);
    this.root = this.doc.getMap("root");
    this.maps = SLOTS.map(([group, service]) => this.root.get(group).get(service));
  }

  put(slot, key, value) {
    this.maps[slot].set(key, value);
  }

  get(slot, key) {
    return this.maps[slot].get(key);
  }

  version() {
    return yjs.encodeStateVector(this.doc);
  }

  delta(since) {
    return yjs.encodeStateAsUpdate(this.doc, since);
  }

  apply(delta) {
    yjs.applyUpdate(this.doc, delta);
  }

  save() {
    return yjs.encodeStateAsUpdate(this.doc);
  }

  value() {
    return this.root.toJSON();
  }
}

class Automerge {
  static skeleton() {
    const groups = {};
    for (const [group, service] of SLOTS) (groups[group] ??= {})[service] = {};
    return automerge.save(automerge.from(groups));
  }

  constructor(state) {
    this.doc = automerge.load(state);
  }

  put(slot, key, value) {
    const [group, service] = SLOTS[slot];
    this.doc = automerge.change(this.doc, (draft) => {
      draft[group][service][key] = value;
    });
  }

  get(slot, key) {
    const [group, service] = SLOTS[slot];
    return this.doc[group][service][key];
  }

  version() {
    return automerge.getHeads(this.doc);
  }

  delta(since) {
    return automerge.saveSince(this.doc, since);
  }

  apply(delta) {
    this.doc = automerge.loadIncremental(this.doc, delta);
  }

  save() {
    return automerge.save(this.doc);
  }

  value() {
    return automerge.toJS(this.doc);
  }
}

/** What a job gives, and the processor time that it took in microseconds. */
function timed(job) {
  globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const done = job();
  const after = process.cpuUsage();
  return [done, after.user + after.system - user - system];
}

function measure(Kind) {
  const skeleton = Kind.skeleton();
  const both = [new Kind(skeleton), new Kind(skeleton)];
  const [one, other] = both;
  const started = one.version();
  const [, writing] = timed(() => {
    for (const [at, [slot, key, value]] of WRITES.entries()) both[at & 1].put(slot, key, value);
  });
  const [syncBytes, syncing] = timed(() => {
    const there = other.delta(started);
    one.apply(there);
    const back = one.delta(other.version());
    other.apply(back);
    return there.length + back.length;
  });
  assert.deepEqual(one.value(), other.value(), Kind.name);
  const [, rewriting] = timed(() => {
    for (let at = 0; at < MORE; at += 1) {
      const [slot, key] = WRITES[(at * 37) % KEYS];
      one.put(slot, key, `more-${at}`);
    }
  });
  other.apply(one.delta(other.version()));
  const [deltaBytes, living] = timed(() => {
    let sent = 0;
    for (let at = 0; at < LIVE; at += 1) {
      const [slot, key] = WRITES[(at * 31) % KEYS];
      const since = one.version();
      one.put(slot, key, `live-${at}`);
      const delta = one.delta(since);
      other.apply(delta);
      sent += delta.length;
    }
    return sent / LIVE;
  });
  const value = one.value();
  assert.deepEqual(value, other.value(), Kind.name);
  assert.equal(Object.values(value).flatMap((group) => Object.values(group)).reduce((sum, keys) => sum + Object.keys(keys).length, 0), KEYS);
  const [state, saving] = timed(() => one.save());
  const [slot, key] = WRITES[1];
  const [loaded, loading] = timed(() => {
    const made = new Kind(state);
    assert.equal(typeof made.get(slot, key), "string");
    return made;
  });
  assert.deepEqual(loaded.value(), value, Kind.name);
  return [writing / KEYS, rewriting / MORE, living / LIVE, deltaBytes, syncing / 1e3, syncBytes, saving / 1e3, loading / 1e3, state.length];
}

const COLUMNS = ["write µs", "rewrite µs", "live µs", "delta B", "sync ms", "sync B", "save ms", "load ms", "state B"];
const KINDS = [Loro, Confmesh, Module, Yjs, Automerge];
const shown = (figure) => figure.toLocaleString("en", { maximumFractionDigits: figure < 100 ? 2 : 0 });

console.log(`D. ${KEYS} distinct writes, 2 replicas`);
console.log(`  ${"".padEnd(10)}${COLUMNS.map((name) => name.padStart(18)).join("")}`);
// The compilers settle in a round that does not count.
KINDS.forEach(measure);
const rounds = Array.from({ length: ROUNDS }, () => KINDS.map(measure));
KINDS.forEach((Kind, at) => {
  const cells = COLUMNS.map((_, column) => {
    const figure = median(rounds.map((row) => row[at][column]));
    const ratio = median(rounds.map((row) => row[at][column] / row[0][column]));
    return `${shown(figure)} (${ratio.toFixed(2)})`.padStart(18);
  });
  console.log(`  ${Kind.name.toLowerCase().padEnd(10)}${cells.join("")}`);
});
