// The package over the native addon: what Node has where an addon fits.

/** Does nothing: the addon is loaded on import. Here so that one program runs in Node and in a browser. */
export async function ready() {}

export * from "./functions.js";
export { Config, Mesh, open, openAsync, rebuild, Reports, restore, Subscription } from "./live.js";
export { SyncPerformanceMonitor } from "./monitor.js";
export { watchVariables } from "./variables.js";
export { ConfmeshError } from "./native.js";
