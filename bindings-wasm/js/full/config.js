// A live configuration of one page: layers that the program gives, and above them what it sets while it runs.
import { LocalEngine } from "./confmesh_wasm.js";
import { Schema } from "./algebra.js";
import { matches, parsePath } from "./functions.js";
import { checking, withoutTerms } from "./over.js";
import { modelsOver } from "./models.js";
import { Subscription } from "./subscription.js";
import { calling, ConfmeshError, explained, fromText, options, spelt, toText, withoutBigInts } from "./values.js";

/** What `open` has in Node and not here, and what takes its place. */
const ELSEWHERE = {
  checkWithin: "a page has one thread, and its checks answer at once",
  envPrefix: "a browser has no variables: give them as a layer: { env: { prefix: \"APP\", variables } }",
  sources: "a browser asks nobody by itself: fetch the text, and hand it to `setLayer`",
  watch: "a browser has no files to watch: `setLayer` says that one changed",
  encryptKeyFile: "a browser keeps nothing on a disk that would have to be sealed",
  dataDir: "a browser has no directory: keep the text where the page keeps what is its own, and open it as a layer",
};

const { extracted, modelled, Modelled } = modelsOver(parsePath);

export { Subscription };

const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");

const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });

/** How layers become the document, as the module reads it. */
function layering(given) {
  const [strange] = Object.keys(ELSEWHERE).filter((name) => Object.hasOwn(given ?? {}, name));
  if (strange) throw usage(`\`open\` has no option \`${strange}\` in browsers`, ELSEWHERE[strange]);
  const known = options(given, ["rules", "schema", "model", "profiles", "interpolate", "invalidVariables"], "open");
  const { rules = null, schema = null, profiles = null, interpolate = null, invalidVariables = null } = modelled(known, Schema);
  if (typeof interpolate === "string" || interpolate?.[Symbol.iterator]) {
    throw usage("a browser has no variables that could be named", "give those that references may read: { interpolate: { HOST: \"h\" } }");
  }
  const variables = interpolate === true ? {} : interpolate || null;
  const how = {
    rules,
    invalidVariables,
    schema: schema instanceof Schema ? schema.definition : schema,
    checks: checking(schema).patterns,
    profiles: typeof profiles === "string" ? [profiles] : profiles && [...profiles],
    variables: variables && Object.fromEntries(Object.entries(variables).filter(([, text]) => text !== undefined)),
  };
  return [how, checking(schema)];
}

/** How many reads are remembered. */
const REMEMBERED = 1_000;

const clocks = () => [Date.now(), performance.now()];

/** A configuration of this page. Made by `open`. */
export class Config {
  #engine;
  #document;
  /** What was read since the last change: the same object until then. */
  #read = new Map();
  #subscribers = new Set();
  #following = new Set();
  #isClosed = false;
  #checks;
  #modelled;

  constructor(layers, given) {
    const [how, checks] = layering(given);
    this.#checks = checks;
    this.#modelled = new Modelled(given?.model);
    if (typeof layers === "string" || layers?.some?.((layer) => typeof layer === "string")) {
      const hint = "fetch the text and open it as a layer: open([{ id: url, text, format: \"json\" }])";
      throw usage("a browser has no files to open", hint);
    }
    this.#engine = calling(() => new LocalEngine(toText(layers), toText(how), this.#checks.ask, ...clocks()));
  }

  /** The document, frozen; the same object until something changes. */
  toObject() {
    this.#document ??= frozen(fromText(this.#engine.snapshotText()));
    return this.#document;
  }

