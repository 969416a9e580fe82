import type { FollowOptions, Report, Reports, Subscription } from "./following.js";
import type { Operations, Restored } from "./operations.js";
import type { Adoption, HistoryOptions, PathWriteOptions, WriteOptions } from "./settling.js";
import type { ChangedVariables, GivenSource, NotifyOptions, OpenOptions, WebhookOptions } from "./sources.js";
import type { AccessOptions, Problem, Status } from "./status.js";
import type { At, Document, DocumentOf, InputOf, OutputOf, StandardSchema } from "./typed.js";

export * from "./following.js";
export * from "./operations.js";
export * from "./replicating.js";
export * from "./settling.js";
export * from "./sources.js";
export * from "./status.js";
export * from "./typed.js";
export * from "./monitor.js";

/** What the WebAssembly module can be read from; without it the file beside the script is fetched. */
export type WasmSource = string | URL | Request | Response | Promise<Response> | ArrayBuffer | Uint8Array | WebAssembly.Module;

/** Loads the WebAssembly module in a browser, which must be awaited before the first call. Does nothing in Node. */
export declare function ready(source?: WasmSource): Promise<void>;

/** The version of confmesh, for example `0.1.0`. */
export declare function version(): string;

/** A configuration value. Integers that a number cannot hold exactly are `bigint`s. */
export type Value = null | boolean | number | bigint | string | Value[] | { [key: string]: Value };

/** How values of several layers become one. */
export type MergeStrategy = "override" | "merge_dict" | "deep_merge" | "append_list" | "union_set" | "keyed_list";

interface LayerFields {
  id?: string;
  /** The lower number wins; 30, for variables 10. */
  priority?: number;
  strategy?: MergeStrategy;
  /** Paths that this layer removes. */
  unset?: string[];
  /** Whether markers in it (`{"$unset": true}`, in YAML `!unset`) take out what lies below; each is told otherwise. */
  removals?: boolean;
}

/** One source of a document: a value, a text of a format, or variables with a prefix. */
export type Layer = LayerFields &
  ({ id: string; value: object } | { id: string; text: string; format?: string } | { env: { prefix: string; variables: Record<string, string> } });

/** How concurrent changes of one path are settled. */
export type ConflictStrategy =
  | "last_write_wins"
  | "first_write_wins"
  | "merge_strategies"
  | "manual_resolution"
  | "operational_transform"
  | "numeric_average";

/** What holds for the paths of a pattern; the most specific pattern wins. */
export interface Rule {
  pattern: string;
  /** What shows while a conflict under `manual_resolution` is open; `last`. */
  meanwhile?: "last" | "first" | "previous";
  /** What becomes of a write on an old version; `refuse`. */
  stale?: "merge" | "refuse";
  merge?: MergeStrategy;
  /** The field that tells the items of a `keyed_list` apart: needed there, and refused elsewhere. */
  key?: string;
  conflict?: ConflictStrategy;
  secret?: boolean;
  /** Written whole, never key by key. */
  atomic?: boolean;
  /** Leaves out warnings about scalars there, and below, that readers take differently, and about repeated keys. */
  quiet?: boolean;
  /** Lets `{"$unset": true}` in texts of layers and files there, and below, take out what lies below. */
  removals?: boolean;
}

/** What a merge goes by. */
export interface RuleOptions {
  rules?: readonly Rule[] | null;
}

export interface MergeOptions extends RuleOptions {
  /** Gives defaults and types to the layers, and throws where the document breaks it: the first problem, the others in `related`. */
  schema?: Schema | null;
  /** The profiles (below the key `profiles` of each layer) that are active; the later one wins. */
  profiles?: string | readonly string[] | null;
  /** The variables that `${env:NAME}` refers to; with them `${a.path}` and `${env:NAME:-default}` are replaced. */
  interpolate?: Readonly<Record<string, string | undefined>> | null;
  /**
   * What becomes of variables, and texts of untyped files, that are nothing of the type that the schema declares: they are
   * refused, or left out with a warning.
   */
  invalidVariables?: "refuse" | "ignore";
}

/** What is wrong with something below a value, and where, seen from it: a dotted text, or a list of keys and numbers. */
export interface Issue {
  readonly message: string;
  readonly path?: string | readonly (PropertyKey | { readonly key: PropertyKey })[];
}

