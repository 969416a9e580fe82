// Locks of a document: held, renewed, shown, written under, taken away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Mesh } from "confmesh";

test("a lock keeps others from writing, and its holder writes with its token", async () => {
  const mesh = await Mesh.start({});
  assert.deepEqual(await mesh.locks(), { locks: [], authority: null });
  const lock = await mesh.lock("db.*", { holder: "ann", ttlMs: 20_000 });
  assert.deepEqual([lock.key, lock.holder], ["db.*", "ann"]);
  await assert.rejects(async () => mesh.set("db.host", "other"), { code: "locked" });
  await mesh.set("db.host", "mine", { fence: Number(lock.token) });
  await assert.rejects(async () => mesh.lock("db.host", { holder: "ben" }), { code: "locked" });
  const waiting = mesh.lock("db.host", { holder: "ben", waitMs: 20_000 });
  assert.equal((await mesh.renewLock("db.*", lock.token, lock.session)).token, lock.token);
  await mesh.releaseLock("db.*", lock.token, lock.session);
  const later = await waiting;
  assert.ok(Number(later.token) > Number(lock.token));
  await assert.rejects(async () => mesh.set("db.host", "late", { fence: Number(lock.token) }), { code: "locked" });
  assert.deepEqual((await mesh.locksOn("db.*")).locks.map((one) => one.holder), ["ben"]);
  await mesh.forceReleaseLock("db.host", "ben is away");
  const entries = (await mesh.audit()).filter((entry) => entry.event === "lock_forced");
  assert.deepEqual(entries.map((entry) => entry.reason), ["ben is away"]);
  assert.equal((await mesh.takeLockAuthority()).epoch, 2);
  await mesh.close();
});
