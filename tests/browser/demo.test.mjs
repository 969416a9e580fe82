// The demo as a user sees it: two instances, their files, the command, and the page in a browser.
import assert from "node:assert/strict";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts, folder, run, start } from "./instances.mjs";
import { browser, openPage } from "./stage.mjs";

let started;
before(async () => {
  started = await browser();
});
after(() => started?.close());

/** The running demo, its page opened and live. */
async function demo(t, options) {
  const dir = join(await folder(t), "demo");
  const port = await freePorts();
  const { said } = start(t, ["demo", "--no-open", "--port", String(port), "--dir", dir]);
  await said(/Ctrl-C ends the demo/);
  const url = `http://127.0.0.1:${port}/`;
  const opened = await openPage(started, url, options);
  t.after(() => opened.page.close());
  await opened.page.waitForSelector('#state[data-state="live"]');
  return { ...opened, url, other: `http://127.0.0.1:${port + 1}/`, json: join(dir, "a/config.json"), yaml: join(dir, "b/config.yaml") };
}

const row = (path) => `[role="row"][data-path="${path}"]`;

/** Waits until a row shows a value. */
const shows = (page, path, text, timeout = 10_000) =>
  page.waitForFunction(
    ([selector, wanted]) => document.querySelector(`${selector} .value`)?.textContent === wanted, [row(path), text], { timeout },
  );

/** Waits until a file holds a text. */
async function holds(file, pattern) {
  const until = Date.now() + 10_000;
  for (;;) {
    const text = await readFile(file, "utf8");
    if (pattern.test(text)) return;
    assert.ok(Date.now() < until, `${file} does not hold ${pattern}:\n${text}`);
    await new Promise(setImmediate);
  }
}

async function edit(page, path, text) {
  await page.click(`${row(path)} .value`);
  await page.fill(`${row(path)} textarea`, text);
  await page.keyboard.press("Enter");
}

test("the page shows the document, its types and the instance", async (t) => {
  const { page, complaints, url } = await demo(t);
  await shows(page, "app.name", '"orders"');
  await shows(page, "app.rate_limit", "100");
  assert.equal(await page.textContent(`${row("app.maintenance")} .type`), "bool");
  assert.equal(await page.textContent(`${row("database.replicas")} .type`), "list");
  const status = await (await fetch(`${url}status`)).json();
  await page.waitForFunction((id) => document.querySelector("#instance").textContent === id, status.instance_id.slice(0, 8));
  const [{ hash }] = status.documents;
  await page.waitForFunction((short) => document.querySelector("#hash code").textContent === short, hash.slice(7, 15));
  await page.waitForFunction(() => /1 of 1 peer connected/.test(document.querySelector("#mesh-summary").textContent));
  assert.deepEqual(complaints, []);
});

