// Who may do what: an instance that asks for tokens, and another one that shows one.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
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

test("tokens that somebody else signs are taken, with the key that signs now and until they end", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "confmesh-"));
  const [auth, keys] = [join(folder, "auth.toml"), join(folder, "login.json")];
  const issuer = "https://login.example";
  const [first, second] = [1, 2].map(() => generateKeyPairSync("ed25519"));
  const published = (...pairs) =>
    writeFileSync(keys, JSON.stringify({ keys: pairs.map(({ publicKey }, at) => ({ ...publicKey.export({ format: "jwk" }), kid: `${at}` })) }));
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = ({ privateKey }, more = {}) => {
    const claims = { iss: issuer, aud: ["confmesh", "other"], sub: "ann", exp: Math.floor(Date.now() / 1000) + 600, ...more };
    const text = `${encoded({ alg: "EdDSA", typ: "JWT" })}.${encoded(claims)}`;
    return `${text}.${sign(null, Buffer.from(text), privateKey).toString("base64url")}`;
  };
  published(first);
  writeFileSync(auth, `${principal("admin", "admin", ADMIN)}
[[principal]]
name = "Ann"
sub = "ann"
roles = ["writer"]

[[jwt]]
issuer = "${issuer}"
audience = "confmesh"
algorithm = "EdDSA"
key_file = "login.json"
roles_claim = "scope"
`);
  const mesh = await Mesh.start({ listen: "127.0.0.1:0", auth });
  t.after(() => mesh.close());
  const [address] = mesh.addresses;
  const asked = async (token, init = {}) => {
    const answer = await fetch(`http://${address}/config/default?path=limit`, { ...init, headers: { authorization: `Bearer ${token}` } });
    return [answer.status, await answer.text()];
  };
  assert.equal((await asked(token(first), { method: "PUT", body: "5" }))[0], 200);
  const written = await fetch(`http://${address}/config/default/written?path=limit`, { headers: { authorization: `Bearer ${ADMIN}` } });
  assert.equal((await written.json()).written[0].user, "Ann");
  assert.equal((await asked(token(first, { sub: "bob", scope: "reader" })))[0], 200);
  assert.equal((await asked(token(first, { sub: "bob", scope: "reader" }), { method: "PUT", body: "6" }))[0], 403);
  for (const [shown, why] of [
    [token(first, { sub: "bob" }), "has no role here"],
    [token(first, { exp: 1 }), "expired"],
    [token(first, { aud: "other" }), "audience"],
    [token(second), "no key of the issuer"],
    [`${token(first).slice(0, -8)}AAAAAAAA`, "no key of the issuer"],
  ]) {
    const [status, body] = await asked(shown);
    assert.equal(status, 401, why);
    assert.ok(body.includes(why), body);
  }
  // A stream ends when the key that let it in goes.
  const stream = await fetch(`http://${address}/events`, { headers: { authorization: `Bearer ${token(first)}` } });
  assert.equal(stream.status, 200);
  const ended = stream.text();
  published(second);
  await ended;
  await until(async () => (await asked(token(second)))[0] === 200);
  assert.equal((await asked(token(first)))[0], 401);
});
