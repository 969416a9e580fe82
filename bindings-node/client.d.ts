import type { WasmSource } from "./index.js";

/** Loads the WebAssembly module; later calls do nothing. In Node it is loaded on import already. */
export declare function ready(source?: WasmSource): Promise<void>;

/** The version of confmesh, for example `0.1.0`. */
export declare function version(): string;