/** What a check says: nothing or `true`, or what is wrong by a text, `false`, or a list of issues. */
export type Said = string | boolean | readonly Issue[] | null | undefined | void;

/**
 * Says what is wrong with a value by a text, an error, or `false`. One that is async is waited for by running configurations
 * in Node (`openAsync`, `Mesh`), and nowhere else.
 */
export type Check = (value: any) => Said | Promise<Said>;

/** What a document has to look like; of a literal it knows the type of the documents. */
export declare class Schema<const D = any> {
  /** What it was made of, without its checks. */
  readonly definition: D;
  /**
   * `definition` is a JSON Schema document, or the compact form: an object with `fields`. `checks` are functions by
   * pattern, asked about every value that breaks no rule; the pattern `""` is the whole document.
   */
  constructor(definition: D & (object | boolean), options?: { checks?: Readonly<Record<string, Check>> });
  /** Every problem of a document; none if it is valid. */
  validate(document: unknown): ConfmeshError[];
  /** Every problem of the document in a text, each with its line and column. */
  validateText(text: string, format?: string, options?: { source?: string }): ConfmeshError[];
  /** The document with its defaults, if it is valid then; else it throws the first problem, with the others in `related`. */
  load<T = unknown extends D ? any : DocumentOf<D>>(document: unknown): T;
  /** The document with every default filled in where it holds nothing. */
  defaults(document?: unknown): Value;
  /** The document without the keys that the schema does not declare. */
  known(document: unknown): Value;
  /** Variables with a prefix as a typed document, and what is nothing of its type. */
  coerce(prefix: string, variables: Readonly<Record<string, string | undefined>>): { value: Value; warnings: ConfmeshError[] };
  /** The document as variables, whose texts read back as the same values. */
  toEnv(prefix: string, document: unknown): Record<string, string>;
  /** The text of a file to start from: defaults, with every description as a comment where the format has comments. */
  initial(format?: string): string;
  /** What the schema says and nobody checks, with its path in it: formats and keywords that are unknown. */
  notes(): ConfmeshError[];
  /** Every field with its path, type, default, variable, rules and description; `yaml` and `json-schema` in Node only. */
  reference(style?: "human" | "json" | "yaml" | "markdown" | "json-schema", options?: ReferenceOptions): string;
}

export interface ReferenceOptions {
  /** Only the fields of one category. */
  category?: string | null;
  /** Only the fields that a variable sets. */
  envOnly?: boolean;
  /** Whether defaults of secrets are shown. */
  showSensitive?: boolean;
  /** The program's prefix, from which variables are named. */
  prefix?: string | null;
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
  /** When the layer was loaded, where it was fetched from elsewhere. */
  loaded?: string;
}

/** The whole account of one path; `String` and `console.log` show it as a table. */
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
  /** What was written there and is not in force. */
  withheld?: Withheld;
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
  /** `lagged` to a subscriber that was too slow: changes were left out, read the document again. */
  op: "added" | "changed" | "removed" | "lagged";
  old?: Value;
  new?: Value;
  /** What brought it, to a subscriber: a source's id. */
  cause?: string;
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
  /** One line: where it stands, what is wrong, and at which path. */
  toString(): string;
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

/** The document with its references replaced, and what could not be. */
export declare function interpolate(
  document: unknown,
  variables?: Readonly<Record<string, string | undefined>>,
): { value: Value; errors: ConfmeshError[] };

/** The base of a document with profiles and what is active, lowest first. */
export declare function profiles(document: unknown, active: string | readonly string[]): { name: string; value: Value }[];

/** One of several changes of a key; the timestamp as RFC 3339 has it, or in milliseconds since 1970. */
export interface CompetingChange {
  author: string;
  timestamp: string | number;
  value: unknown;
  base?: unknown;
}

/** How competing changes were settled, and what only some methods have to say. */
export interface Resolution {
  config_key: string;
  resolved_value: Value;
  resolution_method:
    | "no_changes"
    | "single_change"
    | "last_write_wins"
    | "first_write_wins"
    | "dictionary_merge"
    | "list_merge"
    | "numeric_average"
    | "operational_transform"
    | "manual_resolution_pending";
  resolution_strategy: ConflictStrategy;
  competing_changes_count: number;
  winning_change?: CompetingChange;
  discarded_changes?: CompetingChange[];
  merged_sources?: string[];
  original_length?: number;
  deduplicated_length?: number;
  original_values?: (number | bigint)[];
  min_value?: number | bigint;
  max_value?: number | bigint;
  operations_applied?: number;
  base_value?: Value;
  manual_resolution_pending?: true;
  requires_human_intervention?: true;
  conflict_id?: string;
  competing_changes?: CompetingChange[];
  created_at?: string;
  status?: "pending_manual_resolution";
  assigned_to?: null;
}

