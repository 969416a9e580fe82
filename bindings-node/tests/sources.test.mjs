// Sources that are polled: HTTP, commands, and objects and functions of the program.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Mesh, open, openAsync } from "confmesh";

async function until(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "it never came true");
    await sleep(10);
  }
}

async function serving(answer) {
  const server = createServer((request, response) => answer(request, response));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

const source = async (config) => (await config.status()).documents[0].sources[0];

test("an HTTP source keeps its last good document, recovers, and is kept for a start without it", async () => {
  let [status, body] = [200, '{"limit": 1}'];
  const server = await serving((_, response) => response.writeHead(status, { "content-type": "application/json" }).end(body));
  const dataDir = mkdtempSync(join(tmpdir(), "confmesh-"));
  const sources = [{ source: server.url, interval: "100ms", headers: { "x-team": "web" } }];
  const config = await openAsync([], { sources, dataDir });
  assert.equal(config.get("limit"), 1);
  body = "<html>";
  await until(async () => (await source(config)).state === "stale");
  assert.equal(config.get("limit"), 1);
  body = '{"limit": 2}';
  await until(() => config.get("limit") === 2);
  config.close();
  status = 503;
  const again = await openAsync([], { sources, dataDir });
  assert.equal(again.get("limit"), 2);
  assert.equal((await source(again)).served_from, "disk");
  assert.ok(again.explain("limit").winner.loaded.startsWith("20"));
  again.close();
  await assert.rejects(openAsync([], { sources: server.url }), /answered 503/);
  server.close();
});

test("objects and functions are sources, plain and async", async () => {
  let number = 0;
  const counted = { source: () => ({ number: (number += 1) }), interval: "100ms", name: "counted" };
  class Later {
    async load() {
      await sleep(5);
      return { later: [true] };
    }
  }
  const config = await openAsync([], { sources: [counted, new Later()] });
  assert.equal(config.get("later.0"), true);
  await until(() => config.get("number") > 2);
  config.close();
  const plain = open([], { sources: () => ({ now: 1 }) });
  assert.equal(plain.get("now"), 1);
  plain.close();
  assert.throws(() => open([], { sources: new Later() }), /async/);
});

test("a source that throws, hangs or gives something else is told and comes back", async () => {
  let load = async () => ({ limit: 1 });
  const config = await openAsync([], { sources: { source: () => load(), interval: "100ms", timeout: "200ms" } });
  for (const [broken, says] of [
    [() => { throw new RangeError("the backend is away"); }, "RangeError: the backend is away"],
    [() => sleep(1000, { limit: 9 }), "no answer within 0.2 s"],
    [async () => 3, "not a map"],
  ]) {
    load = broken;
    await until(async () => JSON.stringify(await source(config)).includes(says));
    assert.equal(config.get("limit"), 1);
    load = async () => ({ limit: 1 });
    await until(async () => (await source(config)).state === "fresh" || config.get("limit") === 9);
    await until(() => config.get("limit") === 1);
  }
  config.close();
});

test("a mesh takes sources, and a wrong one is refused with the reason", async () => {
  let status = 404;
  const server = await serving((_, response) => response.writeHead(status, { "content-type": "application/json" }).end('{"limit": 7}'));
  const mesh = await Mesh.start({ sources: [{ source: server.url, interval: "100ms" }] });
  assert.equal((await mesh.health()).status, "not_ready");
  status = 200;
  await until(() => mesh.get("limit") === 7);
  await until(async () => (await mesh.health()).status === "healthy");
  await mesh.close();
  server.close();
  for (const [wrong, says] of [
    ["https://c.example/;intervall=3s", /`intervall` is no option/],
    [{ source: "https://c.example/", prioritty: 3 }, /`prioritty` is no option/],
    [{ source: 3 }, /no source/],
    ["exec:false", /failed: exit status 1/],
  ]) {
    assert.throws(() => open([], { sources: [wrong] }), says);
  }
});
