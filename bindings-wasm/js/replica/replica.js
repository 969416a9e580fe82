// Whole replicas in a page, a module of their own; in Node, replica.node.js loads the module first.
import * as wasm from "./confmesh_wasm.js";
import { replicaOver } from "./over.js";
import { calling, toText } from "./values.js";

export { ready, version } from "./loading.js";
export { ConfmeshError } from "./values.js";
export const Replica = replicaOver(wasm, { calling, toText });
