// Checks of a program: asked when JavaScript has time, so that nothing but the checked document waits for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Mesh, open, openAsync, Schema } from "confmesh";

async function until(condition) {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    const found = await condition();
    if (found) return found;
    await sleep(2);
  }
  throw new Error("not within 20 s");
}

/** A check that waits for every document with `slow`, until it is let go. */
function gated() {
  let letGo;
  const gate = new Promise((resolve) => { letGo = resolve; });
  const check = async (document) => {
    if ("slow" in document) await gate;
    return document.port === 0 ? "no port is 0" : undefined;
  };
  return { schema: new Schema({ fields: {} }, { checks: { "": check } }), letGo };
}

const health = async (mesh) => (await fetch(`http://${mesh.addresses[0]}/health`)).json();

test("a check that hangs stalls nobody and stands in status", async () => {
  const { schema, letGo } = gated();
  const mesh = await Mesh.start({ listen: "127.0.0.1:0", schema, checkWithin: 60_000 });
  await mesh.set("x", 1);
  const writes = [mesh.set("slow", true), mesh.set("y", 1)];
  const checking = await until(async () => {
    const { checking } = (await mesh.status()).documents[0];
    return checking?.writes === 2 && checking;
  });
  assert.equal(checking.within_ms, 60_000);
  const times = [];
  for (let at = 0; at < 20; at++) {
    const since = performance.now();
    assert.equal((await health(mesh)).status, "healthy");
    times.push(performance.now() - since);
  }
  assert.ok(Math.min(...times) <= 50, `${times}`);
  assert.deepEqual(mesh.toObject(), { x: 1 });
  letGo();
  await Promise.all(writes);
  assert.deepEqual(mesh.toObject(), { x: 1, slow: true, y: 1 });
  await mesh.close();
});

test("a write is refused in time and the late answer is told", async () => {
  const { schema, letGo } = gated();
  const mesh = await Mesh.start({ listen: "127.0.0.1:0", schema, checkWithin: 100 });
  await assert.rejects(mesh.set("slow", true), { code: "busy", message: /gave no answer within 100 ms/ });
  assert.match(JSON.stringify(await health(mesh)), /have not answered/);
  const told = (async () => {
    for await (const { message } of mesh.reports()) if (message.includes("answered after")) return message;
  })();
  letGo();
  assert.match(await told, /have 100 ms/);
  await mesh.set("slow", true);
  await mesh.close();
});

test("a check that sets, throws or refuses harms nothing, and a start waits for it", async () => {
  let config;
  const schema = new Schema({ fields: { port: "integer" } }, { checks: {
    port: (port) => (port < 1024 ? "ports below 1024 are for root" : undefined),
    throws: () => { throw new RangeError("it broke"); },
    sets: () => { config.set("other", 1); },
  } });
  const dir = mkdtempSync(join(tmpdir(), "confmesh-"));
  const file = join(dir, "a.json");
  writeFileSync(file, '{"port": 80}');
  assert.throws(() => open(file, { schema }), { code: "invalid", path: "port", message: /for root/ });
  await assert.rejects(openAsync(file, { schema }), { path: "port" });
  writeFileSync(file, '{"port": 8080}');
  for (const opened of [open(file, { schema }), await openAsync(file, { schema })]) {
    config = opened;
    assert.throws(() => config.set("port", 22), { path: "port" });
    assert.throws(() => config.set("throws", 1), { message: /it broke/ });
    assert.throws(() => config.set("sets", 1), { message: /a check cannot write to the configuration that it checks/ });
    config.set("fine", 1);
    assert.deepEqual(config.toObject(), { port: 8080, fine: 1 });
    writeFileSync(file, '{"port": 81}');
    await until(async () => JSON.stringify(await config.status()).includes("for root"));
    assert.equal(config.get("port"), 8080);
    writeFileSync(file, '{"port": 8080}');
    await until(async () => (await config.status()).health.status === "healthy");
    config.close();
  }
});
