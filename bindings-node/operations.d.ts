// What a running mesh is asked by name. Printed from `core/src/api` by
// `CONFMESH_PRINT=1 cargo test -p confmesh-tests --test house operations`; do not edit it.
import type { AuditEntry, Conflict, Health, Kept, Member, Receipt, RepairPlan, Repaired, Versioned, Written, Problem, Value } from "./index.js";

/** What a backup holds. */
export interface BackedUp {
  /** When it was made, in UTC. */
  made: string;
  /** The version of confmesh that made it. */
  version: string;
  /** The documents in it. */
  documents: string[];
  /** How many records of the store it holds. */
  records: number;
}

/** A backup of a running instance. */
export interface Backup {
  /** When it was made, in UTC. */
  made: string;
  /** The version of confmesh that made it. */
  version: string;
  /** The documents in it. */
  documents: string[];
  /** How many records of the store it holds. */
  records: number;
  /** The file as base64: decoded, `confmesh restore` takes it. */
  data: string;
}

/** A source whose newest content is not in force. */
export interface FailedSource {
  /** The source's id, or what of the document is refused. */
  source: string;
  /** What is wrong with it. */
  error: Problem;
}

/** A lock that was granted. */
export interface HeldLock {
  /** The paths that it covers. */
  key: string;
  /** Who holds it. */
  holder: string;
  /** Its fencing token, a whole number: write with it as `fence`. */
  token: string;
  /** What renews and ends it; nobody else is told. */
  session: string;
  /** When it ends unless it is renewed, in milliseconds from now. */
  expires_in_ms: number;
}

/** A lock on paths of the document. */
export interface Lock {
  /** The paths that it covers. */
  key: string;
  /** Who holds it. */
  holder: string;
  /** Its fencing token, a whole number; greater than that of every lock before. */
  token: string;
  /** When it ends unless it is renewed, in milliseconds from now. */
  expires_in_ms: number;
}

/** Who grants the locks of a document. */
export interface LockAuthority {
  /** The instance. */
  instance_id: string;
  /** How many times somebody took that over, from 1; later tokens are greater. */
  epoch: number;
}

/** The locks of a document. */
export interface Locks {
  /** Who holds which, the oldest first. */
  locks: Lock[];
  /** Who grants them; null before the first one. */
  authority: LockAuthority | null;
}

/** What looking at every source came to. */
export interface Reloaded {
  /** The number of the document after it. */
  revision: number;
  /** The paths that changed. */
  changed: string[];
  /** What is not in force as it lies there. */
  failed: FailedSource[];
}

/** What a restore did. */
export interface Restored {
  /** What the backup holds. */
  backup: BackedUp;
  /** Where the store is that was there; null where there was none. */
  kept: string | null;
}

/** What going back to a version does, by effect. */
export interface RolledBack {
  /** The version. */
  version: Version;
  /** What was gone and is there again: path and new. */
  returns: { [key: string]: Value }[];
  /** What has its old value again: path, old and new. */
  changes: { [key: string]: Value }[];
  /** What was not there then: path and old. */
  goes: { [key: string]: Value }[];
  /** Secrets that stay, as nobody kept what they were. */
  lost: string[];
  /** What the write did; null where nothing was written. */
  receipt: { [key: string]: Value } | null;
}

/** A version, what it changed, and what was shared after it. */
export interface ShownVersion {
  /** The version. */
  version: Version;
  /** Each leaf with path, op, old and new; secrets masked. */
  changes: { [key: string]: Value }[];
  /** What was shared, secrets masked. */
  document: { [key: string]: Value };
  /** Secrets of which nobody kept what they were. */
  lost: string[];
}

/** A visible change of what instances share, as one of them saw it. */
export interface Version {
  /** Its number on this instance. */
  id: number;
  /** The same as a name: `config_<UTC time>.json`. */
  name: string;
  /** When it came into force here. */
  timestamp: string;
  /** The digest of what was shared after it: equal on instances that agree. */
  digest: string | null;
  /** What brought it: `shared`, `file`, `peer`, `start`. */
  cause: string;
  /** The writes in it, the newest first, at most 8. */
  writes: VersionWrite[];
  /** The first paths that it changed, at most 16. */
  changed: string[];
  /** How many it changed. */
  count: number;
}

/** What changed from one version to another. */
export interface VersionComparison {
  /** The version. */
  before: Version;
  /** The other one; null is what is there now. */
  after: Version | null;
  /** The changes: path, op, old and new; secrets masked. */
  changes: { [key: string]: Value }[];
  /** Secrets of which nobody kept what they were. */
  lost: string[];
}

/** A write in a version. */
export interface VersionWrite {
  /** The replica that wrote it. */
  author: string;
  /** The author and the number of the write. */
  version: string;
  /** When it was written. */
  timestamp: string;
  /** Whose replica that is. */
  instance_id: string | null;
  /** In whose name. */
  user: string | null;
  /** Why. */
  message: string | null;
}

