// Running configurations: `Config` for one process, `Mesh` for several that agree.
import { fileURLToPath } from "node:url";
import * as native from "../native/native.cjs";
import { modelsOver } from "../wasm/full/models.js";
import { checking, withoutTerms } from "../wasm/full/over.js";
import { explained, options, spelt, withoutBigInts } from "../wasm/values.js";
import { frozen, Reports, Subscription, warn } from "./following.js";
import { parsePath, Schema } from "./functions.js";
import { awaiting, calling, ConfmeshError, fromText, text } from "./native.js";
import { withOperations } from "./operations.js";

export { Reports, Subscription };

const { extracted, modelled, Modelled } = modelsOver(parsePath);

// Node 20 has these symbols already; older browsers that read this file as text do not matter.
const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");
const asyncDispose = Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose");

const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });

/** How many paths are remembered as segments. */
const REMEMBERED = 1000;

/** What `Config` and `Mesh` share: reading, explaining, following. */
class Reader {
  #live;
  #cached;
  #paths = new Map();
  #modelled = new Modelled();
  /** How many read the reports. */
  #readers = { count: 0 };

  /** For this file: the addon's half. */
  _adopt(live) {
    this.#live = live;
    const readers = this.#readers; // not `this`, which may be collected
    live.tell((report) => warn(report, readers));
    return this;
  }

  get _live() {
    if (!this.#live) throw usage("this mesh was not started", "await `start()` first");
    return this.#live;
  }

  /** The frozen document, made once for each revision. */
  toObject() {
    if (this.#cached?.revision !== this._live.revision) this.#cached = fromText(this._live.snapshotText());
    return frozen(this.#cached.value);
  }

  /** For `JSON.stringify`: integers that a number cannot hold exactly stay whole where JavaScript can write them, else as text. */
  toJSON() {
    return withoutBigInts(this.toObject());
  }

  /** What `console.log` shows: no values, as some may be secret. */
  [Symbol.for("nodejs.util.inspect.custom")](depth, shown, inspect) {
    const name = this.constructor.name;
    if (!this.#live) return `${name} { not started }`;
    return `${name} ${inspect({ revision: this.revision, keys: Object.keys(this.toObject()) }, shown)}`;
  }

  get(path = "", otherwise = undefined) {
    let segments = this.#paths.get(path);
    if (segments === undefined) {
      ({ segments } = parsePath(path));
      if (this.#paths.size >= REMEMBERED) this.#paths.clear();
      this.#paths.set(path, segments);
    }
    let value = this.toObject();
    for (const segment of segments) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, segment)) return otherwise;
      if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(segment)) return otherwise;
      value = value[segment];
    }
    return value;
  }

  has(path) {
    return this.get(path) !== undefined;
  }

  get revision() {
    return this._live.revision;
  }

  get hash() {
    return this._live.hash;
  }

  get warnings() {
    return fromText(this._live.warningsText()).map((fields) => new ConfmeshError(fields));
  }

  get provenance() {
    return fromText(this._live.provenanceText());
  }

  explain(path) {
    return explained(fromText(calling(() => this._live.explainText(path))));
  }

  /** What stands at a path, or the whole document, as a model. */
  extract(model, path = "") {
    return extracted(this, model, path);
  }

  /** For this file: the model that it was opened with. */
  _as(model) {
    this.#modelled = new Modelled(model);
    return this;
  }

  /** The document as the `model` that it was opened with: one object of one moment, until something changes. */
  get model() {
    return this.#modelled.of(this);
  }

  async status() {
    return fromText(await awaiting(() => this._live.statusText()));
  }

  subscribe(pattern, callback, given) {
    return new Subscription(calling(() => this._live.subscribe(pattern)), callback, given);
  }

  reports(callback, given) {
    const readers = this.#readers;
    readers.count += 1;
    try {
      return new Reports(this._live.reports(), callback, given, () => (readers.count -= 1));
    } catch (error) {
      readers.count -= 1;
      throw error;
    }
  }
}

/** Keeps a damaged store aside; its instance takes the document from the others at its next start. */
export function rebuild(dataDir, given) {
  const { force = false } = options(given, ["force"], "rebuild");
  return calling(() => native.rebuild(dataDir, force)) ?? undefined;
}

/** Puts a backup into the data directory of an instance that is stopped, which comes back as another one. */
export function restore(dataDir, file, given) {
  const { force = false } = options(given, ["force"], "restore");
  return JSON.parse(calling(() => native.restore(dataDir, file, force)));
}

/** A configuration of this process. Made by `open`. */
export class Config extends Reader {
  #checks = checking();

  /** Checks of a schema of the program, which are asked while `set` waits. */
  _checkedBy(schema) {
    this.#checks = checking(schema);
    return this;
  }

