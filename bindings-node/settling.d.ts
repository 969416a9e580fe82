import type { Value } from "./index.js";
import type { Aside } from "./status.js";

/** One side of a conflict; without `value` it removed the path. */
export interface ConflictSide {
  value?: Value;
  inForce: boolean;
  timestamp: string;
  author: string;
  version: string;
  instanceId?: string;
  user?: string;
  fence?: string;
  /** How many conditional writes are lost with it, itself included; with `orMore` there may be others. */
  lostUpdates?: number;
  orMore?: boolean;
}

/** A path that was written at the same time in different ways; `shown` is what the document holds meanwhile. */
export interface Conflict {
  id: string;
  document: string;
  path: string;
  strategy: string;
  /** `closed`: by a later write, listed for what it cost. */
  status: "pending_manual_resolution" | "decided" | "closed";
  createdAt: string;
  assignedTo: string | null;
  shown?: Value;
  /** How many conditional writes are lost in it, and in no other conflict. */
  lostUpdates?: number;
  orMore?: boolean;
  sides: ConflictSide[];
}

/** An entry of the audit trail; the other fields depend on the event. */
export interface AuditEntry {
  event: "conflict_resolved" | "save_merged" | "remote_applied" | "remote_rejected" | "lock_forced";
  timestamp: string;
  document?: string;
  [field: string]: Value | undefined;
}

/** A document that is given up for another one: that one's birth, what is lost here, and whether it is done. */
export interface Adoption {
  genesis: string;
  lost: { path: string; op: "changed" | "removed"; old: Value; new?: Value }[];
  done: boolean;
}

/** What an instance held before another document took its place, with its text. */
export interface Kept extends Aside {
  format: string;
  text: string;
}

/** A replica that has to be reached before the history of the document is dropped; `blocks` as seen from here. */
export interface Member {
  replica: string;
  own: boolean;
  connected: boolean;
  blocks: boolean;
  instance_id?: string;
  acknowledged?: string;
}

/** A shared write that made what is at a path. */
export interface Written {
  path: string;
  timestamp: string;
  author: string;
  version: string;
  instance_id?: string;
  user?: string;
}

/** What a repair would remove; nothing is repaired while somebody has to decide the conflicts of `undecided`. */
export interface RepairPlan {
  genesis: string;
  authors: number;
  idle: number;
  idle_authors: { author: string; writes: number; why: string }[];
  members: { replica: string; why: string; instance_id?: string; acknowledged?: string }[];
  orphaned: boolean;
  undecided: string[];
  behind: string[];
}

/** What a repair removed, and the birth of the document that goes on. */
export interface Repaired {
  genesis: string;
  authors_removed: number;
  members_removed: number;
}

/** How a conflict is settled: by a side, by a value, by what shows, or by nothing. */
export type Choice = ({ take: number } | { value: unknown } | { keep: true } | { remove: true }) & { user?: string };

export interface PathWriteOptions {
  /** Write only if this is the version of the path: what `read` tells, or `none` where nothing is. */
  ifVersion?: string;
  /** Write over a first value that a rule keeps. */
  force?: boolean;
  /** The token of the lock that is held. */
  fence?: number | bigint | string;
  /** Who writes, for those who look at conflicts. */
  user?: string;
  /** Why, for those who look at the history; at most 512 bytes. */
  message?: string;
}

/** How much of the past is kept. */
export interface HistoryOptions {
  /** How many versions of what is shared are kept; 10,000, and 0 keeps none. */
  historyVersions?: number;
  /** How old a version may get, in milliseconds; 90 days. */
  historyAge?: number;
  /** How many bytes versions may take in all; 16 MiB. */
  historyBytes?: number;
}

export interface WriteOptions {
  /** Write only if this is the document's `hash`, or the `digest` of its last receipt. */
  ifHash?: string;
}
