// Sources of every kind, for `open` and `Mesh`.
import type { LayeringOptions } from "./index.js";

/** A document of a program's own source: `null` where there is none. */
export type Loaded = { [key: string]: unknown } | null | undefined;

/** A source of the program's own; what it throws, and what it takes longer for than `timeout`, leaves the last good document in force. */
export interface Source {
  load(): Loaded | Promise<Loaded>;
}

/** A source with its options; those of a text are written behind `;`: `"https://config.example/app;interval=10s;optional"`. */
export interface SourceOptions {
  /** `file:PATH`, `dotenv:PATH`, `env:PREFIX`, `http://…`, `https://…`, `exec:COMMAND`, or what loads it. */
  source: string | Source | (() => Loaded | Promise<Loaded>);
  name?: string;
  /** Lower wins; of variables 10, of dotenv files 15, of files 30, of others 40. */
  priority?: number;
  /** `"10s"`; 30 s. */
  interval?: string;
  /** `"1s..60s"`: sooner while it changes. */
  adaptive?: string;
  format?: string;
  /** Whether it may be missing. */
  optional?: boolean;
  /** Whether all of it is masked, and nothing kept on the disk. */
  secret?: boolean;
  timeout?: string;
  /** After how long without a good answer nobody should rely on it. */
  staleAfter?: string;
  maxUpdatesPerMinute?: number;
  tokenEnv?: string;
  tokenFile?: string;
  basicEnv?: string;
  headers?: { [name: string]: string };
  headerEnv?: { [name: string]: string };
  /** A file of certificates that are trusted instead of the system's. */
  ca?: string;
  /** Which document of a YAML file. */
  document?: number | "all";
  /** Whether markers in the file take out what lies below. */
  unset?: boolean;
  /** Which variables count. */
  mode?: string;
}

export type GivenSource = string | SourceOptions | Source | (() => Loaded | Promise<Loaded>);

/** Which signed requests a mesh takes at `POST /webhook/config`. */
export interface WebhookOptions {
  /** Secrets, `"NAME=SECRET"`, by which signed requests at `POST /webhook/config` are known; none are taken. */
  webhookSecrets?: string | Iterable<string>;
  /** A file of them, one a line; it is read for every request. */
  webhookSecretFile?: string;
  /** Patterns of what webhooks may write; everything. An empty list: nothing, and they only call handlers. */
  webhookPaths?: string | Iterable<string>;
}

/** Who is told when something begins to be wrong with an instance, and when it is over. */
export interface NotifyOptions {
  /** URLs that get a signed request (Standard Webhooks) for each notice. */
  notifyUrls?: string | Iterable<string>;
  /** The file with the secret that these are signed with. */
  notifySecretFile?: string;
  /** A program and its arguments, run for each notice, which it reads on standard input. */
  notifyCommand?: string;
}

/** What changed between two looks: what each variable was, and what it is; `null` where it is not set. */
export type ChangedVariables = { [name: string]: [string | null, string | null] };

export interface OpenOptions extends LayeringOptions {
  /** Sources beside the files. */
  sources?: GivenSource | readonly GivenSource[];
  /** Keeps the last good documents of sources, for a start while they do not answer. */
  dataDir?: string;
  /** Variables with this prefix win over the files: `MYAPP_DB__HOST` sets `db.host`. */
  envPrefix?: string;
  /** Whether edits of the files show at once; true. */
  watch?: boolean;
  /** The file of keys (`confmesh key new`) that seal what is kept and holds secrets; without it that is not kept. */
  encryptKeyFile?: string;
}
