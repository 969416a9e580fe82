// The Node half of the package: everything comes from the native addon.

/** Does nothing: the addon is loaded on import. Here so that one program runs in Node and in a browser. */
export async function ready() {}

export * from "./lib/functions.js";
export { Config, Mesh, open, openAsync, rebuild, Reports, Subscription } from "./lib/live.js";
export { watchVariables } from "./lib/variables.js";
export { ConfmeshError } from "./lib/native.js";
