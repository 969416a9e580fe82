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

export interface ClientEvents {
  config_changed: (change: ConfigChanged) => void;
  /** The document is what the instance has now. */
  connected: (state: { revision: number }) => void;
  disconnected: (state: Record<string, never>) => void;
  /** A failed attempt (then `retryIn` tells the wait in milliseconds), or something an operator should read. */
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
  /** The longest first wait before a reconnection, in milliseconds; 500, doubled from then on. */
  initialDelay?: number;
  /** The longest wait of all, in milliseconds; 30,000. */
  maxDelay?: number;
}

/**
 * Follows one document of an instance, and writes to it.
 *
 * Edits show at once. Without a connection they are kept, sent when there is one again, and written once.
 */
export declare class ConfigWebSocketClient {
  /** `url` is the instance's address, such as `ws://127.0.0.1:8765/sync`. */
  constructor(url: string | URL, options?: ClientOptions);

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

  /** Sets a path; rejects with a `ConfmeshError`. */
  setConfig(key: string, value: Value): Promise<Receipt>;
  /** Removes a path. */
  unsetConfig(key: string): Promise<Receipt>;
  /** Writes what a JSON Patch (RFC 6902) changes in the document as it shows here. */
  patchConfig(operations: readonly Operation[]): Promise<Receipt>;

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

  /** Closes the connection for good. Writes without an answer are rejected; some of them may have arrived. */
  close(): void;
}
