// Whole replicas over a native half, the WebAssembly module or the addon: texts and bytes both ways.
import { ConfmeshError, fromText, options } from "./values.js";

const WRITING = ["ifVersion", "wallMs"];

/** Marks a native half that is there already. */
const ADOPTED = Symbol("adopted");

const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });

/** Checked here: the module would take anything with a length. */
function bytes(given, what) {
  if (given?.[Symbol.toStringTag] === "Uint8Array") return given;
  throw usage(`${what} is no \`Uint8Array\``);
}

const optional = (given, what) => (given === undefined || given === null ? undefined : bytes(given, what));

/** The 16 bytes of an id, random where none is given. */
const id = (given) => optional(given, "an id") ?? crypto.getRandomValues(new Uint8Array(16));

function time(wallMs) {
  if (wallMs === undefined) return Date.now();
  if (Number.isSafeInteger(wallMs) && wallMs >= 0) return wallMs;
  throw usage(`\`wallMs\` is no time: ${wallMs}`, "give milliseconds since 1970, or leave it out");
}

/** The class `Replica` over the class `NativeReplica` of a native half. */
export function replicaOver(native, { calling, toText }) {
  return class Replica {
    #native;

    constructor(rules = null, given = {}) {
      if (given === ADOPTED) {
        this.#native = rules;
        return;
      }
      const { id: author, genesis } = options(given, ["id", "genesis"], "Replica");
      this.#native = calling(() => new native.NativeReplica(toText(rules), id(author), id(genesis)));
    }

    static load(data, rules = null, given = {}) {
      const { id: author } = options(given, ["id"], "load");
      return new Replica(calling(() => native.NativeReplica.load(bytes(data, "the document"), toText(rules), id(author))), ADOPTED);
    }

    fork(given = {}) {
      const { id: author } = options(given, ["id"], "fork");
      return new Replica(calling(() => this.#native.fork(id(author))), ADOPTED);
    }

    get id() {
      return this.#native.id;
    }

    get genesis() {
      return this.#native.genesis;
    }

    get value() {
      return this.get("");
    }

    get(path, otherwise) {
      const found = calling(() => this.#native.get(path));
      return found === undefined || found === null ? otherwise : fromText(found);
    }

    set(path, value, given = {}) {
      const { ifVersion, wallMs } = options(given, WRITING, "set");
      return calling(() => this.#native.set(path, toText(value), optional(ifVersion, "`ifVersion`"), time(wallMs)));
    }

    unset(path, given = {}) {
      const { ifVersion, wallMs } = options(given, WRITING, "unset");
      return calling(() => this.#native.unset(path, optional(ifVersion, "`ifVersion`"), time(wallMs)));
    }

    resolve(path, value, given = {}) {
      const { wallMs } = options(given, ["wallMs"], "resolve");
      return calling(() => this.#native.resolve(path, toText(value), time(wallMs)));
    }

    version() {
      return calling(() => this.#native.version());
    }

    delta(since) {
      return calling(() => this.#native.delta(optional(since, "`since`")));
    }

    apply(delta, given = {}) {
      const { wallMs } = options(given, ["wallMs"], "apply");
      return fromText(calling(() => this.#native.apply(bytes(delta, "the delta"), time(wallMs))));
    }

    save() {
      return this.delta();
    }

    conflicts() {
      return fromText(calling(() => this.#native.conflicts()));
    }

    settle() {
      calling(() => this.#native.settle());
    }
  };
}
