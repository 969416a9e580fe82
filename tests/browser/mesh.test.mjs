// What is wrong between instances and with their files, as the page shows it until it is over.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts, folder, run, start } from "./instances.mjs";
import { browser, openPage } from "./stage.mjs";

let started;
before(async () => {
  started = await browser();
});
after(() => started?.close());

/** An instance on a port of 127.0.0.1. */
async function serve(t, dir, port, ...options) {
  const instance = start(t, ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", join(dir, `data-${port}`), ...options]);
  await instance.said(/listening on/);
  return `http://127.0.0.1:${port}`;
}

async function opened(t, url) {
  const found = await openPage(started, `${url}/`);
  t.after(() => found.page.close());
  return found;
}

/** Waits until the panel of the mesh holds words in this order. */
const tells = (page, ...words) =>
  page.waitForFunction((wanted) => {
    let text = document.querySelector("#mesh").textContent;
    return wanted.every((word) => {
      const at = text.indexOf(word);
      text = text.slice(at + word.length);
      return at >= 0;
    });
  }, words, { timeout: 20_000 });

const isGone = (page, word) => page.waitForFunction((gone) => !document.querySelector("#mesh").textContent.includes(gone), word, { timeout: 20_000 });

test("two documents that were both in use are told with what settles it, and what was given up is kept until a button is pressed", async (t) => {
  const dir = await folder(t);
  const port = await freePorts();
  await writeFile(join(dir, "a.json"), '{"who": "a"}');
  await writeFile(join(dir, "b.json"), '{"who":"b","own":1}');
  const b = await serve(t, dir, port, "--bind", join(dir, "b.json"), "--peer", `ws://127.0.0.1:${port + 1}/sync`, "--found-after", "50", "--old-after", "0");
  for (let age; age !== "old";) age = (await (await fetch(`${b}/status`)).json()).documents[0].age;
  const a = await serve(t, dir, port + 1, "--bind", join(dir, "a.json"), "--old-after", "0");
  const { page, complaints } = await opened(t, b);
  await tells(page, "another document", "Another document", "apart", `confmesh join --adopt ${b} --url ${a}`, `confmesh join --adopt ${a} --url ${b}`);
  const dialed = await opened(t, a);
  await tells(dialed.page, "Another document", `confmesh join --adopt ${a} --url URL-OF-THE-OTHER`);

  const command = (await page.locator("#mesh .command code").allTextContents()).at(-1).split(" ");
  assert.equal(command.shift(), "confmesh");
  await run(...command);
  await tells(page, "another document");
  await run(...command, "--yes");
  await isGone(page, "Another document");
  await tells(page, "in step", "Kept from before", "1: the document that was given up", "Not needed", "b.json.", `confmesh kept 1 --url ${b}`);
  assert.doesNotMatch(await page.textContent("#mesh"), /"own"/, "its text may hold secrets");

  const questions = [];
  let answer = false;
  page.on("dialog", (dialog) => {
    questions.push(dialog.message());
    return answer ? dialog.accept() : dialog.dismiss();
  });
  const button = page.getByRole("button", { name: "Number 1 is not needed any more" });
  await button.click();
  assert.match(questions[0], /the document that was given up, is not needed any more\? The copy b\.json\..* stays where it is\./);
  assert.equal(JSON.parse(await run("kept", "--json", "--url", b)).kept.length, 1, "nobody said so");
  answer = true;
  await button.focus();
  await page.keyboard.press("Enter");
  await isGone(page, "Kept from before");
  assert.deepEqual(JSON.parse(await run("kept", "--json", "--url", b)).kept, []);
  assert.deepEqual([complaints, dialed.complaints], [[], []]);
});

test("a button keeps the focus while the panel is drawn anew", async (t) => {
  const dir = await folder(t);
  const port = await freePorts();
  await writeFile(join(dir, "a.json"), '{"who": "a"}');
  await writeFile(join(dir, "b.json"), '{"who": "b"}');
  const a = await serve(t, dir, port, "--bind", join(dir, "a.json"));
  await run("set", "limit", "1", "--url", a);
  const b = await serve(t, dir, port + 1, "--bind", join(dir, "b.json"), "--peer", `ws://127.0.0.1:${port}/sync`);
  const { page } = await opened(t, b);
  await tells(page, "Kept from before", "1: the file as it was before this instance joined");
  await page.locator('[data-act="confirm-1"]').focus();
  const before = await page.locator("#mesh dl").elementHandle();
  await run("set", "limit", "2", "--url", a);
  await page.waitForFunction((old) => !old.isConnected, before);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.act), "confirm-1");
});

test("other rules of a peer, what the bound file cannot hold and what the schema withholds are listed, with why", async (t) => {
  const dir = await folder(t);
  const port = await freePorts();
  await writeFile(join(dir, "config.toml"), "port = 80\n");
  await writeFile(join(dir, "schema.json"), '{"fields": {"port": {"type": "integer", "max": 100}}}');
  await writeFile(join(dir, "policy.json"), '[{"pattern": "app.*", "conflict": "manual_resolution"}]');
  const free = await serve(t, dir, port, "--found-after", "50", "--policy", join(dir, "policy.json"));
  await run("set", "port", "80", "--url", free);
  const bound = await serve(
    t, dir, port + 1, "--bind", join(dir, "config.toml"), "--schema", join(dir, "schema.json"), "--peer", `ws://127.0.0.1:${port}/sync`,
  );
  const { page, complaints } = await opened(t, bound);
  const [{ instance_id: other }] = (await (await fetch(`${bound}/status`)).json()).peers;
  await tells(page, "other rules", `instance ${other.slice(0, 8)} settles conflicts`);
  await run("set", "owner", "null", "--url", free);
  await tells(page, "Not in config.toml", "owner", "left out", "TOML cannot hold null");
  await run("set", "port", "101", "--url", free);
  await tells(page, "Withheld", "port", "withheld", "100");
  await run("set", "port", "99", "--url", free);
  await isGone(page, "Withheld");
  await run("set", "owner", "ann", "--url", free);
  await isGone(page, "Not in config.toml");
  assert.match(await readFile(join(dir, "config.toml"), "utf8"), /owner = "ann"/);
  assert.deepEqual(complaints, []);
});
