// The optimised module as it ships, run in Node.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { ready, version } from "../pkg/client.node.js";

const pkg = new URL("../pkg/", import.meta.url);

/** What the whole client may weigh over the wire, in bytes of brotli: a guard against growth; the aim is 150,000. */
const LIMIT = 235_000;

test("the module loads and reports a version", async () => {
  await ready();
  assert.match(version(), /^\d+\.\d+\.\d+$/);
});

test("the module imports nothing but its own glue", async () => {
  const module = await WebAssembly.compile(await readFile(new URL("confmesh_wasm_bg.wasm", pkg)));
  const imports = WebAssembly.Module.imports(module);
  assert.ok(imports.length > 0, "the glue is not linked");
  assert.deepEqual(imports.filter(({ module: from }) => !from.startsWith("./confmesh_wasm")), []);
});

test("the whole client stays small", async (t) => {
  const files = (await readdir(pkg)).filter((file) => /\.(js|wasm)$/.test(file) && !file.endsWith(".node.js"));
  assert.ok(files.includes("confmesh_wasm_bg.wasm") && files.includes("socket.js"), files.join());
  let [raw, brotli] = [0, 0];
  for (const file of files) {
    const bytes = await readFile(new URL(file, pkg));
    raw += bytes.length;
    brotli += brotliCompressSync(bytes).length;
  }
  t.diagnostic(`client: ${raw} bytes, ${brotli} with brotli, in ${files.length} files`);
  assert.ok(brotli <= LIMIT, `${brotli} bytes with brotli, at most ${LIMIT} are wanted`);
});
