// Whole replicas over WebAssembly in Node: `fetch` cannot read the file beside this script, so it is loaded here.
import { readFileSync } from "node:fs";
import { initSync } from "./confmesh_wasm.js";

initSync({ module: readFileSync(new URL("./confmesh_wasm_bg.wasm", import.meta.url)) });

export * from "./replica.js";