  #write(write) {
    if (this.#checks.isChecking) {
      throw usage("a check cannot write to the configuration that it checks", "let it only look at what it is given, and write from a subscription");
    }
    return spelt(fromText(calling(() => write(askNow(this.#checks)))));
  }

  set(path, value, given) {
    withoutTerms(given, "set");
    return this.#write((ask) => this._live.setNow(path, text(value), ask));
  }

  unset(path, given) {
    withoutTerms(given, "unset");
    return this.#write((ask) => this._live.unsetNow(path, ask));
  }

  close() {
    this._live.closeNow();
  }

  [dispose]() {
    this.close();
  }
}

const LAYERING = ["rules", "schema", "model", "checkWithin", "invalidVariables", "profiles", "interpolate"];
const OPENING = ["envPrefix", "watch", "sources", "dataDir", "encryptKeyFile", ...LAYERING];
const MESHING = ["bind", "files", "listen", "peers", "buses", "envPrefix", "dataDir", "document", "allowOrigins", "allowHosts",
  "foundAfter", "oldAfter", "staleAfter", "settle", "historyVersions", "historyAge", "historyBytes", "sources", "encryptKeyFile", "webhookSecrets", "webhookSecretFile", "webhookPaths", "notifyUrls", "notifySecretFile", "notifyCommand", ...LAYERING,
  "auth", "tlsCert", "tlsKey", "tlsClientCa", "tlsCa", "tokenFile", "token", "behindProxy"];
const WRITING = ["ifVersion", "force", "fence", "user", "message"];

const list = (given) => (given === undefined ? [] : typeof given === "string" ? [given] : [...given]);

/** Paths of files, which may be `file:` URLs, as of `new URL("app.yaml", import.meta.url)`. */
const fileOf = (given) => (given instanceof URL ? fileURLToPath(given) : given);
const filesOf = (given) => list(given instanceof URL ? [given] : given).map(fileOf);

/** Has the checks of a schema answer a question, whenever they do. */
const checksOf = ({ patterns, later }) => ({
  patterns,
  ask: async (question) => {
    const [number, asked] = fromText(question);
    const said = await Promise.all(asked.map(([at, value]) => later(at, value)));
    native.answerCheck(number, text(said.map((wrong) => wrong ?? null)));
  },
});

/** The same at once, where the program waits: one thread runs both. */
const askNow = ({ ask }) => (asked) => `[${fromText(asked).map(([at, value]) => ask(at, text(value)) ?? "null")}]`;

/** How layers become the document. */
const layering = ({ schema = null, checkWithin = 5_000, invalidVariables = "refuse", profiles = null, interpolate = false }) => ({
  schema: schema === null ? undefined : text(schema instanceof Schema ? schema.definition : schema),
  checks: schema instanceof Schema ? checksOf(checking(schema)) : undefined,
  checkWithin,
  invalidVariables,
  profiles: list(profiles ?? undefined),
  interpolate: interpolate !== false,
  envNames: typeof interpolate === "boolean" ? [] : list(interpolate),
});

/** Options are written as in JavaScript here, and as everywhere else below. */
const dashed = (given) =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`), value]));

/** What loads a source of the program, if this is one. */
const loaderOf = (own) => {
  if (typeof own === "function") return own;
  return typeof own?.load === "function" ? () => own.load() : undefined;
};

/** The number by which variables are asked for. */
const VARIABLES = 2 ** 32 - 1;

const describeThrown = (error) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

/** The sources for the addon; with `now` those of the program are asked at once, as nobody could wait for them. */
function sources(given, dataDir, encryptKeyFile, now) {
  const each = given === undefined ? [] : Array.isArray(given) ? given : [given];
  const loaders = [];
  const specs = each.map((source) => {
    const isMap = typeof source === "object" && source !== null && loaderOf(source) === undefined;
    const { source: own, headers, ...rest } = isMap ? source : { source };
    const load = loaderOf(own);
    loaders.push(load);
    const named = { ...dashed(rest), ...(headers && { headers }) };
    if (load === undefined) {
      if (typeof own !== "string") throw usage("this is no source", "a source is a text, a map with `source`, an object with `load()`, or a function");
      return isMap ? { source: own, ...named } : own;
    }
    const name = rest.name ?? (own.name || own.constructor?.name || "source");
    if (!now) return { own: name, options: named };
    const first = load();
    if (typeof first?.then === "function") {
      Promise.resolve(first).catch(() => {});
      throw usage(`\`open\` cannot wait for \`load\` of \`${name}\`, which is async`, "use `await openAsync(…)`");
    }
    return { own: name, options: named, first: first ?? null };
  });
  const ask = async ([number, question]) => {
    try {
      const found = number === VARIABLES ? { ...process.env } : await loaders[number]();
      native.answerSource(question, text(found ?? null), undefined);
    } catch (error) {
      native.answerSource(question, undefined, describeThrown(error));
    }
  };
  return { specs: text(specs), ask, dataDir, encryptKeyFile, variables: text({ ...process.env }) };
}

export function open(files, given) {
  const { envPrefix, rules = null, watch = true, sources: more, dataDir, encryptKeyFile, ...rest } = modelled(options(given, OPENING, "open"), Schema);
  const from = calling(() => sources(more, dataDir, encryptKeyFile, true));
  const ask = askNow(checking(rest.schema));
  const live = calling(() => native.openFiles(filesOf(files), envPrefix, text(rules), watch, layering(rest), from, ask));
  return new Config()._checkedBy(rest.schema)._as(given?.model)._adopt(live);
}