test("editing the other instance's file changes the page within a second", async (t) => {
  const { page, complaints, yaml, json } = await demo(t);
  await shows(page, "app.rate_limit", "100");
  const text = await readFile(yaml, "utf8");
  await writeFile(`${yaml}.new`, text.replace("rate_limit: 100", "rate_limit: 175"));
  await rename(`${yaml}.new`, yaml);
  await shows(page, "app.rate_limit", "175", 1_000);
  assert.match(await page.getAttribute(row("app.rate_limit"), "class"), /\bflash\b/);
  await page.waitForFunction(() => /app\.rate_limit.*100.*175.*peer/.test(document.querySelector("#log li")?.textContent));
  await holds(json, /"rate_limit": 175/);
  assert.match(await readFile(yaml, "utf8"), /rate_limit: 175 # requests per second and client/);
  assert.deepEqual(complaints, []);
});

test("an edit in the page changes both files, and can be taken back", async (t) => {
  const { page, complaints, json, yaml } = await demo(t);
  await edit(page, "features.new_checkout", "true");
  await shows(page, "features.new_checkout", "true");
  await Promise.all([holds(json, /"new_checkout": true/), holds(yaml, /new_checkout: true # waiting for the payment team/)]);
  await page.click("#undo:enabled");
  await Promise.all([holds(json, /"new_checkout": false/), holds(yaml, /new_checkout: false/)]);
  await shows(page, "features.new_checkout", "false");
  assert.deepEqual(complaints, []);
});

test("keys are added and removed, also inside lists", async (t) => {
  const { page, complaints, json, yaml } = await demo(t);
  await page.click("#add:enabled");
  await page.fill('.new-key [aria-label="New key"]', "region");
  await page.fill(".new-key textarea", '"eu"');
  await page.keyboard.press("Enter");
  await shows(page, "region", '"eu"');
  await Promise.all([holds(json, /"region": "eu"/), holds(yaml, /region: eu/)]);
  await page.click(`${row("region")} [aria-label="Remove region"]`);
  await page.waitForSelector(row("region"), { state: "detached" });
  await edit(page, "database.replicas.1", '"db-9.internal"');
  await shows(page, "database.replicas.1", '"db-9.internal"');
  await Promise.all([holds(json, /"db-1.internal",\s+"db-9.internal"/), holds(yaml, /- db-9.internal/)]);
  assert.doesNotMatch(await readFile(json, "utf8"), /region/);
  assert.deepEqual(complaints, []);
});

test("a value that is no JSON is refused where it is typed", async (t) => {
  const { page, complaints } = await demo(t);
  await edit(page, "app.name", "shop");
  await page.waitForFunction(() => /Texts stand in quotes/.test(document.querySelector(".editor .message").textContent));
  assert.equal(await page.getAttribute(".editor textarea", "aria-invalid"), "true");
  await page.click(".editor .message .link");
  await shows(page, "app.name", '"shop"');
  await edit(page, "app.rate_limit", "[1,");
  await page.waitForFunction(() => /Not a value yet/.test(document.querySelector(".editor .message").textContent));
  await page.keyboard.press("Escape");
  await shows(page, "app.rate_limit", "100");
  assert.deepEqual(complaints, []);
});

test("`confmesh set` shows up, with its cause", async (t) => {
  const { page, complaints, url } = await demo(t);
  await run("set", "app.rate_limit", "321", "--url", url);
  await shows(page, "app.rate_limit", "321");
  await page.waitForFunction(() => /app\.rate_limit.*100.*321.*shared layer/.test(document.querySelector("#log li")?.textContent));
  assert.deepEqual(complaints, []);
});

test("a key that the environment decides says so, and so does an edit of it", async (t) => {
  const { page, complaints, yaml } = await demo(t);
  await page.waitForFunction((selector) => document.querySelector(`${selector} .badge.wins`)?.textContent === "env:DEMO", row("log_level"));
  await page.click(`${row("log_level")} .key`);
  await page.waitForFunction(() => /env:DEMO decides/.test(document.querySelector("#explain .verdict")?.textContent));
  const account = await page.textContent("#explain");
  assert.match(account, /variable DEMO_LOG_LEVEL/);
  assert.match(account, /shared layerconfig\.json:\d+/);
  await edit(page, "log_level", '"warn"');
  await page.waitForFunction(
    (selector) => document.querySelector(`${selector} .note:not([hidden])`)?.textContent.includes("Saved in the shared layer, but env:DEMO still wins here."),
    row("log_level"),
  );
  await shows(page, "log_level", '"debug"');
  await holds(yaml, /log_level: warn/);
  await page.waitForFunction(() => [...document.querySelectorAll(".candidate")].some((one) => /shared layer.*"warn"overridden/.test(one.textContent)));
  if (process.env.CONFMESH_SCREENSHOT) await screenshot(page, process.env.CONFMESH_SCREENSHOT);
  assert.deepEqual(complaints, []);
});

/** The picture of the README: at most 200 kB. */
async function screenshot(page, path) {
  await edit(page, "app.rate_limit", "250");
  await page.waitForFunction(() => /app\.rate_limit/.test(document.querySelector("#log li")?.textContent));
  await page.click(`${row("log_level")} .key`);
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
  await page.setViewportSize({ width: 1280, height: 960 });
  await page.screenshot({ path });
  assert.ok((await stat(path)).size <= 200_000, "the picture is too large");
}

test("the page says when its instance is gone, keeps edits, and recovers", async (t) => {
  const dir = await folder(t);
  const file = join(dir, "config.json");
  await writeFile(file, '{ "rate": 1 }\n');
  const port = await freePorts();
  const serve = async () => {
    const instance = start(t, ["serve", "--bind", file, "--listen", `127.0.0.1:${port}`]);
    await instance.said(/listening on/);
    return instance;
  };
  const first = await serve();
  const { page, failures } = await openPage(started, `http://127.0.0.1:${port}/`);
  t.after(() => page.close());
  await shows(page, "rate", "1");
  await first.end("SIGKILL");
  await page.waitForSelector('#state[data-state="lost"]');
  assert.match(await page.textContent("#state"), /Reconnecting/);
  await edit(page, "rate", "2");
  await shows(page, "rate", "2");
  await page.waitForFunction(() => /1 edit not confirmed/.test(document.querySelector("#summary").textContent));
  assert.match(await readFile(file, "utf8"), /"rate": 1/);
  await serve();
  await page.waitForSelector('#state[data-state="live"]');
  await holds(file, /"rate": 2/);
  await page.waitForFunction(() => !/not confirmed/.test(document.querySelector("#summary").textContent));
  assert.deepEqual(failures, []);
});

test("the page says when a peer is gone, and when it is back", async (t) => {
  const dir = await folder(t);
  const port = await freePorts();
  const serve = async (name, listen, peer) => {
    const bound = ["--bind", join(dir, name, "config.json"), "--listen", `127.0.0.1:${listen}`, "--peer", `ws://127.0.0.1:${peer}/sync`];
    const instance = start(t, ["serve", ...bound, "--found-after", "100"]);
    await instance.said(/listening on/);
    return instance;
  };
  for (const name of ["a", "b"]) {
    await mkdir(join(dir, name));
    await writeFile(join(dir, name, "config.json"), '{ "x": 1 }\n');
  }
  await serve("a", port, port + 1);
  const { page, failures } = await openPage(started, `http://127.0.0.1:${port}/`);
  t.after(() => page.close());
  const other = await serve("b", port + 1, port);
  const peers = (text) => page.waitForFunction((wanted) => document.querySelector("#mesh-summary").textContent === wanted, text);
  await peers("1 of 1 peer connected");
  await other.end("SIGKILL");
  await peers("0 of 1 peer connected");
  assert.match(await page.textContent("#mesh"), /not reachable|connecting/);
  // Both sides write the same key while they are apart: what lost is listed.
  await run("set", "x", "2", "--url", `http://127.0.0.1:${port}`);
  await writeFile(join(dir, "b", "config.json"), '{ "x": 3 }\n');
  await serve("b", port + 1, port);
  await peers("1 of 1 peer connected");
  await page.waitForFunction(() => /Simultaneous edits.*x.*[23] is in force, [23] lost/s.test(document.querySelector("#mesh").textContent));
  assert.deepEqual(failures, []);
});

for (const width of [360, 1400]) {
  test(`nothing is cut off at ${width} pixels`, async (t) => {
    const { page } = await demo(t, { viewport: { width, height: 800 } });
    await shows(page, "app.rate_limit", "100");
    await edit(page, "database.replicas.0", '"a-rather-long-name-of-a-replica-in-some-far-away-region.internal.example"');
    await shows(page, "database.replicas.0", '"a-rather-long-name-of-a-replica-in-some-far-away-region.internal.example"');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  });
}

test("the tree is worked with the keyboard alone", async (t) => {
  const { page, complaints } = await demo(t);
  await page.focus(`${row("app")} .key`);
  await page.keyboard.press("ArrowLeft");
  await page.waitForSelector(row("app.name"), { state: "detached" });
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector(row("app.name"));
  for (let step = 0; step < 3; step++) await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "app.rate_limit");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("7");
  await page.keyboard.press("Enter");
  await shows(page, "app.rate_limit", "7");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "app.rate_limit");
  assert.deepEqual(complaints, []);
});

test("the page never shows a secret: not in its row, its editor, its explanation or the list of changes", async (t) => {
  const dir = await folder(t);
  const port = await freePorts();
  const file = join(dir, "config.json");
  await writeFile(file, JSON.stringify({ name: "shop", db: { host: "h", password: "hunter2" } }));
  const url = `http://127.0.0.1:${port}/`;
  const { said } = start(t, ["serve", "--bind", file, "--listen", `127.0.0.1:${port}`, "--secret", "db.password", "--found-after", "50"]);
  await said(/page {2}http/);
  const { page, complaints } = await openPage(started, url);
  t.after(() => page.close());
  await shows(page, "db.password", "***");
  await shows(page, "db.host", '"h"');
  await page.click(`${row("db.password")} .key`);
  await page.waitForFunction(() => /\*\*\*/.test(document.querySelector("#explain").textContent));
  await page.click(`${row("db.password")} .value`);
  assert.equal(await page.inputValue(`${row("db.password")} textarea`), '""');
  await page.fill(`${row("db.password")} textarea`, '"hunter3"');
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /db\.password.*\*\*\*.*\*\*\*/.test(document.querySelector("#log li")?.textContent));
  assert.equal(await run("get", "db.password", "--url", url), "hunter3\n");
  await page.click(`${row("db")} .value`);
  await page.waitForFunction((selector) => /edit the keys one by one/.test(document.querySelector(selector)?.textContent), row("db"));
  assert.doesNotMatch(await page.content(), /hunter/);
  assert.deepEqual(complaints, []);
});
