// Webhooks and variables, through the packed package.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Mesh, open, watchVariables } from "confmesh";

const KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async function until(condition) {
  for (let tries = 0; tries < 2_000; tries++) {
    if (await condition()) return;
    await sleep(10);
  }
  assert.fail("not in time");
}

async function send(mesh, id, body) {
  const seconds = Math.floor(Date.now() / 1_000);
  const signature = createHmac("sha256", Buffer.from(KEY, "base64")).update(`${id}.${seconds}.${body}`).digest("base64");
  const headers = { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": `v1,${signature}` };
  const answer = await fetch(`http://${mesh.addresses[0]}/webhook/config`, { method: "POST", headers, body });
  return [answer.status, await answer.json()];
}

test("a webhook writes, and calls handlers, of which one that throws is called again", async (context) => {
  const mesh = await Mesh.start({ listen: "127.0.0.1:0", webhookSecrets: `ci=whsec_${KEY}`, webhookPaths: "app.*" });
  context.after(() => mesh.close());
  const heard = [];
  let tries = 0;
  mesh.onWebhook("*", async (name, data) => void heard.push([name, data]));
  mesh.onWebhook("myapp", () => {
    tries += 1;
    if (tries === 1) throw new Error("the pager is away");
  });
  const body = JSON.stringify({ config_name: "default", config_data: { app: { limit: 7 } } });
  assert.equal((await send(mesh, "1", body))[0], 200);
  assert.equal(mesh.get("app.limit"), 7);
  const other = JSON.stringify({ config_name: "myapp", config_data: { a: 1 } });
  const [status, answer] = await send(mesh, "2", other);
  assert.equal(status, 500);
  assert.match(JSON.stringify(answer), /threw Error: the pager is away/);
  assert.equal((await send(mesh, "2", other))[1].status, "repeated");
  assert.deepEqual(heard, [["default", { app: { limit: 7 } }], ["myapp", { a: 1 }]]);
  assert.equal(tries, 2);
  assert.throws(() => mesh.onWebhook("*"), { code: "usage" });
});

test("variables that change come into force and are told once a look", async () => {
  process.env.LIVE_LEVEL = "info";
  process.env.LIVE_HOST = "a";
  const config = open([], { sources: "env:LIVE;interval=100ms" });
  const told = [];
  const watch = watchVariables(["LIVE_LEVEL", "LIVE_HOST", "LIVE_NEW"], (changed) => told.push(changed), { interval: 50 });
  process.env.LIVE_LEVEL = "debug";
  process.env.LIVE_NEW = "";
  delete process.env.LIVE_HOST;
  await until(() => config.get("level") === "debug" && !config.has("host") && config.get("new") === "" && told.length > 0);
  assert.deepEqual(told, [{ LIVE_LEVEL: ["info", "debug"], LIVE_HOST: ["a", null], LIVE_NEW: [null, ""] }]);
  watch.close();
  config.close();
});
