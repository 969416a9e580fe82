// Who may do what: an instance that asks for tokens, and another one that shows one.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Mesh } from "confmesh";

const ADMIN = `cm_${"a".repeat(64)}`;
const PEER = `cm_${"b".repeat(64)}`;

async function until(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "it never came true");
    await sleep(10);
  }
}

const principal = (name, role, token) =>
  `[[principal]]\nname = "${name}"\ntoken_sha256 = "${createHash("sha256").update(token).digest("hex")}"\nroles = ["${role}"]\n`;

test("an instance asks for tokens, and its peer and its pages show one", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "confmesh-"));
  const auth = join(folder, "auth.toml");
  writeFileSync(auth, principal("admin", "admin", ADMIN) + principal("b", "peer", PEER));
  const one = await Mesh.start({ listen: "127.0.0.1:0", auth });
  t.after(() => one.close());
  await one.set("limit", 1);
  const [address] = one.addresses;
  const asked = (headers) => fetch(`http://${address}/config/default`, { headers }).then(({ status }) => status);
  assert.equal(await asked({}), 401);
  assert.equal(await asked({ authorization: `Bearer ${ADMIN}` }), 200);
  const two = await Mesh.start({ peers: [`ws://${address}`], token: PEER, foundAfter: 60_000 });
  t.after(() => two.close());
  await until(() => two.get("limit") === 1);
  writeFileSync(auth, principal("admin", "admin", ADMIN));
  await until(async () => (await two.status()).peers[0].state === "waiting");
  assert.equal(await asked({ authorization: `Bearer ${ADMIN}` }), 200);
});

test("what would be open to others does not start", async () => {
  await assert.rejects(Mesh.start({ listen: "0.0.0.0:0" }), (error) => error.code === "listen" && error.hint.includes("confmesh token new"));
  await assert.rejects(Mesh.start({ peers: ["ws://10.255.0.1:8765"] }), { code: "usage" });
  await assert.rejects(Mesh.start({ insecure: true }), { code: "usage" });
});
