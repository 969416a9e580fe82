// The packed package in pages as people make them: Vite, webpack, esbuild, a module and an import map, each run in a browser
// against an instance of another origin.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { folder, freePorts, start } from "./instances.mjs";
import { browser, openPage, root } from "./stage.mjs";

const tools = createRequire(join(root, "scripts/node-tools/package.json"));
/** What a page does with both halves of the package. `LOAD` says where the modules are, for who cannot find them. */
const PROGRAM = `
import { merge, ready } from "confmesh";
import { bindElements, ConfigWebSocketClient, ready as clientReady } from "confmesh/client";
LOAD
await Promise.all([ready(MAIN), clientReady(CLIENT)]);
const { search } = new URL(location.href);
const [address, name] = [new URLSearchParams(search).get("instance"), new URLSearchParams(search).get("name")];
const client = new ConfigWebSocketClient(address, { root: null });
await client.connect({ retry: false });
bindElements(client);
await client.setConfig(\`built.\${name}\`, true);
client.close();
globalThis.result = { port: merge([{ id: "a", value: { port: 1 } }, { id: "b", value: { port: 2 } }]).port, built: document.querySelector("b").textContent };
`;
const PAGE = (name, head) => `<!doctype html><link rel="icon" href="data:,"><title>${name}</title><b data-config="built.${name}"></b>${head}`;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

const ends = [];
const t = { after: (end) => ends.push(end) };
let dir, started, address, site;

before(async () => {
  dir = await folder(t);
  const packed = (await readdir(join(root, "target/node"))).find((file) => /^confmesh-.*\.tgz$/.test(file));
  assert.ok(packed, "run scripts/build-node.sh");
  await mkdir(join(dir, "node_modules/confmesh"), { recursive: true });
  execFileSync("tar", ["xzf", join(root, "target/node", packed), "-C", join(dir, "node_modules/confmesh"), "--strip-components=1", "--exclude=*.node"]);
  await writeFile(join(dir, "package.json"), '{ "private": true, "type": "module" }');
  const port = await freePorts();
  const running = start(t, ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", join(dir, "data"), "--allow-origin", "http://127.0.0.1:*"]);
  address = `ws://127.0.0.1:${port}/sync`;
  const server = createServer(async ({ url }, response) => {
    const path = new URL(url, "http://localhost").pathname;
    const body = await readFile(join(dir, path)).catch(() => undefined);
    response.writeHead(body === undefined ? 404 : 200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  site = `http://127.0.0.1:${server.address().port}`;
  started = await browser();
  t.after(() => started.close());
  await running.said(/listening on/);
});
after(async () => {
  for (const end of ends.reverse()) await end();
});

/** A folder with the program and a page for it. */
async function app(name, { head = '<script type="module" src="./main.js"></script>', load = "", main = "", client = "" } = {}) {
  const own = join(dir, name);
  await mkdir(own);
  await writeFile(join(own, "main.js"), PROGRAM.replace("LOAD", load).replace("MAIN", main).replace("CLIENT", client));
  await writeFile(join(own, "index.html"), PAGE(name, head));
  return own;
}

/** Opens the page, which has to do its work without a complaint. */
async function runs(name, url) {
  const { page, complaints } = await openPage(started, `${url}?name=${name}&instance=${encodeURIComponent(address)}`);
  await page.waitForFunction(() => globalThis.result !== undefined, undefined, { timeout: 20_000 }).catch((error) => {
    throw new Error(`${error.message}\n${complaints.join("\n")}`);
  });
  assert.deepEqual(await page.evaluate(() => globalThis.result), { port: 1, built: "true" });
  assert.deepEqual(complaints, []);
  await page.close();
}

test("a plain module page with an import map, as the package lies there", async () => {
  const imports = { confmesh: "/node_modules/confmesh/browser.js", "confmesh/client": "/node_modules/confmesh/wasm/client.js" };
  const head = `<script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="./main.js"></script>`;
  await app("importmap", { head });
  await runs("importmap", `${site}/importmap/index.html`);
});

test("a plain module page that names the files itself", async () => {
  const own = await app("module");
  const program = await readFile(join(own, "main.js"), "utf8");
  const named = program.replace('"confmesh"', '"/node_modules/confmesh/browser.js"').replace('"confmesh/client"', '"/node_modules/confmesh/wasm/client.js"');
  await writeFile(join(own, "main.js"), named);
  await runs("module", `${site}/module/index.html`);
});

test("Vite builds it, and serves it while one develops", async () => {
  const own = await app("vite");
  const { build, createServer } = await import(pathToFileURL(join(root, "scripts/node-tools/node_modules/vite/dist/node/index.js")));
  const common = { root: own, configFile: false, logLevel: "error", cacheDir: join(dir, "vite-cache") };
  await build({ ...common, base: "./", build: { outDir: join(dir, "vite-out"), target: "esnext" } });
  await runs("vite", `${site}/vite-out/index.html`);
  const server = await createServer({ ...common, server: { host: "127.0.0.1", port: 0, fs: { allow: [dir] } } });
  try {
    await server.listen();
    await runs("vite", `http://127.0.0.1:${server.httpServer.address().port}/index.html`);
  } finally {
    await server.close();
  }
});

test("webpack builds it", async () => {
  const own = await app("webpack");
  const webpack = tools("webpack");
  const compiler = webpack({
    mode: "production", context: own, entry: "./main.js", devtool: false, experiments: { topLevelAwait: true, outputModule: true },
    output: { path: join(dir, "webpack-out"), filename: "main.js", module: true }, resolve: { modules: [join(dir, "node_modules")] },
    performance: false, cache: false,
  });
  const stats = await new Promise((resolve, reject) => compiler.run((error, stats) => (error ? reject(error) : resolve(stats))));
  assert.equal(stats.toString({ all: false, errors: true, warnings: true }), "");
  await writeFile(join(dir, "webpack-out/index.html"), PAGE("webpack", '<script type="module" src="./main.js"></script>'));
  await runs("webpack", `${site}/webpack-out/index.html`);
});

test("esbuild builds it, with the modules as files", async () => {
  const load = 'import mainWasm from "confmesh/confmesh.wasm";\nimport clientWasm from "confmesh/client.wasm";';
  const own = await app("esbuild", { load, main: "new URL(mainWasm, import.meta.url)", client: "new URL(clientWasm, import.meta.url)" });
  const out = join(dir, "esbuild-out");
  await tools("esbuild").build({
    entryPoints: [join(own, "main.js")], bundle: true, format: "esm", outdir: out, loader: { ".wasm": "file" }, logLevel: "error",
  });
  await writeFile(join(out, "index.html"), PAGE("esbuild", '<script type="module" src="./main.js"></script>'));
  await runs("esbuild", `${site}/esbuild-out/index.html`);
});
