// Whole replicas in a page: the module as it ships, loaded by a browser, against the same one in Node.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Replica } from "../../bindings-wasm/pkg/replica/replica.node.js";
import { browser, openPage, served } from "./stage.mjs";

test("a replica in a page and one in Node exchange bytes and show the same", async (t) => {
  const started = await browser();
  t.after(() => started.close());
  const { page, complaints } = await openPage(started, await served(t));
  const ours = new Replica([{ pattern: "limits.*", conflict: "numeric_average" }]);
  ours.set("limits.rate", 100);
  const state = Array.from(ours.save());
  ours.set("limits.rate", 200);
  const theirs = await page.evaluate(async ([state, delta]) => {
    const { ConfmeshError, ready, Replica } = await import("/replica/replica.js");
    await ready();
    const replica = Replica.load(Uint8Array.from(state), [{ pattern: "limits.*", conflict: "numeric_average" }]);
    replica.set("limits.rate", 300);
    const changes = replica.apply(Uint8Array.from(delta));
    let refused;
    try {
      replica.apply(new Uint8Array(3));
    } catch (error) {
      refused = error instanceof ConfmeshError && error.code;
    }
    return { value: replica.value, changes, refused, saved: Array.from(replica.save()) };
  }, [state, Array.from(ours.save())]);
  assert.deepEqual(theirs.value, { limits: { rate: 250 } });
  assert.deepEqual(theirs.changes, [{ path: "limits.rate", op: "changed", old: 300, new: 250 }]);
  assert.equal(theirs.refused, "message");
  ours.apply(Uint8Array.from(theirs.saved));
  assert.deepEqual(ours.value, theirs.value);
  assert.deepEqual(Array.from(ours.save()), theirs.saved);
  assert.deepEqual(complaints, []);
});
