// Whole replicas, of the addon and of the module that browsers run: what they agree on, and what they refuse.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as confmesh from "confmesh";
import * as apart from "confmesh/replica";

const { canonical, ConfmeshError } = confmesh;
const browser = await import(new URL("wasm/replica/replica.node.js", import.meta.resolve("confmesh/package.json")));
const HALVES = { addon: confmesh.Replica, module: browser.Replica };

/** Runs a test on both halves. */
function each(work) {
  for (const [name, Replica] of Object.entries(HALVES)) {
    try {
      work(Replica);
    } catch (error) {
      error.message = `${name}: ${error.message}`;
      throw error;
    }
  }
}

const pairs = (replicas) => replicas.flatMap((one) => replicas.filter((other) => other !== one).map((other) => [one, other]));

/** Until all have everything. */
function meet(...replicas) {
  for (let round = 0; round < 2; round += 1) for (const [from, to] of pairs(replicas)) to.apply(from.delta(to.version()));
}

/** A document with `k`, and three replicas of it: the founder, a fork, one that was loaded. */
function three(Replica, rules, start) {
  const first = new Replica(rules);
  if (start !== undefined) first.set("k", start);
  return [first, first.fork(), Replica.load(first.save(), rules)];
}

/** All orders of a list. */
const orders = (list) => (list.length < 2 ? [list] : list.flatMap((item, at) => orders(list.toSpliced(at, 1)).map((rest) => [item, ...rest])));

const one = (list) => {
  assert.equal(new Set(list).size, 1, [...new Set(list)].join(" | "));
  return list[0];
};

/** The strategy, what is there before, what three write at once, and whether what shows then is fine. */
const STRATEGIES = [
  ["last_write_wins", 0, [1, 2, 3], (value) => [1, 2, 3].includes(value)],
  ["first_write_wins", undefined, [1, 2, 3], (value) => [1, 2, 3].includes(value)],
  ["merge_strategies", [0], [[0, 1], [0, 2], [0, 3]], (value) => canonical(value.sort()) === "[0,1,2,3]"],
  ["manual_resolution", 0, [1, 2, 3], (value) => [1, 2, 3].includes(value)],
  ["operational_transform", "", ["a", "b", "c"], (value) => [...value].sort().join("") === "abc"],
  ["numeric_average", 0, [1, 2, 6], (value) => value === 3],
];

test("two replicas show the same after one exchange", () => each((Replica) => {
  const ours = new Replica();
  ours.set("app.limit", 100);
  const theirs = ours.fork();
  assert.equal(ours.set("app.limit", 200), true);
  assert.equal(theirs.set("app.name", "größe"), true);
  const seen = theirs.version();
  theirs.apply(ours.delta(seen));
  ours.apply(theirs.delta(ours.version()));
  assert.deepEqual(ours.value, { app: { limit: 200, name: "größe" } });
  assert.deepEqual(theirs.value, ours.value);
  assert.deepEqual(theirs.version(), ours.version());
  assert.deepEqual(ours.genesis, theirs.genesis);
  assert.notDeepEqual(ours.id, theirs.id);
}));

test("three replicas show the same in whatever order deltas come, under every strategy", () => each((Replica) => {
  for (const [conflict, start, edits, isFine] of STRATEGIES) {
    const replicas = three(Replica, [{ pattern: "**", conflict }], start);
    const before = replicas[0].save();
    edits.forEach((value, at) => assert.equal(replicas[at].set("k", value), true));
    const deltas = replicas.map((replica) => replica.save());
    // Each order in a replica of its own.
    const shown = orders(deltas).map((order) => {
      const late = Replica.load(before);
      for (const delta of order) late.apply(delta);
      return canonical([late.value, late.conflicts()]);
    });
    meet(...replicas);
    const all = one([...shown, ...replicas.map((replica) => canonical([replica.value, replica.conflicts()]))]);
    assert.ok(isFine(replicas[0].get("k")), `${conflict}: ${all}`);
    assert.equal(all.includes('"is_open":true'), conflict === "manual_resolution", conflict);
  }
}));

test("a delta that comes twice changes nothing the second time", () => each((Replica) => {
  const [ours, theirs] = three(Replica, [], 0);
  ours.set("app.limit", 7);
  const delta = ours.delta(theirs.version());
  assert.deepEqual(theirs.apply(delta), [{ path: "app", op: "added", new: { limit: 7 } }]);
  const held = theirs.save();
  for (const again of [delta, ours.save(), theirs.save()]) assert.deepEqual(theirs.apply(again), []);
  assert.deepEqual(theirs.save(), held);
}));

