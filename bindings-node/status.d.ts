import type { LeftOut, Origin, Value } from "./index.js";

/** An error in a status, with the fields of `ConfmeshError`. */
export interface Problem {
  code: string;
  message: string;
  hint?: string;
  path?: string;
  origin?: Origin;
  related?: Problem[];
}

/** Whether requests may be sent to an instance, and what someone should look at. */
export interface Health {
  status: "healthy" | "degraded" | "not_ready";
  checks: Check[];
  /** This and what follows over HTTP alone. */
  instance_id?: string;
  connected_clients?: number;
  timestamp?: string;
  version?: string;
}

/** One thing that health looks at. */
export interface Check {
  name: string;
  status: "ok" | "degraded" | "failed";
  reasons?: Problem[];
}

/** Another instance: `link` is what the two have come to, `problems` what is wrong between them until it is over. */
export interface PeerStatus {
  direction: "dialed" | "accepted";
  address: string;
  /** The address that is dialed. */
  url?: string;
  state: "connected" | "connecting" | "waiting";
  link?: "in_step" | "behind" | "joining" | "greeting" | "other_document" | "refused" | "itself";
  problems?: Problem[];
  connected_since?: string;
  instance_id?: string;
  last_error?: Problem;
  retry_in_ms?: number;
  clock_offset_ms?: number;
  stamps_ahead_ms?: number;
}

/** What an instance held before another document took its place; `left` counts writes whose authors are not here. */
export interface Aside {
  id: number;
  at: string;
  why: "joined" | "moved" | "given-up";
  genesis?: string;
  left?: number;
  file?: string;
}

/** What became of single values for programs at a broker. */
export interface ValueStatus {
  prefix: string;
  connected: boolean;
  published: number;
  taken: number;
  refused: number;
  last_error?: Problem;
}

/** A broker at which instances meet. */
export interface BusStatus {
  url: string;
  state: "connected" | "connecting" | "waiting";
  /** How many other instances were heard there lately. */
  instances: number;
  links: number;
  missed_frames: number;
  refused_frames: number;
  connected_since?: string;
  last_error?: Problem;
  retry_in_ms?: number;
  values?: ValueStatus;
}

/** How an instance is doing. */
export interface Status {
  instance_id: string;
  version: string;
  uptime_seconds: number;
  health: Health;
  listen: string[];
  peers: PeerStatus[];
  connected_clients: number;
  buses?: BusStatus[];
  /** For how long it is in step with none of the others, where there are others. */
  out_of_step_ms?: number;
  /** How the authentication file stands; missing where everybody may do everything. */
  auth?: { file: string; principals: number; digest: string; refused: number; report_only?: boolean; error?: Problem };
  /** How each receiver of notices is doing. */
  notify?: { receiver: string; waiting: number; delivered: number; dropped: number; failures: number; error?: Problem }[];
  /** How many requests a caller may make in a minute, how many callers are refused now, and what was refused since the start. */
  rate_limit?: {
    requests_per_minute: number; burst: number; block_ms: number; whitelist_local: boolean;
    blocked: number; requests: number; refused: number; blocks: number;
  };
  documents: DocumentStatus[];
}

/** What waits for the checks of the program. */
export interface Checking {
  for_ms: number;
  within_ms: number;
  writes: number;
  late: number;
  cause?: string;
}

/** A document. */
export interface DocumentStatus {
  name: string;
  revision: number;
  hash: string;
  founded: boolean;
  genesis: string | null;
  view_hash: string | null;
  keys: number;
  secrets: string[];
  sources: SourceStatus[];
  conflicts: Value[];
  /** What is rejected, withheld, or dropped from the history, where something is. */
  rejected?: Value;
  withheld?: Value[];
  /** What waits for the checks of the program: for how long, how long it may, and how many questions are late. */
  checking?: Checking;
  settling?: Value;
  bound_file?: string;
  stamps_ahead_ms?: number;
  age?: "young" | "old";
  /** Connected instances with another document, which neither side gives up by itself. */
  apart?: { genesis: string; state: "other document"; hint: string; instance_id?: string }[];
  kept?: Aside[];
  left_out?: LeftOut[];
  /** Variables that are ignored, scalars that readers take differently, keys that stand twice. */
  warnings?: Problem[];
  save_conflicts?: Value[];
}

/** A source of a document. */
export interface SourceStatus {
  id: string;
  priority: number;
  state: "fresh" | "missing" | "stale";
  error?: Problem;
  stale_ms?: number;
  /** Of those that are polled. */
  optional?: boolean;
  served_from?: "source" | "disk";
  loaded?: string;
  age_ms?: number;
  stale_after_ms?: number;
  next_poll_ms?: number;
  failures?: number;
  interval_ms?: number;
  circuit?: "closed" | "open" | "half_open";
  keep_error?: Problem;
}

/** Who comes in, and who an instance is elsewhere. Files are in PEM form. */
export interface AccessOptions {
  /** Who may do what: a file that `confmesh token` writes, taken while it runs. None: only this machine can connect. */
  auth?: string;
  /** The certificate that is shown to others; with `tlsKey` TLS is spoken. */
  tlsCert?: string;
  /** The private key of `tlsCert`. */
  tlsKey?: string;
  /** Whose certificates may stand for a token. */
  tlsClientCa?: string;
  /** Whose certificates are trusted where `wss://` is dialed; those of the system. */
  tlsCa?: string;
  /** The file with the token that is shown to other instances. */
  tokenFile?: string;
  /** That token itself; the file counts more. */
  token?: string;
  /** Whether a proxy in front speaks TLS. */
  behindProxy?: boolean;
}
