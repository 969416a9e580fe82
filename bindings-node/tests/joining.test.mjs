// Instances that hold other documents, or are gone for good: with the other instance in a process of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Mesh } from "confmesh";

const folder = () => mkdtempSync(join(tmpdir(), "confmesh-"));

async function wait(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < deadline, "it never came true");
    await sleep(10);
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Another process with an instance; it ends with its stdin. */
async function elsewhere(options) {
  const program = `import { Mesh } from "confmesh";
    const mesh = await Mesh.start({ oldAfter: 0, ...${JSON.stringify(options)} });
    console.log(mesh.addresses[0]);
    process.stdin.resume().on("end", () => mesh.close());`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

async function ended(child, signal) {
  child.kill(signal);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

const document = async (mesh) => (await mesh.status()).documents[0];

test("two old documents stand apart until one is given up", async () => {
  const place = folder();
  writeFileSync(join(place, "a.json"), '{"who": "a", "token": "of a"}');
  writeFileSync(join(place, "b.json"), '{"who":"b","own":1,"token":"of b"}');
  const address = `127.0.0.1:${await freePort()}`;
  const ours = await Mesh.start({
    bind: join(place, "b.json"), listen: "127.0.0.1:0", peers: [`ws://${address}`], rules: [{ pattern: "token", secret: true }],
    oldAfter: 0, foundAfter: 50,
  });
  await wait(async () => (await document(ours)).age === "old");
  const other = await elsewhere({ bind: join(place, "a.json"), listen: address, foundAfter: 50 });
  try {
    const [apart] = await wait(async () => (await document(ours)).apart);
    assert.equal(apart.state, "other document");
    assert.equal((await ours.health()).status, "degraded");
    const shown = await ours.adopt(`http://${address}`);
    assert.deepEqual(shown, {
      genesis: apart.genesis,
      lost: [
        { path: "own", op: "removed", old: 1 },
        { path: "token", op: "changed", old: "***", new: "of a" },
        { path: "who", op: "changed", old: "b", new: "a" },
      ],
      done: false,
    });
    assert.equal(ours.get("who"), "b", "nothing is done yet");
    assert.deepEqual(await ours.adopt(`ws://${address}/sync`, { yes: true }), { ...shown, done: true });
    assert.deepEqual([ours.get("who"), ours.get("own")], ["a", undefined]);
    await assert.rejects(ours.adopt(`http://${address}`, { yes: true }), { code: "usage", message: /share one document/ });
    assert.equal(await ours.forceSync(), 1);
    const kept = await wait(async () => (await ours.kept()).find(({ file }) => file));
    assert.deepEqual([kept.why, kept.format, kept.text], ["given-up", "json", '{"who":"b","own":1,"token":"of b"}']);
    assert.deepEqual((await document(ours)).kept.map(({ id, text }) => [id, text]), [[kept.id, undefined]]);
    await assert.rejects(ours.confirmKept(7), { code: "not_found" });
    for (const none of [1.5, -1]) await assert.rejects(ours.confirmKept(none), { code: "usage" });
    assert.equal(await ours.confirmKept(kept.id), undefined);
    assert.deepEqual(await ours.kept(), []);
  } finally {
    await ours.close();
    await ended(other, "SIGKILL");
  }
});

test("a URL where no instance is changes nothing", async () => {
  const mesh = await Mesh.start();
  await assert.rejects(mesh.adopt(`http://127.0.0.1:${await freePort()}`, { yes: true }), { code: "unreachable" });
  await assert.rejects(mesh.adopt("ftp://127.0.0.1", { yes: true }), { code: "usage" });
  await assert.rejects(mesh.adopt("http://127.0.0.1", { sure: true }), { code: "usage" });
  await assert.rejects(Mesh.start({ oldAfter: -1 }), { code: "usage", message: /`oldAfter`/ });
  await mesh.close();
});

test("an instance that is gone for good is expelled", async () => {
  const place = folder();
  const mesh = await Mesh.start({ listen: "127.0.0.1:0", settle: true, oldAfter: 0, dataDir: join(place, "one") });
  await mesh.set("limit", 1);
  const members = async () => (await document(mesh)).settling.members;
  const peers = [`ws://${mesh.addresses[0]}`];
  const other = await elsewhere({ listen: "127.0.0.1:0", peers, dataDir: join(place, "two"), foundAfter: 60_000 });
  await wait(async () => (await members()).length === 2);
  await ended(other, "SIGKILL");
  const gone = await wait(async () => (await members()).find(({ connected }) => !connected));
  await assert.rejects(mesh.expel("nobody"), { code: "not_found" });
  assert.equal(await mesh.expel(gone.replica.slice(0, 16)), gone.replica);
  assert.deepEqual((await members()).map(({ own }) => own), [true]);
  await mesh.close();
});

test("who is in step with nobody for long says so", async () => {
  const mesh = await Mesh.start({ peers: [`ws://127.0.0.1:${await freePort()}`], foundAfter: 0, staleAfter: 100 });
  await wait(async () => {
    const { reasons = [] } = (await mesh.health()).checks.find(({ name }) => name === "peers");
    return reasons.some(({ message }) => message.includes("`stale_after` (0.1 s)"));
  });
  assert.ok((await mesh.status()).out_of_step_ms > 100);
  await mesh.close();
});
