import type { ConfmeshError as AnyError, Explanation, Operation, Value, WasmSource } from "./index.js";

/** Loads the WebAssembly module; later calls do nothing. In Node it is loaded on import already. */
export declare function ready(source?: WasmSource): Promise<void>;

/** The version of confmesh, for example `0.1.0`. */
export declare function version(): string;

/** `{segments, dotted, pointer}` of a dotted path or a JSON Pointer. */
export declare function parsePath(path: string): { segments: string[]; dotted: string; pointer: string };

/** The dotted path of segments, escaped where they need it. */
export declare function joinPath(segments: readonly string[]): string;

/** Whether a pattern such as `app.features.*` matches a path. */
export declare function matches(pattern: string, path: string): boolean;

/** What went wrong; the class of this half of the package, with the fields of the other's. */
export declare class ConfmeshError extends AnyError {}

/** A path that shows what was in force before: what was written there would make the document invalid on this instance. */
export interface Withheld {
  /** The path; empty where all that is shared is held back. */
  path: string;
  /** What was written, secrets masked; missing where the path was removed. */
  value?: Value;
  error: { code: string; message: string; hint?: string; path?: string };
}

/** What a write did. `shadowedBy` names the source that hides the new value, such as `env:DEMO`. */
export interface Receipt {
  revision: number;
  digest: string;
  changed: string[];
  /** Whether the instance shows what was written: nothing of it is withheld, and no source hides it. */
  inForce: boolean;
  withheld?: Withheld[];
  /** What the instance's bound file cannot hold: it is in force, and stays out of that file. */
  leftOut?: { path: string; format: string; reason: string }[];
  shadowedBy?: string;
}

/** One changed key; `newValue` is missing where it went, `oldValue` where it is new. */
export interface ConfigChanged {
  key: string;
  newValue?: Value;
  oldValue?: Value;
  eventType: "config_changed" | "config_deleted";
  /** The number of the document as it shows here. */
  revision: number;
  /** `host` for what the instance has, `unsent` for an edit of this client that it has not answered yet. */
  cause: string;
}

/** A lock that somebody holds or no longer does; `key` is a path or a pattern, `token` an integer as text. */
export interface ConfigLock {
  key: string;
  holder: string;
  token: string;
}

export interface ClientEvents {
  config_changed: (change: ConfigChanged) => void;
  config_locked: (lock: ConfigLock) => void;
  config_unlocked: (lock: ConfigLock) => void;
  /** The document is what the instance has now. */
  connected: (state: { revision: number; connectionId: string | null }) => void;
  disconnected: (state: Record<string, never>) => void;
  /**
   * A failed attempt (then `retryIn` tells the wait in milliseconds), the last one, what the instance says is wrong, or what became of
   * an edit that an earlier page made.
   */
  error: (error: AnyError, state?: { retryIn: number }) => void;
}

/** The part of the browser's class that is used; pass one to the client where there is none (Node before 22). */
export interface WebSocketClass {
  new (url: string, protocols?: string[]): {
    readonly readyState: number;
    send(data: string): void;
    close(code?: number): void;
    addEventListener(type: "open" | "message" | "close" | "error", listener: (event: any) => void): void;
  };
}

export interface ClientOptions {
  /** For instances that ask for one (`confmesh token new`); sent as a subprotocol, never in the address. */
  token?: string;
  WebSocket?: WebSocketClass;
  /** The document's name; `default`. */
  document?: string;
  /** The longest first wait before a reconnection, in milliseconds; 1,000, doubled from then on. */
  initialDelay?: number;
  /** The longest wait of all, in milliseconds; 30,000. */
  maxDelay?: number;
  /** With `false` each wait is the longest, instead of any up to it. */
  jitter?: boolean;
  /** After how many attempts in a row to reconnect it gives up until `connect` is called; it never does. */
  maxReconnectAttempts?: number;
  /** Whose elements with `data-config` show the values; the page, null for none. */
  root?: Root | null;
  /** An object that follows the document; `globalThis.appConfig` where there is one, null for none. */
  store?: object | null;
  /**
   * Keeps edits in the browser (IndexedDB) until an instance has answered them, also when the page is left: `true`, or a name for
   * whose they are, as other people at the same browser may not send them. They are kept as they are, secrets included.
   */
  keepEdits?: boolean | string;
}

/** An element or a document, as far as it is used. */
export interface Root {
  querySelectorAll(selectors: string): ArrayLike<unknown>;
}