/** As `open`, and waits for sources that are asked without stopping the program. */
export async function openAsync(files, given) {
  const { envPrefix, rules = null, watch = true, sources: more, dataDir, encryptKeyFile, ...rest } = modelled(options(given, OPENING, "openAsync"), Schema);
  const from = sources(more, dataDir, encryptKeyFile, false);
  const live = await awaiting(() => native.openFilesLater(filesOf(files), envPrefix, text(rules), watch, layering(rest), from));
  return new Config()._checkedBy(rest.schema)._as(given?.model)._adopt(live);
}

function terms(given, call) {
  const { ifVersion, force, fence, user, message } = options(given, WRITING, call);
  return { ifVersion, force, fence: fence === undefined ? undefined : String(fence), user, message };
}

/** Those that run: they do until they are closed, also where nobody holds them. */
const running = new Set();

/** An instance whose document agrees with that of its peers. It keeps the process alive until `close()`. */
export class Mesh extends withOperations(Reader) {
  #options;
  #starting = false;
  #alive;

  constructor(given) {
    super();
    const { bind, files, listen, peers, buses, envPrefix, dataDir, document = "default", rules = null, allowOrigins, allowHosts,
      auth, tlsCert, tlsKey, tlsClientCa, tlsCa, tokenFile, token, behindProxy = false,
      foundAfter = 3_000, oldAfter = 600_000, staleAfter, settle = false, sources: more, encryptKeyFile,
      historyVersions = 10_000, historyAge = 90 * 24 * 60 * 60 * 1_000, historyBytes = 2 ** 24,
      webhookSecrets, webhookSecretFile, webhookPaths, notifyUrls, notifySecretFile, notifyCommand, ...rest } =
      modelled(options(given, MESHING, "Mesh"), Schema);
    this._as(given?.model);
    this.#options = {
      bind: fileOf(bind), files: filesOf(files), listen: list(listen), peers: list(peers), buses: list(buses), envPrefix, dataDir, document,
      rules: text(rules), allowOrigins: list(allowOrigins), allowHosts: list(allowHosts), layering: layering(rest),
      access: { auth, tlsCert, tlsKey, tlsClientCa, tlsCa, tokenFile, token, behindProxy },
      foundAfter, oldAfter, staleAfter: staleAfter ?? undefined, settle, historyVersions, historyAge, historyBytes, sources: sources(more, undefined, encryptKeyFile, false),
      webhookSecrets: list(webhookSecrets), webhookSecretFile, webhookPaths: webhookPaths === undefined ? undefined : list(webhookPaths),
      notifyUrls: list(notifyUrls), notifySecretFile, notifyCommand,
    };
  }

  /** A mesh that runs. */
  static async start(given) {
    return new Mesh(given).start();
  }

  async start() {
    if (this.#starting) throw usage("this mesh was started already", "make another one");
    this.#starting = true;
    this._adopt(await awaiting(() => native.startMesh(this.#options)));
    this.#alive = setInterval(() => {}, 2 ** 30);
    running.add(this);
    return this;
  }

  get addresses() {
    return this._live.addresses;
  }

  /** For the methods that are printed: asks for an operation by name. */
  async _call(operation, given) {
    const told = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    return fromText(await awaiting(() => this._live.call(operation, text(told))));
  }

  async #written(call) {
    return spelt(fromText(await awaiting(call)));
  }

  set(path, value, given) {
    return this.#written(() => this._live.set(path, text(value), terms(given, "set")));
  }

  unset(path, given) {
    return this.#written(() => this._live.unset(path, terms(given, "unset")));
  }

  onWebhook(name, callback) {
    if (typeof callback !== "function") throw usage("the handler of `onWebhook` is no function", "give `(name, data) => …`");
    const hear = async (told) => {
      const { question, name: about, data } = fromText(told);
      try {
        await callback(about, frozen(data));
        native.answerSource(question, undefined, undefined);
      } catch (error) {
        native.answerSource(question, undefined, describeThrown(error));
      }
    };
    calling(() => this._live.onWebhook(name, hear));
  }

  async adopt(url, given) {
    const { yes = false } = options(given, ["yes"], "adopt");
    return this.#written(() => this._live.adoptText(url, yes));
  }

  async patch(operations, given) {
    const { ifHash } = options(given, ["ifHash"], "patch");
    return this.#written(() => this._live.patch(text(operations), ifHash));
  }

  async mergePatch(change, given) {
    const { ifHash } = options(given, ["ifHash"], "mergePatch");
    return this.#written(() => this._live.mergePatch(text(change), ifHash));
  }

  async replace(value, given) {
    const { ifHash } = options(given, ["ifHash"], "replace");
    return this.#written(() => this._live.replace(text(value), ifHash));
  }

  async close() {
    running.delete(this);
    clearInterval(this.#alive);
    await this._live.close();
  }

  async [asyncDispose]() {
    await this.close();
  }
}
