// The half of the package that works here: over the native addon, or over WebAssembly where none fits.
"use strict";

/** Why there is no addon; nothing where there is one. `CONFMESH_WASM=1` does without. */
function lacking() {
  if (process.env.CONFMESH_WASM === "1") return "CONFMESH_WASM is 1";
  try {
    require("../native/native.cjs");
    return undefined;
  } catch (error) {
    return String(error?.cause?.message ?? error?.message ?? error);
  }
}

const why = lacking();
if (why === undefined) {
  module.exports = require("./half.js");
} else {
  module.exports = require("./fallback.js");
  const message = `no addon of confmesh fits ${process.platform}-${process.arch}: it runs over WebAssembly, reads files once, and has no \`Mesh\``;
  process.emitWarning(message, { type: "ConfmeshWarning", code: "fallback", detail: why });
}
