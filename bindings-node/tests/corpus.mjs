// Run by fallback.test.mjs: every case of the corpus through the package without its addon.
import { pathToFileURL } from "node:url";
import * as confmesh from "confmesh";

const { runCorpus } = await import(pathToFileURL(`${process.env.CONFMESH_VECTORS}/runner.mjs`));
const { playLayers } = await import(pathToFileURL(`${process.env.CONFMESH_VECTORS}/running.mjs`));
// Formats that WebAssembly leaves out for size.
runCorpus(confmesh, { play: playLayers, leftOut: ["yaml", "toml", "json5", "properties"] });