/** Settles competing changes of one key (`last_write_wins` where nothing is said); their order does not matter. */
export declare function resolve(key: string, changes: readonly CompetingChange[], strategy?: ConflictStrategy): Resolution;

/** A value as text; in browsers without YAML and TOML. */
export declare function dump(value: unknown, format?: string): string;

/** A text, changed so that it holds `target`; what does not change stays as it is written. In browsers without YAML and TOML. */
export declare function rewrite(text: string, format: string, target: unknown): string;

/** A path that shows what was in force before: what was written there would make the document invalid on this instance. */
export interface Withheld {
  /** The path; empty where all that is shared is held back. */
  path: string;
  /** What was written, secrets masked; missing where the path was removed. */
  value?: Value;
  error: Problem;
}

/** What the bound file of an instance cannot hold: it is in force, and stays out of that file. */
export interface LeftOut {
  path: string;
  format: string;
  reason: string;
}

/** What a write did. `shadowedBy` names the source that hides the new value, such as `env:DEMO`. */
export interface Receipt {
  revision: number;
  digest: string;
  changed: string[];
  /** Whether the instance shows what was written: nothing of it is withheld, and no source hides it. */
  inForce: boolean;
  withheld?: Withheld[];
  leftOut?: LeftOut[];
  /** The version of the path that was written. */
  version?: string;
  shadowedBy?: string;
}

/** A value and its version, of one moment. */
export interface Versioned {
  value?: Value;
  version: string;
}

declare class Reader<T = Document, M = never> {
  /** The document, frozen; the same object until something changes. */
  toObject(): { readonly [K in keyof T]: T[K] };
  /** The document, frozen. */
  get(): T;
  /** The value at a path such as `app.database.host`, frozen; `undefined` where nothing is. Its type follows from that of the document. */
  get<const P extends string, _>(path: P): At<T, P>;
  /** The value at a path, taken for what the program says that it is: `get<number>("limit")`. */
  get<V>(path: string): V | undefined;
  /** The value at a path, or `otherwise` where nothing is. */
  get<const P extends string, D>(path: P, otherwise: D): Exclude<At<T, P>, undefined> | D;
  get<V>(path: string, otherwise: V): V;
  /**
   * What stands at a path, or the whole document, as a schema of zod, valibot, arktype or another library that implements Standard
   * Schema makes it. What does not fit throws, with path, file and line; the other problems are in `related`.
   */
  extract<S extends StandardSchema<any, any>>(model: S, path?: string): OutputOf<S>;
  /** The document as the `model` that it was opened with: one object of one moment, until something changes. */
  readonly model: M;
  has(path: string): boolean;
  /** The document for `JSON.stringify`: integers that a number cannot hold exactly are whole, as text where need be. */
  toJSON(): { [key: string]: unknown };
  /** One more for each visible change; counted by this instance alone. */
  readonly revision: number;
  /** The content hash: equal documents have equal hashes on every instance. */
  readonly hash: string;
  readonly warnings: ConfmeshError[];
  /** The source of every leaf. */
  readonly provenance: Record<string, string>;
  explain(path: string): Explanation;
  /** How the sources and peers are doing. */
  status(): Promise<Status>;
  /**
   * Follows changes from now on. What the callback throws, or an async one rejects with, is a warning of the process
   * (`ConfmeshWarning`, code `callback`; in browsers an `error` event of the page); it hears the next change all the same.
   */
  subscribe(pattern: string, callback?: ((change: Change) => unknown) | null, options?: FollowOptions): Subscription;
  /**
   * What an operator should know. Where nobody asks for reports, warnings and errors among them are emitted as warnings of
   * the process (`ConfmeshWarning`), which Node prints. Not in browsers, where nothing is read behind the program's back.
   */
  reports(callback?: ((report: Report) => unknown) | null, options?: FollowOptions): Reports;
}

