// Replicas alone. In browsers this is a module of its own, so programs that run in both import them from here.
export { ready } from "./index.js";
export { Replica, version } from "./lib/functions.js";
export { ConfmeshError } from "./lib/native.js";
