// The Node half of the package.

/** Does nothing: everything is loaded on import. Here so that one program runs in Node and in a browser. */
export async function ready() {}

export { version } from "./native/native.js";
export {
  canonical, changes, ConfmeshError, diff, explain, hash, joinPath, matches, merge, mergePatch, mergePatchBetween,
  mergeWithProvenance, parse, parsePath, patch, threeWay,
} from "./wasm/functions.node.js";