/**
 * Follows one document of an instance, and writes to it.
 *
 * Edits show at once. Without a connection they are kept, sent when there is one again, and written once.
 */
export declare class ConfigWebSocketClient {
  /** `url` is the instance's address, such as `ws://127.0.0.1:8765/sync`. */
  constructor(url: string | URL, options?: ClientOptions);

  /** The address, without anything secret. */
  readonly url: string;
  /** The socket that stands or is being opened. */
  readonly ws: object | null;
  /** What the instance calls this connection. */
  readonly connectionId: string | null;
  /** The patterns that are followed; a copy. */
  readonly subscriptions: Set<string>;
  /** Who is called for which event; a copy. */
  readonly eventHandlers: Map<keyof ClientEvents, ((...details: any[]) => void)[]>;
  /** How many attempts to connect have failed since the document last arrived. */
  readonly reconnectAttempts: number;
  maxReconnectAttempts: number;
  /** Whether the document is what the instance has now. */
  readonly isLive: boolean;
  /** The number of the document as it shows here; one more per visible change. */
  readonly revision: number;
  /** The content hash of the document as it shows here. */
  readonly hash: string | undefined;
  /** How many writes the instance has not answered yet. */
  readonly pendingWrites: number;

  /**
   * Connects, and stays connected until `close`. Resolves when the document has arrived. With `retry: false` the first
   * failed attempt rejects. While the client waits to reconnect, another call tries at once.
   */
  connect(options?: { retry?: boolean }): Promise<void>;

  /** Asks for `config_changed` of these patterns only; without a call every change is told. */
  subscribe(patterns: string | readonly string[]): void;
  /** Takes patterns back; without arguments all of them, and no change is told any more. */
  unsubscribe(patterns?: string | readonly string[]): void;

  /** Sets a path, for a person where one is named and the instance asks nobody who they are; rejects with a `ConfmeshError`. */
  setConfig(key: string, value: Value, userId?: string): Promise<Receipt>;
  /** Removes a path. */
  unsetConfig(key: string, userId?: string): Promise<Receipt>;
  /** Writes what a JSON Patch (RFC 6902) changes in the document as it shows here. */
  patchConfig(operations: readonly Operation[], userId?: string): Promise<Receipt>;

  /**
   * Puts a value at a path of the object that follows the document, making the maps above it; `undefined` takes it away. A path over
   * a number or a text is an error, as is one through `__proto__`, `constructor` or `prototype`.
   */
  updateLocalConfig(key: string, value: Value | undefined): void;
  /** Shows a value in the elements whose `data-config` is this key. */
  updateUI(key: string, value: Value | undefined): void;

  /**
   * Asks the instance for an operation that is open to guests, such as `conflicts`, with its arguments; resolves to the reply.
   * Only while it is connected: a question is not kept.
   */
  call(operation: string, given?: { [argument: string]: Value }): Promise<Value>;

  /** Why the value at a path is what it is on the instance: who set it, where, and what it overrides. */
  explain(path: string): Promise<Explanation>;

  /** The value at a path, or the whole document; `undefined` where nothing is. */
  getConfig(path?: string): Value | undefined;
  /** The canonical JSON text at a path, or of the whole document. */
  configText(path?: string): string | undefined;

  on<E extends keyof ClientEvents>(event: E, handler: ClientEvents[E]): this;
  /** Takes a handler back; it is not called again, not even for an event that is being told. */
  off<E extends keyof ClientEvents>(event: E, handler: ClientEvents[E]): this;

  /**
   * Closes the connection for good. Writes without an answer are rejected; some of them may have arrived, and with `keepEdits` the
   * next client sends them.
   */
  close(): void;
}

/** Elements that follow a configuration, until `close`. */
export interface Binding {
  /** Shows what is there now: at a path, or everywhere. */
  refresh(key?: string): void;
  close(): void;
}

/**
 * Shows a configuration in the elements of `root` (the page) with the attribute `data-config`, which names a path: checkboxes are
 * checked, other fields have it as their value, all else as its text. Also in elements that are added later, until `close`. With
 * `write: true` what somebody enters is written, and a refusal is said at the field.
 */
export declare function bindElements(
  source: ConfigWebSocketClient | { get(path: string): unknown; set(path: string, value: any): unknown; subscribe(pattern: string, changed: (change: { path: string }) => void): { close(): void } },
  options?: { root?: Root; write?: boolean },
): Binding;
