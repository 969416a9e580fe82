// What the browser tests stand on: a browser and its pages.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
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

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const PAGE = '<!doctype html><link rel="icon" href="data:,"><title>page</title>';

/** The address of a server of the browser modules, with an empty page at its root. */
export async function served(t) {
  const server = createServer(async ({ url }, response) => {
    const path = new URL(url, "http://localhost").pathname;
    const body = path === "/" ? PAGE : await readFile(join(root, "bindings-wasm/pkg", path)).catch(() => undefined);
    const type = TYPES[path === "/" ? ".html" : extname(path)] ?? "application/octet-stream";
    response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}/`;
}