test("writing tells whether it changed anything, and reading has a default", () => each((Replica) => {
  const replica = new Replica(null);
  assert.equal(replica.set("a.b", { c: [1, 2n ** 63n, null, -0.5] }), true);
  assert.equal(replica.set("a.b", { c: [1, 2n ** 63n, null, -0.5] }), false);
  assert.deepEqual(replica.get("a.b.c"), [1, 2n ** 63n, null, -0.5]);
  assert.equal(replica.get("/a/b/c/2", "default"), null);
  assert.equal(replica.get("a.none"), undefined);
  assert.equal(replica.get("a.none", "default"), "default");
  assert.equal(replica.unset("a.b"), true);
  assert.equal(replica.unset("a.b"), false);
  assert.throws(() => replica.set("a", undefined), { name: "ConfmeshError", code: "type" });
  assert.throws(() => replica.set("/~2", 1), { name: "ConfmeshError", code: "path_syntax" });
}));

test("a conflict is open until somebody decides", () => each((Replica) => {
  const [ours, theirs, third] = three(Replica, [{ pattern: "**", conflict: "manual_resolution" }], 0);
  ours.set("k", 1);
  theirs.set("k", 2);
  meet(ours, theirs, third);
  const [conflict, ...others] = third.conflicts();
  assert.deepEqual(others, []);
  assert.deepEqual([conflict.path, conflict.rule, conflict.is_open], ["k", "manual_resolution", true]);
  assert.deepEqual(conflict.sides.map(({ value }) => value).sort(), [1, 2]);
  // Not by writing what shows, which is no write, but by deciding for it.
  assert.equal(third.set("k", third.get("k")), false);
  assert.equal(third.resolve("k", third.get("k")), true);
  meet(ours, theirs, third);
  for (const replica of [ours, theirs, third]) assert.deepEqual(replica.conflicts(), []);
  one([ours, theirs, third].map((replica) => canonical(replica.value)));
}));

test("what is saved is loaded again, in the other half as well", () => {
  const bytes = (at) => new Uint8Array(16).fill(at);
  const saved = Object.values(HALVES).map((Replica) => {
    const first = new Replica([{ pattern: "n", conflict: "numeric_average" }], { id: bytes(1), genesis: bytes(9) });
    first.set("n", 1, { wallMs: 1_700_000_000_000 });
    const second = first.fork({ id: bytes(2) });
    first.set("n", 2, { wallMs: 1_700_000_000_001 });
    second.set("n", 4, { wallMs: 1_700_000_000_002 });
    first.apply(second.delta(first.version()), { wallMs: 1_700_000_000_003 });
    return first.save();
  });
  assert.ok(saved[0] instanceof Uint8Array && saved[0].length > 60);
  assert.deepEqual(saved[0], saved[1]);
  each((Replica) => {
    for (const state of saved) {
      const loaded = Replica.load(state, null, { id: bytes(3) });
      assert.deepEqual([loaded.value, loaded.id, loaded.genesis], [{ n: 3 }, bytes(3), bytes(9)]);
      assert.deepEqual(loaded.save(), state);
      assert.deepEqual(Replica.load(Buffer.from(state)).value, { n: 3 });
    }
  });
});

test("bytes that are no delta are refused, with a code and a hint", () => each((Replica) => {
  const [replica, , other] = three(Replica, [], 0);
  const born = new Replica(null, { genesis: replica.genesis }).version();
  other.set("a", 1);
  const early = other.delta(replica.version());
  const garbage = ["", "b1", "b1ffff", "68656c6c6f", `b121${"00".repeat(40)}`].map((hex) => new Uint8Array(Buffer.from(hex, "hex")));
  for (const take of [(given) => replica.apply(given), (given) => replica.delta(given), (given) => Replica.load(given)]) {
    for (const given of garbage) assert.throws(() => take(given), { name: "ConfmeshError", code: "message" });
    for (const given of ["text", 7, [1, 2], {}, new ArrayBuffer(4), new Uint16Array(4)]) {
      assert.throws(() => take(given), { name: "ConfmeshError", code: "usage", message: /`Uint8Array`/ }, String(given));
    }
  }
  assert.throws(() => replica.apply(born), { code: "message", hint: /`delta` or `save`/ });
  assert.throws(() => replica.delta(early), { code: "message", hint: /`version`/ });
  assert.throws(() => Replica.load(early), { code: "message", hint: /`save`/ });
  assert.deepEqual(replica.value, { k: 0 });
}));