  /** The value at a path such as `app.database.host`; `otherwise` where nothing is. */
  get(path = "", otherwise = undefined) {
    if (!this.#read.has(path)) {
      const found = calling(() => this.#engine.get(path));
      if (this.#read.size >= REMEMBERED) this.#read.clear();
      this.#read.set(path, found === undefined ? undefined : frozen(fromText(found)));
    }
    const value = this.#read.get(path);
    return value === undefined ? otherwise : value;
  }

  /** The document for `JSON.stringify`: integers that a number cannot hold exactly are whole, as text where need be. */
  toJSON() {
    return withoutBigInts(this.toObject());
  }

  has(path) {
    return this.get(path) !== undefined;
  }

  get revision() {
    return this.#engine.revision;
  }

  get hash() {
    return this.#engine.hash;
  }

  get warnings() {
    return fromText(this.#engine.warningsText()).map((fields) => new ConfmeshError(fields));
  }

  get provenance() {
    return fromText(this.#engine.provenanceText());
  }

  explain(path) {
    const found = calling(() => this.#engine.explain(path));
    if (found === undefined) throw new ConfmeshError({ code: "not_found", message: `no layer holds \`${path}\``, path });
    return explained(fromText(found));
  }

  /** What stands at a path, or the whole document, as a model; what does not fit throws, with path and place. */
  extract(model, path = "") {
    return extracted(this, model, path);
  }

  /** The document as the `model` that it was opened with: one object of one moment, until something changes. */
  get model() {
    return this.#modelled.of(this);
  }

  /** Sets a path for this page; it wins over every layer. */
  set(path, value, given) {
    withoutTerms(given, "set");
    this.#open();
    calling(() => this.#engine.set(path, toText(value), ...clocks()));
    return this.#tell();
  }

  /** Takes back what `set` did. */
  unset(path, given) {
    withoutTerms(given, "unset");
    this.#open();
    calling(() => this.#engine.unset(path, ...clocks()));
    return this.#tell();
  }

  /**
   * Puts a layer in the place of the one with its id, or beside the others: how a source that changed is followed. One that
   * the schema refuses throws and is held back: with each later change it is tried again.
   */
  setLayer(layer) {
    this.#open();
    try {
      calling(() => this.#engine.setLayer(toText(layer), ...clocks()));
    } finally {
      this.#tell();
    }
  }

  /** Calls back for every change of a path that matches, from now on; without a callback iterate what is given. */
  subscribe(pattern, callback, given) {
    this.#open();
    calling(() => matches(pattern, "x"));
    let following;
    const begin = (callback) => {
      const subscriber = { pattern, callback };
      this.#subscribers.add(subscriber);
      return () => {
        this.#subscribers.delete(subscriber);
        this.#following.delete(following);
      };
    };
    following = new Subscription(begin, callback, given);
    this.#following.add(following);
    return following;
  }

  /** Closes it; the last document can still be read. */
  close() {
    this.#isClosed = true;
    for (const following of [...this.#following]) following.close();
  }

  [dispose]() {
    this.close();
  }

  /** What `console.log` shows: no values, as some may be secret. */
  [Symbol.for("nodejs.util.inspect.custom")](depth, shown, inspect) {
    return `Config ${inspect({ revision: this.revision, keys: Object.keys(this.toObject()) }, shown)}`;
  }

  #open() {
    if (this.#checks.isChecking) { // a page has one thread: it would stand in its own way
      throw usage("a check cannot write to the configuration that it checks", "let it only look at what it is given, and write from a subscription");
    }
    if (this.#isClosed) throw new ConfmeshError({ code: "closed", message: "this configuration was closed" });
  }

  /** Hands out what happened. Callbacks run after everything is in place, and what one throws harms nobody else. */
  #tell() {
    let written;
    const changes = [];
    for (let text = this.#engine.pollEvent(); text !== undefined; text = this.#engine.pollEvent()) {
      const { type, request, error, ...event } = fromText(text);
      if (type === "written" && error) written = new ConfmeshError(error);
      else if (type === "written") written = spelt(event);
      else if (type === "changed") changes.push(...event.changes.map((change) => ({ ...change, cause: event.cause })));
    }
    if (changes.length > 0) {
      this.#document = undefined;
      this.#read.clear();
    }
    for (const change of changes.map(frozen)) {
      for (const subscriber of [...this.#subscribers]) {
        if (this.#subscribers.has(subscriber) && matches(subscriber.pattern, change.path)) call(subscriber, change);
      }
    }
    if (written instanceof ConfmeshError) throw written;
    return written;
  }
}

/** Opens layers as `merge` takes them; of two the one with the lower `priority` wins. `await ready()` first. */
export function open(layers, given) {
  return new Config(layers, given);
}

function call({ callback }, change) {
  try {
    const answer = callback(change);
    if (typeof answer?.then === "function") answer.then(undefined, report);
  } catch (error) {
    report(error);
  }
}

/** What a callback throws is an `error` of the page, or a warning of the process; it ends nothing. */
function report(error) {
  if (typeof globalThis.reportError === "function") return globalThis.reportError(error);
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const warning = `the callback of \`subscribe\` threw ${what}`;
  if (globalThis.process?.emitWarning) globalThis.process.emitWarning(warning, { type: "ConfmeshWarning", code: "callback", detail: error?.stack });
  else console.error(warning);
}

function frozen(value) {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) frozen(child);
  }
  return value;
}
