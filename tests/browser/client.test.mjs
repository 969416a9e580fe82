// The client in a page against a real instance of another origin: what it shows, what it keeps, and what others lock.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { folder, freePorts, start } from "./instances.mjs";
import { browser, openPage, root, served } from "./stage.mjs";

let started;
before(async () => {
  started = await browser();
});
after(() => started?.close());

/** An instance that takes pages of `site`; `again()` starts it after an `end()`. */
async function instance(t, site) {
  const listen = `127.0.0.1:${await freePorts()}`;
  const data = join(await folder(t), "data");
  const begin = async () => {
    const running = start(t, ["serve", "--listen", listen, "--data-dir", data, "--allow-origin", new URL(site).origin]);
    await running.said(/listening on/);
    return running;
  };
  const first = await begin();
  return { address: `ws://${listen}/sync`, end: first.end, again: begin };
}

/** A page of another origin with these elements, and a client there that follows the instance. */
async function following(t, html, options = {}) {
  const site = await served(t);
  const running = await instance(t, site);
  const context = await started.newContext();
  t.after(() => context.close());
  const { page, failures } = await openPage(context, site);
  await page.evaluate(async ([address, html, options]) => {
    document.body.innerHTML = html;
    const module = await import("/client.js");
    window.confmesh = module;
    window.client = new module.ConfigWebSocketClient(address, options);
    await window.client.connect();
  }, [running.address, html, options]);
  return { context, page, failures, site, ...running };
}

test("elements show what is there, as text and never as markup, whatever their keys are called", async (t) => {
  const html = `
    <h1 data-config="app.title">before</h1> <input id="rate" data-config="app.rate"> <input id="on" type="checkbox" data-config="app.on">
    <select id="level" data-config="/app/level"><option>info<option>debug</select> <textarea id="list" data-config="app.list"></textarea>
    <p id="odd"></p> <p id="own" data-config="none.such">own words</p> <p id="foreign" data-config='{"json": [1]}'>foreign</p>
    <script id="run" type="text/plain" data-config="app.script">nothing</script> <style id="style" data-config="app.script"></style>
    <input type="radio" name="level" id="radio" value="debug" data-config="app.level">`;
  const { page, failures } = await following(t, html);
  const shown = await page.evaluate(async () => {
    const { client, confmesh } = window;
    const odd = document.querySelector("#odd");
    const key = confmesh.joinPath(['a"]', "<b>.c"]);
    odd.setAttribute("data-config", key);
    const markup = '<img src=x onerror="window.broken = true"><b>bold</b>';
    await client.patchConfig([{
      op: "add", path: "/app", value: { title: markup, rate: 200, on: true, level: "debug", list: [1, { b: null }], script: "window.broken = true" },
    }]);
    await client.setConfig(key, 18446744073709551615n);
    await client.setConfig("app.rate", 201);
    const of = (id) => document.querySelector(id);
    return {
      markup, title: of("h1").textContent, children: of("h1").children.length, rate: of("#rate").value, on: of("#on").checked,
      level: of("#level").value, list: of("#list").value, odd: odd.textContent, own: of("#own").textContent,
      foreign: of("#foreign").textContent, never: of("#run").textContent + of("#style").textContent, radio: of("#radio").checked,
      broken: window.broken,
    };
  });
  assert.deepEqual(shown, {
    markup: shown.markup, title: shown.markup, children: 0, rate: "201", on: true, level: "debug", list: '[1,{"b":null}]',
    odd: "18446744073709551615", own: "own words", foreign: "foreign", never: "nothing", radio: true, broken: undefined,
  });
  const removed = await page.evaluate(async () => {
    await window.client.unsetConfig("app");
    return [document.querySelector("h1").textContent, document.querySelector("#on").checked];
  });
  assert.deepEqual(removed, ["", false]);
  assert.deepEqual(failures, []);
});

test("a binding takes elements in that come later, writes what is entered, says what is refused, and ends", async (t) => {
  const { page, failures } = await following(t, '<main><input id="rate" data-config="rate"></main>', { root: null });
  await page.evaluate(async () => {
    const { client, confmesh } = window;
    await client.setConfig("rate", 100);
    await client.setConfig("name", "n");
    window.binding = confmesh.bindElements(client, { root: document.querySelector("main"), write: true });
  });
  assert.equal(await page.inputValue("#rate"), "100");
  await page.evaluate(() => document.querySelector("main").insertAdjacentHTML("beforeend", '<p><b id="late" data-config="name"></b></p>'));
  await page.waitForFunction(() => document.querySelector("#late").textContent === "n");
  await page.fill("#rate", "250");
  await page.press("#rate", "Tab");
  await page.waitForFunction(() => window.client.getConfig("rate") === 250 && window.client.pendingWrites === 0);
  await page.evaluate(() => {
    window.client.setConfig = async () => {
      throw Object.assign(new Error("`rate` is at most 300"), { code: "invalid" });
    };
  });
  await page.fill("#rate", "999");
  await page.press("#rate", "Tab");
  await page.waitForFunction(() => document.querySelector("#rate").validationMessage === "`rate` is at most 300");
  const after = await page.evaluate(async () => {
    window.binding.close();
    delete window.client.setConfig;
    await window.client.setConfig("name", "later");
    return document.querySelector("#late").textContent;
  });
  assert.equal(after, "n");
  assert.deepEqual(failures, []);
});