/** A configuration of this process: files, environment, and what the program sets. Made by `open`. */
export declare class Config<T = Document, M = never> extends Reader<T, M> {
  private constructor();
  /** Sets a path for this process; it wins over every other source. */
  set(path: string, value: unknown): Receipt;
  /** Takes back what `set` did. */
  unset(path: string): Receipt;
  /** In browsers: puts a layer in the place of the one with its id, or beside the others; what the schema refuses throws. */
  setLayer?(layer: Layer): void;
  /** Closes it; the last document can still be read. */
  close(): void;
  [Symbol.dispose](): void;
}

/** How the layers of a running configuration become its document. */
export interface LayeringOptions extends RuleOptions {
  /** A schema, or the definition of one: defaults, types of variables, secrets. What it refuses never comes into force. */
  schema?: Schema | object | null;
  /** Active maps below the key `profiles` of each file; the later one wins. */
  profiles?: string | Iterable<string> | null;
  /** Whether `${path}` in texts is replaced, and the variables that `${env:NAME}` may read (`["HOST", "APP_*"]`); no. */
  interpolate?: boolean | string | Iterable<string>;
  /**
   * How long the checks of the schema may take to answer, in milliseconds; 5,000. Without an answer in time a write is refused,
   * and what came from elsewhere is held back until there is one.
   */
  checkWithin?: number;
  /**
   * What becomes of variables, and texts of untyped files, that are nothing of the type that the schema declares: they are
   * refused, or left out with a warning.
   */
  invalidVariables?: "refuse" | "ignore";
}

/** A model in the place of a schema. */
export interface Modelled<S extends StandardSchema<any, any>> {
  /**
   * A schema of zod, valibot, arktype or another library that implements Standard Schema: what it refuses never comes into force,
   * and `config.model` is the document as it. Where it gives its JSON Schema (zod does), variables get its types; else `schema`
   * may say that beside it.
   */
  model: S;
  schema?: object | null;
}

/** What `open` knows in browsers. They have no files, variables or sources of their own: the page gives layers. */
export interface PageOptions extends Omit<LayeringOptions, "interpolate" | "checkWithin"> {
  /** Whether `${path}` in texts is replaced, and the variables that `${env:NAME}` reads (`{ HOST: "h" }`); no. */
  interpolate?: boolean | Readonly<Record<string, string | undefined>> | null;
}

/** Paths of files, or `file:` URLs. */
export type Files = string | FileUrl | Iterable<string | FileUrl>;
/** What a `URL` of a file has. */
export interface FileUrl {
  readonly href: string;
  readonly protocol: string;
}

/** Opens configuration files; a later one wins over an earlier one. A browser has none: it takes layers, as `merge` does. */
export declare function open<S extends StandardSchema<any, any>>(files: Files, options: Omit<OpenOptions, "schema"> & Modelled<S>): Config<InputOf<S>, OutputOf<S>>;
export declare function open<const D extends object>(files: Files, options: Omit<OpenOptions, "schema"> & { schema: Schema<D> | D }): Config<DocumentOf<D>>;
export declare function open<T = Document>(files: Files, options?: OpenOptions): Config<T>;
export declare function open<S extends StandardSchema<any, any>>(layers: readonly Layer[], options: Omit<PageOptions, "schema"> & Modelled<S>): Config<InputOf<S>, OutputOf<S>>;
export declare function open<T = Document>(layers: readonly Layer[], options?: PageOptions): Config<T>;
/** As `open`, and waits for sources without stopping the program: also for those whose `load` is async. Not in browsers. */
export declare function openAsync<S extends StandardSchema<any, any>>(files: Files, options: Omit<OpenOptions, "schema"> & Modelled<S>): Promise<Config<InputOf<S>, OutputOf<S>>>;
export declare function openAsync<const D extends object>(files: Files, options: Omit<OpenOptions, "schema"> & { schema: Schema<D> | D }): Promise<Config<DocumentOf<D>>>;
export declare function openAsync<T = Document>(files: Files, options?: OpenOptions): Promise<Config<T>>;