/** A method for each. */
export interface Operations {
  /** The value at a path, if one is there, with its version: what `if_version` of a write takes. */
  read(path: string): Promise<Versioned>;
  /** The shared writes that made what is at a path, the newest first: who, when, in whose name. */
  written(path: string): Promise<Written[]>;
  /** The versions of what instances share, as this instance saw them, the newest first: when, who, why, what changed. Each is a visible change. Those before the oldest one that is kept are forgotten. */
  versions(options?: { path?: string; limit?: number | bigint; before?: number | bigint }): Promise<Version[]>;
  /** A version: what it changed, and what instances shared after it; secrets are masked. */
  showVersion(id: string | number | bigint): Promise<ShownVersion>;
  /** What changed from one version to another one, or to what is shared now; secrets are masked. */
  compareVersions(before: string | number | bigint, options?: { after?: string | number | bigint }): Promise<VersionComparison>;
  /** Makes what instances share what it was at a version, by an ordinary write of what differs. The reply says by effect what that is: what returns, what changes, what goes. Files and variables are not touched. */
  rollback(version: string | number | bigint, options?: { pattern?: string; dryRun?: boolean; message?: string; ifHash?: string; user?: string; force?: boolean; fence?: number | bigint }): Promise<RolledBack>;
  /** Who holds locks, as far as the instance knows, the oldest first; and who grants them. */
  locks(): Promise<Locks>;
  /** Who holds locks on any of the paths that a pattern matches. */
  locksOn(key: string): Promise<Locks>;
  /** Holds a lock on the paths that a pattern matches: writes of others there are refused while it lasts. Write with its `token` as `fence`. It ends by itself unless it is renewed, and what is behind a resource of your own is safe only where that checks the token. Over a WebSocket it ends with the connection. */
  lock(key: string, options?: { ttlMs?: number | bigint; waitMs?: number | bigint; holder?: string; session?: string }): Promise<HeldLock>;
  /** Holds a lock longer: from now on as long as before, or as said. One that has ended cannot be renewed. */
  renewLock(key: string, token: string | number | bigint, session: string, options?: { ttlMs?: number | bigint }): Promise<Lock>;
  /** Ends a lock that is held: whoever waits for it gets it. */
  releaseLock(key: string, token: string | number | bigint, session: string): Promise<Lock>;
  /** Takes a lock from whoever holds it. It is written down who did, and why. The holder is not stopped by it: what it does outside of the document goes on until it notices. */
  forceReleaseLock(key: string, reason: string): Promise<Lock>;
  /** Makes the instance the one that grants the document's locks, where the one that did is gone for good. Where locks may be held that it has not heard of, it grants none for ten minutes. If the other one lives on where it cannot be reached, both grant until they meet, and only tokens tell their locks apart. */
  takeLockAuthority(): Promise<LockAuthority>;
  /** What instances wrote at the same time in different ways and waits for a decision. With `all` also what a rule decided, so that whatever lost can be seen. */
  conflicts(options?: { all?: boolean }): Promise<Conflict[]>;
  /** Names for every instance who is to decide an open conflict; null withdraws the name. */
  assign(id: string, user: string | null): Promise<Receipt>;
  /** Settles a conflict: takes a side by its place in the list, writes a value, keeps what shows, or removes. */
  resolve(id: string, options?: { take?: number | bigint; value?: unknown; keep?: boolean; remove?: boolean; user?: string; message?: string; force?: boolean; fence?: number | bigint }): Promise<Receipt>;
  /** How conflicts ended, and what came from elsewhere and became of it: the newest 1,024 entries, oldest first. */
  audit(): Promise<AuditEntry[]>;
  /** Who has to be reached before the history of the document is dropped, and who holds that up. */
  members(): Promise<Member[]>;
  /** Stops waiting for a member that is gone for good, so that it holds up the dropping of history no more. Only for the instance that all others dial: what the member wrote and this one has not seen is not taken any more. Should it come back, it takes over the document and makes its unshared writes again. */
  expel(replica: string): Promise<string>;
  /** Compares the document with every connected instance at once, and says how many are asked. They do so every few seconds anyway: this is for those who do not want to wait. */
  forceSync(): Promise<number>;
  /** What this instance held before other documents took its place, the oldest first, until it is confirmed. */
  kept(): Promise<Kept[]>;
  /** Says that what is kept under a number is not needed any more. A copy beside the bound file stays where it is. */
  confirmKept(id: number | bigint): Promise<void>;
  /** What a repair would remove: authors of whom no write is held, and members that are not connected. It changes nothing. */
  repairPlan(): Promise<RepairPlan>;
  /** Lets the document go on as another one, with the same content, without authors and members that nobody is. Everybody who shares the document follows, makes again what it wrote meanwhile, and keeps what it showed and the new one does not. */
  repair(): Promise<Repaired>;
  /** Looks at every file, the bound file and every source that is polled at once, and says what changed and what failed. They are watched and asked anyway: this is for those who do not want to wait. A polled source has ten seconds. */
  reload(): Promise<Reloaded>;
  /** Whether requests may be sent to the instance, and what someone should look at. */
  health(): Promise<Health>;
  /** Counters, durations and how things stand, in OpenMetrics' text form, for Prometheus and its like. Labels are kinds and outcomes: no path, address or value of the document is among them. */
  metrics(): Promise<string>;
  /** Everything that the instance keeps on disk, with all that was acknowledged before, in one file with a checksum. Secrets that are sealed on disk stay sealed; all else is in it as it is. The key of the instance is not in it. */
  backup(): Promise<Backup>;
}
