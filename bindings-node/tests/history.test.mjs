// The kept past of what instances share: listed, shown, compared, gone back to.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Mesh } from "confmesh";

test("versions are listed, shown, compared and gone back to, also after a restart", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "confmesh-"));
  const mesh = await Mesh.start({ dataDir });
  await mesh.set("limit", 1, { user: "ann", message: "to begin with" });
  await mesh.set("limit", 2);
  await mesh.set("name", "x");
  const [newest, middle, first] = await mesh.versions();
  assert.deepEqual([newest.id, first.changed, first.count], [3, ["limit"], 1]);
  assert.deepEqual([first.writes[0].user, first.writes[0].message], ["ann", "to begin with"]);
  assert.deepEqual((await mesh.versions({ path: "limit", limit: 1 })).map((one) => one.id), [middle.id]);
  const shown = await mesh.showVersion("2");
  assert.deepEqual(shown.document, { limit: 2 });
  assert.deepEqual(shown.changes, [{ path: "limit", op: "changed", old: 1, new: 2 }]);
  assert.equal((await mesh.showVersion(newest.name)).version.id, 3);
  const compared = await mesh.compareVersions("1");
  assert.deepEqual(compared.changes.map((one) => one.path).sort(), ["limit", "name"]);
  const told = await mesh.rollback("1", { dryRun: true });
  assert.deepEqual([told.goes[0].path, told.changes[0].new, told.receipt], ["name", 1, null]);
  assert.equal(mesh.get("limit"), 2);
  const done = await mesh.rollback("1", { pattern: "limit", message: "back" });
  assert.deepEqual(done.receipt.changed, ["limit"]);
  assert.deepEqual(mesh.toObject(), { limit: 1, name: "x" });
  await mesh.close();
  const again = await Mesh.start({ dataDir, historyVersions: 2 });
  await again.set("limit", 3);
  assert.deepEqual((await again.versions()).map((one) => one.id), [5, 4]);
  await assert.rejects(async () => again.showVersion("../x"), { code: "usage" });
  await assert.rejects(async () => again.rollback("1"), { code: "not_found" });
  await again.close();
});