test("any byte that is changed or missing gives an error or another document, and never a crash", () => each((Replica) => {
  const [replica] = three(Replica, [], { a: [1, "x"] });
  const state = replica.save();
  let refused = 0;
  for (let at = 0; at < state.length; at += 1) {
    const flipped = state.slice();
    flipped[at] ^= 0x55;
    for (const broken of [state.slice(0, at), flipped]) {
      try {
        Replica.load(broken);
      } catch (error) {
        assert.ok(error instanceof ConfmeshError && error.code !== "internal", String(error));
        refused += 1;
      }
    }
  }
  assert.ok(refused >= state.length, `${refused} of ${2 * state.length}`);
}));

test("deltas that skip something and documents that were founded apart are refused", () => each((Replica) => {
  const [ours, theirs] = three(Replica, [], 0);
  ours.set("a", 1);
  const seen = ours.version();
  ours.set("b", 2);
  assert.throws(() => theirs.apply(ours.delta(seen)), { code: "not_ready", hint: /`version`/ });
  assert.throws(() => theirs.apply(new Replica().save()), { code: "foreign_document", hint: /`fork`/ });
  assert.deepEqual(theirs.value, { k: 0 });
  const shared = new Replica(null, { genesis: ours.genesis });
  shared.set("c", 3);
  assert.deepEqual(theirs.apply(shared.save()).map(({ path }) => path), ["c"]);
}));

test("a write for another version is refused", () => each((Replica) => {
  const replica = new Replica();
  const born = replica.version();
  assert.equal(replica.set("a", 1, { ifVersion: born }), true);
  assert.throws(() => replica.set("a", 2, { ifVersion: born }), { code: "stale" });
  assert.throws(() => replica.unset("a", { ifVersion: born }), { code: "stale" });
  assert.throws(() => replica.set("a", 2, { ifVersion: "1" }), { code: "usage" });
  assert.equal(replica.get("a"), 1);
  assert.equal(replica.unset("a", { ifVersion: replica.version() }), true);
}));

test("settling keeps the value and refuses who had not seen it", () => each((Replica) => {
  const [ours, theirs, late] = three(Replica, [], 0);
  for (let at = 1; at <= 50; at += 1) ours.set("k", at);
  meet(ours, theirs);
  late.set("late", true);
  const before = ours.value;
  ours.settle();
  assert.deepEqual(ours.value, before);
  assert.throws(() => ours.apply(late.save()), { code: "stale", hint: /settle/ });
  assert.throws(() => late.apply(ours.save()), { code: "stale" });
  ours.set("k", "after");
  theirs.apply(ours.delta(theirs.version()));
  assert.deepEqual(theirs.value, { k: "after" });
  assert.deepEqual(Replica.load(ours.save()).value, theirs.value);
}));

test("ids, rules and times that are none are refused", () => each((Replica) => {
  const short = new Uint8Array(5);
  assert.throws(() => new Replica(null, { id: short }), { code: "usage", message: /16 bytes, not 5/, hint: /random/ });
  assert.throws(() => new Replica(null, { genesis: short }), { code: "usage" });
  assert.throws(() => new Replica(null, { id: "0123456789abcdef" }), { code: "usage" });
  assert.throws(() => new Replica().fork({ id: short }), { code: "usage" });
  assert.throws(() => new Replica([{ pattern: "**", conflict: "no_such" }]), { name: "ConfmeshError" });
  for (const wallMs of [-1, 0.5, NaN, "now", 2 ** 60]) {
    assert.throws(() => new Replica().set("a", 1, { wallMs }), { code: "usage", message: /`wallMs`/ }, String(wallMs));
  }
  assert.equal(new Replica().set("a", 1, { wallMs: 0 }), true);
}));

test("the entry for replicas alone has the addon's, and a browser's main entry names it", async () => {
  await apart.ready();
  assert.deepEqual(Object.keys(apart).sort(), Object.keys(browser).sort());
  assert.equal(apart.Replica, confmesh.Replica);
  assert.equal(apart.version(), browser.version());
  for (const [ours, theirs] of [[apart, browser], [browser, apart]]) assert.ok(new ours.ConfmeshError({ code: "usage", message: "" }) instanceof theirs.ConfmeshError);
  const main = await import(new URL("browser.js", import.meta.resolve("confmesh/package.json")));
  assert.throws(() => new main.Replica(), { code: "usage", hint: /confmesh\/replica/ });
  assert.throws(() => main.Replica.load(new Uint8Array()), { code: "usage" });
});
