// Replicas alone, which run in browsers too: await `ready()` there before the first call.
export { ConfmeshError, ready, Replica, version } from "./index.js";
export type { Change, Disagreement, ReplicaWriteOptions, Rule, TimeOptions, Value, WasmSource } from "./index.js";