export interface MeshOptions extends LayeringOptions, AccessOptions, WebhookOptions, NotifyOptions, HistoryOptions {
  /** The file that mirrors the shared document, both ways. */
  bind?: string | FileUrl;
  /** Files that lie below it and are only read. */
  files?: Files;
  /** Sources of every kind. */
  sources?: GivenSource | readonly GivenSource[];
  /** `host:port`; port 0 takes a free one. */
  listen?: string | Iterable<string>;
  /** `wss://host:port` of other instances, or `ws://` on this machine. */
  peers?: string | Iterable<string>;
  /** Brokers at which instances meet that are not connected: `redis://host:port?key-file=FILE`. */
  buses?: string | Iterable<string>;
  envPrefix?: string;
  /** Keeps the document over restarts. */
  dataDir?: string;
  /** The document's name; `default`. */
  document?: string;
  /** Origins of pages that may follow and change the document: `https://app.example`, `http://localhost:*`; none. */
  allowOrigins?: string | string[];
  /** Names with a domain that the instance is called by: `config.example`, `*.example`; none. */
  allowHosts?: string | string[];
  /** How long a new instance waits for its peers before it goes on alone, in milliseconds; 3,000. */
  foundAfter?: number;
  /** How long a document has to be in use until it never gives way to another one by itself, in milliseconds; ten minutes. */
  oldAfter?: number;
  /**
   * After how long without being in step with another instance, or with a source that stays broken, this one is not ready, in
   * milliseconds; never.
   */
  staleAfter?: number;
  /** Whether a document that begins here drops its history once every instance has it: all must come back now and then; no. */
  settle?: boolean;
  /** As in `OpenOptions`. */
  encryptKeyFile?: string;
}

/**
 * Follows variables of `process.env`: one call for all that changed between two looks, which `interval` says in milliseconds (1,000).
 * What they are at the call is no change, and those of another process cannot be seen. It keeps no process alive. Not in browsers.
 */
export declare function watchVariables(
  names: string | Iterable<string>,
  callback: (changed: ChangedVariables) => void,
  options?: { interval?: number },
): { close(): void };

/**
 * Gives a damaged store up: it is kept aside, and at its next start the instance takes the document from a peer. Until then
 * it founds none, and a bound file that differs is kept as `<file>.before-join`. A store that is in order is left alone unless
 * `force` says otherwise. Returns where the old store is, if there was one. Not in browsers, which have no store.
 */
export declare function rebuild(dataDir: string, options?: { force?: boolean }): string | undefined;

/**
 * Puts a backup into the data directory of an instance that is stopped, which comes back as another one: it takes from its
 * peers what was written since, and takes none of that back. A store that holds a document is set aside only where `force`
 * says so. Not in browsers, which have no store.
 */
export declare function restore(dataDir: string, file: string, options?: { force?: boolean }): Restored;

export interface Mesh<T = Document, M = never> extends Operations {}

/** An instance whose document agrees with that of its peers; it keeps the process alive until `close()`. */
export declare class Mesh<T = Document, M = never> extends Reader<T, M> {
  constructor(options?: MeshOptions | (MeshOptions & Modelled<StandardSchema<T, M>>));
  static start<S extends StandardSchema<any, any>>(options: Omit<MeshOptions, "schema"> & Modelled<S>): Promise<Mesh<InputOf<S>, OutputOf<S>>>;
  static start<T = Document>(options?: MeshOptions): Promise<Mesh<T>>;
  start(): Promise<this>;
  /** The addresses that are really listened on. */
  readonly addresses: string[];
  set(path: string, value: unknown, options?: PathWriteOptions): Promise<Receipt>;
  unset(path: string, options?: PathWriteOptions): Promise<Receipt>;
  /**
   * Calls a function for each webhook about a document of that name, `"*"` for any, once it is on the disk. Where it throws or
   * rejects, the sender hears of it and sends it again, and what failed is called again.
   */
  onWebhook(name: string, callback: (name: string, data: Value) => unknown): void;
  /**
   * Gives the document up for that of the instance at `http://host:port`, which has to be connected as a peer. Without `yes`
   * nothing is done: `lost` lists what is here and would be gone or have another value, secrets masked. With it every instance
   * that shares the document given up follows, and what was here is `kept`.
   */
  adopt(url: string, options?: { yes?: boolean }): Promise<Adoption>;
  patch(operations: readonly Operation[], options?: WriteOptions): Promise<Receipt>;
  mergePatch(change: unknown, options?: WriteOptions): Promise<Receipt>;
  replace(value: unknown, options?: WriteOptions): Promise<Receipt>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
