// Replicas without an instance around them, and operations on lists and texts.
import type { Change, ConflictStrategy, Rule, Value } from "./index.js";

/** Concurrent writes of one path, the one in force first; a side without a value removed the path. */
export interface Disagreement {
  id: string;
  path: string;
  rule: ConflictStrategy;
  is_open: boolean;
  sides: { author: string; number: number; timestamp: string; in_force: boolean; value?: Value; lost_updates?: number; or_more?: boolean }[];
}

/** The time of a call. */
export interface TimeOptions {
  /** Milliseconds since 1970; the clock's where left out. */
  wallMs?: number;
}

/** How a replica is written to. */
export interface ReplicaWriteOptions extends TimeOptions {
  /** Write only where nothing was seen since this `version()`. */
  ifVersion?: Uint8Array | null;
}

/**
 * A whole replica of a document: write to it alone, exchange deltas as bytes, and all replicas show the same.
 *
 * `new Replica()` founds a document; its other replicas come of `fork` and `load`, as replicas that were founded apart never
 * merge. Rules are for its own writes: the conflict strategy travels in each. Ids are 16 bytes, random where not given; an id
 * must never have written before. In browsers it is there in `confmesh/replica` alone.
 */
export declare class Replica {
  constructor(rules?: readonly Rule[] | null, options?: { id?: Uint8Array; genesis?: Uint8Array });
  /** Another replica of the document that `save` wrote. */
  static load(data: Uint8Array, rules?: readonly Rule[] | null, options?: { id?: Uint8Array }): Replica;
  /** A second replica that starts from what this one holds, with the same rules. */
  fork(options?: { id?: Uint8Array }): Replica;
  /** The author name of its writes, 16 bytes. */
  readonly id: Uint8Array;
  /** The document's birth, 16 bytes, which all its replicas share. */
  readonly genesis: Uint8Array;
  /** The document, a fresh object. */
  readonly value: { [key: string]: Value };
  /** The value at a path, or `otherwise`. */
  get(path: string): Value | undefined;
  get<T>(path: string, otherwise: T): Value | T;
  /** Writes a value; false where it was there already. */
  set(path: string, value: unknown, options?: ReplicaWriteOptions): boolean;
  /** Removes a path; false where nothing was there. */
  unset(path: string, options?: ReplicaWriteOptions): boolean;
  /** Decides what writers disagree on at a path: as `set`, also where this is the value that shows. */
  resolve(path: string, value: unknown, options?: TimeOptions): boolean;
  /** What it has seen, for `delta` of another replica and for `ifVersion`. */
  version(): Uint8Array;
  /** What a replica lacks that has seen `since`; everything where none is given. */
  delta(since?: Uint8Array | null): Uint8Array;
  /**
   * Takes in a delta, late, twice or in any order; gives what changed in the document.
   *
   * Throws, and takes nothing, where the bytes are no delta (`message`), others are missing before it (`not_ready`: ask for
   * the delta since `version()`), it is of a document that was founded apart (`foreign_document`), or one side settled what
   * the other had not seen (`stale`).
   */
  apply(delta: Uint8Array, options?: TimeOptions): Change[];
  /** Everything, for `load`. */
  save(): Uint8Array;
  /** What writers disagree on, by path: decided by a rule, or open. */
  conflicts(): Disagreement[];
  /**
   * Drops the history and keeps the value.
   *
   * Only when every replica has seen all that this one has, and wrote nothing since that is not here: writes of one that had
   * not are refused here ever after.
   */
  settle(): void;
}

/** What every instance shows that has seen these deltas, in any order, and what their writers disagree on. */
export declare function viewDeltas(deltas: readonly object[]): { value: Value; disagreements: Disagreement[] };

/** One step of an operation: a number keeps so many items or characters. */
export type Step = number | { insert: readonly unknown[] | string } | { delete: number };

/** Operations on lists and texts. What lies behind the last step of one stays. */
export declare const sequence: {
  /** The operation from one list or text to another: as small as it can be. */
  between(old: readonly unknown[] | string, now: readonly unknown[] | string): Step[];
  /** The list or text with an operation applied. */
  apply<T extends readonly unknown[] | string>(operation: readonly Step[], value: T): T;
  /** One operation for `first` and then `second`. */
  compose(first: readonly Step[], second: readonly Step[]): Step[];
  /** The operation that takes one back; `before` is what that one was made for. */
  invert(operation: readonly Step[], before: readonly unknown[] | string): Step[];
  /** An operation for a sequence that `over` has changed already. Of two insertions at one place that of the left side is first. */
  transform(operation: readonly Step[], over: readonly Step[], side: "left" | "right"): Step[];
};
