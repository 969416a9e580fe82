/** What the WebAssembly module can be read from; without it the file beside the script is fetched. */
export type WasmSource = string | URL | Request | Response | Promise<Response> | ArrayBuffer | Uint8Array | WebAssembly.Module;

/** Loads the WebAssembly module in a browser, which must be awaited before the first call. Does nothing in Node. */
export declare function ready(source?: WasmSource): Promise<void>;

/** The version of confmesh, for example `0.1.0`. */
export declare function version(): string;
