// A page of another origin that follows an instance: where it is allowed, and where it is not.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { folder, freePorts, start } from "./instances.mjs";
import { browser, openPage, served } from "./stage.mjs";

/** An instance that lets these options through, and its address. */
async function instance(t, ...options) {
  const port = await freePorts();
  const listen = `127.0.0.1:${port}`;
  const running = start(t, ["serve", "--listen", listen, "--data-dir", join(await folder(t), "data"), ...options]);
  await running.said(/listening on/);
  return { address: `ws://${listen}/sync`, port, said: running.said };
}

test("a page of an allowed origin follows an instance and writes to it", async (t) => {
  const site = await served(t);
  const { address } = await instance(t, "--allow-origin", new URL(site).origin);
  const started = await browser();
  t.after(() => started.close());
  const { page, failures } = await openPage(started, site);
  const seen = await page.evaluate(async (address) => {
    const { ConfigWebSocketClient } = await import("/client.js");
    const client = new ConfigWebSocketClient(address);
    await client.connect({ retry: false });
    await client.setConfig("features.beta", true);
    const http = address.replace("ws:", "http:").replace("/sync", "/config/default?path=features.beta");
    const read = await (await fetch(http)).json();
    const put = await fetch(http, { method: "PUT", headers: { "content-type": "application/json" }, body: "false" });
    client.close();
    return { read, status: put.status, tag: put.headers.get("etag") !== null };
  }, address);
  assert.deepEqual(seen, { read: true, status: 200, tag: true });
  assert.deepEqual(failures, []);
});

test("a page of another origin is told why it may not, and the log says it once", async (t) => {
  const site = await served(t);
  const { origin } = new URL(site);
  const { address, port, said } = await instance(t);
  const started = await browser();
  t.after(() => started.close());
  const { page } = await openPage(started, site);
  const reason = (address) => page.evaluate(async (address) => {
    const { ConfigWebSocketClient } = await import("/client.js");
    const client = new ConfigWebSocketClient(address);
    const error = await client.connect({ retry: false }).catch((error) => error);
    client.close();
    return { code: error.code, message: error.message, hint: error.hint };
  }, address);
  const refused = await reason(address);
  assert.equal(refused.code, "unreachable");
  assert.match(refused.message, /does not take pages of/);
  assert.ok(refused.hint.includes(`--allow-origin ${origin}`), refused.hint);
  await said(new RegExp(`a page of \`${origin}\` may not do this`));
  const absent = await reason(address.replace(String(port), String(port + 1)));
  assert.match(absent.message, /cannot be reached/);
});