test("what others lock, and what they no longer do, is an event, and their hand is refused", async (t) => {
  const { page, address } = await following(t, "");
  const told = await page.evaluate(async (address) => {
    const { client, confmesh } = window;
    const other = new confmesh.ConfigWebSocketClient(address);
    await other.connect();
    const next = (event) => new Promise((resolve) => client.on(event, resolve));
    const [locked, unlocked] = [next("config_locked"), next("config_unlocked")];
    const lock = await other.call("lock", { key: "app.**", holder: "deploy" });
    const { key, holder, token } = await locked;
    const refused = await client.setConfig("app.rate", 1).catch((error) => error);
    await other.call("release_lock", { key: "app.**", token: lock.token, session: lock.session });
    await unlocked;
    const { changed } = await client.setConfig("app.rate", 1);
    const same = await client.setConfig("app.rate", 1);
    other.close();
    return { key, holder, known: String(lock.token) === token, refused: refused.code, changed, same: same.changed };
  }, address);
  assert.deepEqual(told, { key: "app.**", holder: "deploy", known: true, refused: "locked", changed: ["app.rate"], same: [] });
});

test("edits that no instance has answered outlive their page, and the next one sends them once", async (t) => {
  const { context, page, site, address, end, again } = await following(t, "", { keepEdits: "ada", maxDelay: 200 });
  const kept = (page) => page.evaluate(() => new Promise((resolve, reject) => {
    const opening = indexedDB.open("confmesh", 1);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const all = opening.result.transaction("edits").objectStore("edits").getAll();
      all.onsuccess = () => {
        opening.result.close();
        resolve(all.result.flatMap((text) => JSON.parse(text).map((frame) => JSON.parse(frame).config_key)));
      };
    };
  }));
  await page.evaluate(() => window.client.setConfig("before", 1));
  await end();
  await page.evaluate(() => {
    for (const [key, value] of [["offline.a", 1], ["offline.b", "x"]]) window.client.setConfig(key, value).catch(() => {});
  });
  await until(async () => (await kept(page)).length === 2);
  // A page that lives keeps its own: another one of the same person takes nothing of it.
  const other = await context.newPage();
  await other.goto(site);
  const beside = await other.evaluate(async (address) => {
    const { ConfigWebSocketClient } = await import("/client.js");
    const client = new ConfigWebSocketClient(address, { keepEdits: "ada" });
    client.connect();
    client.setConfig("beside", true).catch(() => {});
    while (client.getConfig("beside") !== true) await new Promise((resolve) => setTimeout(resolve, 5));
    return client.getConfig("offline");
  }, address);
  assert.equal(beside, undefined);
  await page.close();
  await other.close();
  await again();
  const last = await context.newPage();
  await last.goto(site);
  const sent = await last.evaluate(async (address) => {
    const { ConfigWebSocketClient } = await import("/client.js");
    const stranger = new ConfigWebSocketClient(address, { keepEdits: "ben" });
    await stranger.connect();
    const ofOthers = stranger.pendingWrites;
    window.client = new ConfigWebSocketClient(address, { keepEdits: "ada" });
    await window.client.connect();
    while (window.client.pendingWrites > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    return { ofOthers, shown: window.client.getConfig() };
  }, address);
  assert.deepEqual(sent, { ofOthers: 0, shown: { before: 1, offline: { a: 1, b: "x" }, beside: true } });
  await until(async () => (await kept(last)).length === 0);
  const http = address.replace("ws:", "http:").replace("/sync", "/config/default");
  assert.deepEqual(await (await fetch(http)).json(), sent.shown);
});

test("the client's printed program runs in a page", async (t) => {
  const { page, address } = await following(t, '<b data-config="app.ui.theme"></b>', { root: null, store: null });
  const program = (await readFile(join(root, "bindings-node/tests/followed.mjs"), "utf8")).replace("ws://localhost:8765", address);
  const said = [];
  page.on("console", (line) => said.push(line.text()));
  await page.evaluate(async (program) => {
    window.appConfig = { app: { ui: 0 } };
    window.updateFeatureFlags = () => console.log("flags updated");
    const script = program.replace('"confmesh/client"', `"${location.origin}/client.js"`);
    await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    const { client } = window;
    for (const [key, value] of [["other.key", 1], ["app.database.host", "db"], ["app.features.beta", true], ["app.ui.theme", "<i>dark</i>"]]) {
      await client.setConfig(key, value);
    }
  }, program);
  await until(() => said.length >= 6);
  assert.deepEqual(said, [
    "Configuration changed: app.database.host = db", "Database configuration changed, considering reconnection...",
    "Configuration changed: app.features.beta = true", "Feature flag changed, updating UI...", "flags updated",
    "Configuration changed: app.ui.theme = <i>dark</i>",
  ]);
  await page.waitForFunction(() => document.querySelector("b").textContent === "<i>dark</i>");
  const local = await page.evaluate(() => window.appConfig);
  assert.deepEqual(local, { app: { ui: { theme: "<i>dark</i>" }, database: { host: "db" }, features: { beta: true } } });
});

/** Waits until `holds` says so. */
async function until(holds) {
  const end = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`this never came true: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
