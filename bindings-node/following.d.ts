import type { Change, ConfmeshError } from "./index.js";

declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
}

/** What ends a signal without types of a platform: an `AbortSignal` fits. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface FollowOptions {
  /** Closes it. */
  signal?: Signal;
}

/**
 * Changes of the paths that match a pattern, until `close()`; it keeps configuration and process alive so long. Without a
 * callback iterate it, once.
 */
export declare class Subscription implements AsyncIterable<Change> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<Change>;
  /** Ends it: the change that is being told is the last one. */
  close(): void;
  [Symbol.dispose](): void;
}

/** Something that an operator should know: a source that broke or is in order again, an edit that was refused, a connection. */
export interface Report {
  readonly level: "info" | "warning" | "error";
  /** What the log says, as one line. */
  readonly message: string;
  /** The id of the source that it is about. */
  readonly source?: string;
  /** How that source is now; of a stale one the last good content is in force. */
  readonly state?: "fresh" | "missing" | "stale";
  /** What went wrong, with code, place and hint. */
  readonly error?: ConfmeshError;
}

/** Reports from the start on, as far as they are kept, until `close()`; taken as a `Subscription` is. Not in browsers. */
export declare class Reports implements AsyncIterable<Report> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<Report>;
  close(): void;
  [Symbol.dispose](): void;
}
