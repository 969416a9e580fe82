/** What the WebAssembly module can be read from; without it the file beside the script is fetched. */
export type WasmSource = string | URL | Request | Response | Promise<Response> | ArrayBuffer | Uint8Array | WebAssembly.Module;

/** Loads the WebAssembly module in a browser, which must be awaited before the first call. Does nothing in Node. */
export declare function ready(source?: WasmSource): Promise<void>;

/** The version of confmesh, for example `0.1.0`. */
export declare function version(): string;

/** A configuration value. Integers that a number cannot hold exactly are `bigint`s. */
export type Value = null | boolean | number | bigint | string | Value[] | { [key: string]: Value };

/** How values of several layers become one. */
export type MergeStrategy = "override" | "merge_dict" | "deep_merge" | "append_list" | "union_set";

interface LayerFields {
  id?: string;
  /** The lower number wins; 30, for variables 10. */
  priority?: number;
  strategy?: MergeStrategy;
  /** Paths that this layer removes. */
  unset?: string[];
}

/** One source of a document: a value, a text of a format, or variables with a prefix. */
export type Layer = LayerFields &
  ({ id: string; value: object } | { id: string; text: string; format?: string } | { env: { prefix: string; variables: Record<string, string> } });

/** What holds for the paths of a pattern; the most specific pattern wins. */
export interface Rule {
  pattern: string;
  merge?: MergeStrategy;
  conflict?: string;
  secret?: boolean;
}

export interface MergeOptions {
  rules?: readonly Rule[] | null;
}

/** Where something stands. */
export interface Origin {
  source: string;
  line?: number;
  column?: number;
  key?: string;
}

/** What one layer says of a path, and what became of it. */
export interface Candidate {
  source: string;
  priority: number;
  value: Value;
  origin: Origin;
  state: "wins" | "contributes" | "overridden" | "removed";
}

/** The whole account of one path. */
export interface Explanation {
  path: string;
  value?: Value;
  rule: MergeStrategy;
  pattern?: string;
  source: string;
  sources: string[];
  winner?: Candidate;
  others: Candidate[];
  absence?: { origin: Origin; path: string; unset: boolean };
}

/** One operation of a JSON Patch (RFC 6902). */
export interface Operation {
  op: "add" | "remove" | "replace" | "move" | "copy" | "test";
  path: string;
  from?: string;
  value?: Value;
}

/** One difference: at least one side is there. */
export interface Change {
  path: string;
  op: "added" | "changed" | "removed";
  old?: Value;
  new?: Value;
}

/** What went wrong (`code`, `message`), where (`path`, `origin`), and what to do about it (`hint`). */
export declare class ConfmeshError extends Error {
  /** Stable, for programs: `syntax`, `not_found`, `unreachable`, `closed`, … */
  readonly code: string;
  readonly hint?: string;
  readonly path?: string;
  readonly origin?: Origin;
  readonly related: ConfmeshError[];
  constructor(fields: { code: string; message: string; hint?: string; path?: string; origin?: Origin; related?: object[] });
}

/** The effective document of `layers`; of two layers the one with the lower `priority` wins. */
export declare function merge(layers: readonly Layer[], options?: MergeOptions): Value;

/** The effective document, which layers each leaf came from, and what did not fit. */
export declare function mergeWithProvenance(
  layers: readonly Layer[],
  options?: MergeOptions,
): { value: Value; provenance: Record<string, string>; warnings: ConfmeshError[] };

/** Why the value at `path` is what it is: the winner, its rule and place, and everything it overrode. */
export declare function explain(layers: readonly Layer[], path: string, options?: MergeOptions): Explanation;

/** The JSON Patch (RFC 6902) that turns one value into another. */
export declare function diff(before: unknown, after: unknown): Operation[];

/** What subscribers would be told about the way from one value to another. */
export declare function changes(before: unknown, after: unknown): Change[];

/** `document` with a JSON Patch (RFC 6902) applied, all or nothing. */
export declare function patch(document: unknown, operations: readonly Operation[]): Value;

/** `document` with a JSON Merge Patch (RFC 7396) applied: null removes. */
export declare function mergePatch(document: unknown, change: unknown): Value;

/** The JSON Merge Patch (RFC 7396) that turns one value into another. */
export declare function mergePatchBetween(before: unknown, after: unknown): Value;

/** What both sides changed since `base`; `ours` stays where they collide. */
export declare function threeWay(
  base: unknown,
  ours: unknown,
  theirs: unknown,
): { value: Value; conflicts: { path: string; base?: Value; ours?: Value; theirs?: Value }[] };

/** The document of a text: `json` where no format is named. Errors name `source`, with line and column. */
export declare function parse(text: string, format?: string, options?: { source?: string }): Value;

/** The canonical text (RFC 8785) of a value. */
export declare function canonical(value: unknown): string;

/** The content hash of a value, `sha256:…`: equal documents have equal hashes in every language. */
export declare function hash(value: unknown): string;

/** The segments of a dotted path or a JSON Pointer, and both forms. */
export declare function parsePath(path: string): { segments: string[]; dotted: string; pointer: string };

/** The dotted path of segments, escaped where they need it. */
export declare function joinPath(segments: readonly string[]): string;

/** Whether a pattern such as `app.features.*` matches a path. */
export declare function matches(pattern: string, path: string): boolean;
