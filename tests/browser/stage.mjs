// What the browser tests stand on: a browser and its pages.
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const { chromium } = createRequire(join(root, "scripts/node-tools/package.json"))("playwright-core");

/** Starts a headless browser; `CONFMESH_CHROMIUM` names another executable. */
export function browser() {
  return chromium.launch({
    executablePath: process.env.CONFMESH_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

/** Opens `url`; `complaints` are errors and warnings of the console and uncaught errors, `failures` the latter alone. */
export async function openPage(started, url, options) {
  const page = await started.newPage(options);
  const complaints = [];
  const failures = [];
  page.on("console", (line) => ["error", "warning"].includes(line.type()) && complaints.push(line.text()));
  page.on("pageerror", (error) => {
    complaints.push(String(error));
    failures.push(String(error));
  });
  await page.goto(url);
  return { page, complaints, failures };
}
