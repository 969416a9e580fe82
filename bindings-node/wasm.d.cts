/** What a bundler makes of a `.wasm` file that is imported as a file: where it lies, for `ready(new URL(url, import.meta.url))`. */
declare const url: string;
export = url;
