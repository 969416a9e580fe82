// Running configurations: `Config` for one process, `Mesh` for several that agree.
import * as native from "../native/native.js";
import { parsePath, Schema } from "./functions.js";
import { awaiting, calling, ConfmeshError, fromText, text } from "./native.js";

// Node 20 has these symbols already; older browsers that read this file as text do not matter.
const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");
const asyncDispose = Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose");

const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });

/** How many paths are remembered as segments. */
const REMEMBERED = 1000;

function frozen(value) {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) frozen(child);
  }
  return value;
}

/** Changes of the paths that match a pattern, until `close()`. It keeps the process alive so long. */
export class Subscription {
  #feed;
  #iterating = false;

  constructor(feed, callback) {
    this.#feed = feed;
    if (callback) this.#deliver(callback);
  }

  async #deliver(callback) {
    for await (const change of this) {
      try {
        callback(change);
      } catch (error) {
        // As an event listener's: nobody else misses the change, and the process hears of it.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }

  async *[Symbol.asyncIterator]() {
    if (this.#iterating) throw usage("this subscription is followed already", "subscribe once more");
    this.#iterating = true;
    try {
      while (this.#feed) {
        const bunch = await this.#feed.next();
        if (bunch === null) return;
        for (const change of fromText(bunch)) {
          // Closed meanwhile: the change that is being told is the last one.
          if (!this.#feed) return;
          yield frozen(change);
        }
      }
    } finally {
      this.close();
    }
  }

  close() {
    this.#feed?.close();
    this.#feed = undefined;
  }

  [dispose]() {
    this.close();
  }
}

/** What `Config` and `Mesh` share: reading, explaining, following. */
class Reader {
  #live;
  #cached;
  #paths = new Map();

  /** For this file: the addon's half. */
  _adopt(live) {
    this.#live = live;
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

  get(path = "") {
    let segments = this.#paths.get(path);
    if (segments === undefined) {
      ({ segments } = parsePath(path));
      if (this.#paths.size >= REMEMBERED) this.#paths.clear();
      this.#paths.set(path, segments);
    }
    let value = this.toObject();
    for (const segment of segments) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, segment)) return undefined;
      if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(segment)) return undefined;
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
    return fromText(calling(() => this._live.explainText(path)));
  }

  async status() {
    return fromText(await awaiting(() => this._live.statusText()));
  }

  subscribe(pattern, callback) {
    return new Subscription(calling(() => this._live.subscribe(pattern)), callback);
  }
}

/** A configuration of this process. Made by `open`. */
export class Config extends Reader {
  set(path, value) {
    return fromText(calling(() => this._live.setNow(path, text(value))));
  }

  unset(path) {
    return fromText(calling(() => this._live.unsetNow(path)));
  }

  close() {
    this._live.closeNow();
  }

  [dispose]() {
    this.close();
  }
}

const list = (given) => (given === undefined ? [] : typeof given === "string" ? [given] : [...given]);

/** How layers become the document. */
const layering = ({ schema = null, profiles = null, interpolate = false }) => ({
  schema: schema === null ? undefined : text(schema instanceof Schema ? schema.definition : schema),
  profiles: list(profiles ?? undefined),
  interpolate,
});

export function open(files, { envPrefix, rules = null, watch = true, ...rest } = {}) {
  return new Config()._adopt(calling(() => native.openFiles(list(files), envPrefix, text(rules), watch, layering(rest))));
}

const terms = ({ ifVersion, force, fence, user } = {}) => ({
  ifVersion, force, fence: fence === undefined ? undefined : String(fence), user,
});

/** An instance whose document agrees with that of its peers. It keeps the process alive until `close()`. */
export class Mesh extends Reader {
  #options;
  #starting = false;
  #alive;

  constructor({ bind, files, listen, peers, envPrefix, dataDir, document = "default", rules = null, insecure = false,
    allowOrigins, allowHosts, ...rest } = {}) {
    super();
    this.#options = {
      bind, files: list(files), listen: list(listen), peers: list(peers), envPrefix, dataDir, document,
      rules: text(rules), insecure, allowOrigins: list(allowOrigins), allowHosts: list(allowHosts), layering: layering(rest),
    };
  }

  /** A mesh that runs. */
  static start(options) {
    return new Mesh(options).start();
  }

  async start() {
    if (this.#starting) throw usage("this mesh was started already", "make another one");
    this.#starting = true;
    this._adopt(await awaiting(() => native.startMesh(this.#options)));
    this.#alive = setInterval(() => {}, 2 ** 30);
    return this;
  }

  get addresses() {
    return this._live.addresses;
  }

  async #written(call) {
    return fromText(await awaiting(call));
  }

  set(path, value, options) {
    return this.#written(() => this._live.set(path, text(value), terms(options)));
  }

  unset(path, options) {
    return this.#written(() => this._live.unset(path, terms(options)));
  }

  read(path) {
    return this.#written(() => this._live.readText(path));
  }

  async conflicts({ all = false } = {}) {
    return (await this.#written(() => this._live.conflictsText(all))).map(({ created_at, assigned_to, sides, ...conflict }) => ({
      ...conflict,
      createdAt: created_at,
      assignedTo: assigned_to,
      sides: sides.map(({ in_force, instance_id, ...side }) => ({
        ...side, inForce: in_force, ...(instance_id && { instanceId: instance_id }),
      })),
    }));
  }

  audit() {
    return this.#written(() => this._live.auditText());
  }

  assign(id, user) {
    return this.#written(() => this._live.assign(id, user ?? undefined));
  }

  resolve(id, { user, ...choice }) {
    return this.#written(() => this._live.resolve(id, text(choice), terms({ user })));
  }

  patch(operations, { ifHash } = {}) {
    return this.#written(() => this._live.patch(text(operations), ifHash));
  }

  mergePatch(change, { ifHash } = {}) {
    return this.#written(() => this._live.mergePatch(text(change), ifHash));
  }

  replace(value, { ifHash } = {}) {
    return this.#written(() => this._live.replace(text(value), ifHash));
  }

  async close() {
    clearInterval(this.#alive);
    await this._live.close();
  }

  async [asyncDispose]() {
    await this.close();
  }
}
