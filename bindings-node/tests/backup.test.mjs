// Backups of an instance, and what comes back from them.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { Mesh, restore } from "confmesh";

test("an instance is backed up and comes back as another one", async () => {
  const dir = mkdtempSync(join(tmpdir(), "confmesh-"));
  const first = await Mesh.start({ dataDir: join(dir, "data") });
  await first.set("limit", 1);
  const backup = await first.backup();
  const was = (await first.status()).instance_id;
  await first.close();
  assert.deepEqual(backup.documents, ["default"]);
  const file = join(dir, "a.backup");
  writeFileSync(file, Buffer.from(backup.data, "base64"));
  const restored = restore(join(dir, "other"), file);
  assert.equal(restored.kept, null);
  assert.equal(restored.backup.made, backup.made);
  const second = await Mesh.start({ dataDir: join(dir, "other") });
  assert.equal(second.get("limit"), 1);
  assert.notEqual((await second.status()).instance_id, was);
  await second.close();
  writeFileSync(file, readFileSync(file).subarray(0, -1));
  assert.throws(() => restore(join(dir, "other"), file, { force: true }), /a\.backup/);
});
