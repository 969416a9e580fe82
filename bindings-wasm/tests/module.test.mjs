// The optimised module as it ships, run in Node.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { ready, version } from "../pkg/client.node.js";

test("the module loads and reports a version", async () => {
  await ready();
  assert.match(version(), /^\d+\.\d+\.\d+$/);
});

test("the module imports nothing but its own glue", async () => {
  const module = await WebAssembly.compile(await readFile(new URL("../pkg/confmesh_wasm_bg.wasm", import.meta.url)));
  const strangers = WebAssembly.Module.imports(module).filter(({ module: from }) => !from.startsWith("./confmesh_wasm"));
  assert.deepEqual(strangers, []);
});
