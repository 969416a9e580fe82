// The optimised module as it ships, run in Node.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { ready, version } from "../pkg/client.node.js";

const pkg = new URL("../pkg/", import.meta.url);

/** What each may weigh over the wire, in bytes of brotli: the aim for the client, guards against growth for the others. */
const LIMITS = { client: [pkg, 148_000], algebra: [new URL("full/", pkg), 382_000], replica: [new URL("replica/", pkg), 187_000] };

test("the module loads and reports a version", async () => {
  await ready();
  assert.match(version(), /^\d+\.\d+\.\d+$/);
});

for (const [name, [folder, limit]] of Object.entries(LIMITS)) {
  test(`the module of the ${name} imports nothing but its own glue`, async () => {
    const module = await WebAssembly.compile(await readFile(new URL("confmesh_wasm_bg.wasm", folder)));
    const imports = WebAssembly.Module.imports(module);
    assert.ok(imports.length > 0, "the glue is not linked");
    assert.deepEqual(imports.filter(({ module: from }) => !from.startsWith("./confmesh_wasm")), []);
  });

  test(`the ${name} stays small`, async (t) => {
    const files = (await readdir(folder)).filter((file) => /\.(js|wasm)$/.test(file) && !file.endsWith(".node.js"));
    assert.ok(files.includes("confmesh_wasm_bg.wasm") && files.includes("loading.js"), files.join());
    let [raw, brotli] = [0, 0];
    for (const file of files) {
      const bytes = await readFile(new URL(file, folder));
      raw += bytes.length;
      brotli += brotliCompressSync(bytes).length;
    }
    t.diagnostic(`${name}: ${raw} bytes, ${brotli} with brotli, in ${files.length} files`);
    assert.ok(brotli <= limit, `${brotli} bytes with brotli, at most ${limit} are wanted`);
  });
}

test("the module of the client leaves to the other one what only that needs", async () => {
  const small = await readFile(new URL("confmesh_wasm_bg.wasm", pkg));
  const exported = WebAssembly.Module.exports(await WebAssembly.compile(small)).map(({ name }) => name);
  assert.ok(exported.includes("guestengine_set") && !exported.includes("mergeText"), exported.join());
});
