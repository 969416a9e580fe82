// The built page on its own, without an instance behind it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser, openPage, root, serve } from "./stage.mjs";

let started, site;
before(async () => {
  [started, site] = await Promise.all([browser(), serve(join(root, "web-demo/dist"))]);
});
after(async () => {
  await started?.close();
  site?.close();
});

test("the page loads the WebAssembly module and shows its version without a complaint", async () => {
  const { page, complaints } = await openPage(started, site.url);
  await page.waitForFunction(() => /^\d+\.\d+\.\d+$/.test(document.querySelector("#version").textContent));
  assert.deepEqual(complaints, []);
});
