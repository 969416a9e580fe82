// Whole replicas over a native half, the WebAssembly module or the addon: texts and bytes both ways.
import { ConfmeshError, fromText } from "./values.js";

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
      this.#native = given === ADOPTED ? rules
        : calling(() => new native.NativeReplica(toText(rules), id(given.id), id(given.genesis)));
    }

    static load(data, rules = null, given = {}) {
      return new Replica(calling(() => native.NativeReplica.load(bytes(data, "the document"), toText(rules), id(given.id))), ADOPTED);
    }

    fork(given = {}) {
      return new Replica(calling(() => this.#native.fork(id(given.id))), ADOPTED);
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

    set(path, value, { ifVersion, wallMs } = {}) {
      return calling(() => this.#native.set(path, toText(value), optional(ifVersion, "`ifVersion`"), time(wallMs)));
    }

    unset(path, { ifVersion, wallMs } = {}) {
      return calling(() => this.#native.unset(path, optional(ifVersion, "`ifVersion`"), time(wallMs)));
    }

    resolve(path, value, { wallMs } = {}) {
      return calling(() => this.#native.resolve(path, toText(value), time(wallMs)));
    }

    version() {
      return calling(() => this.#native.version());
    }

    delta(since) {
      return calling(() => this.#native.delta(optional(since, "`since`")));
    }

    apply(delta, { wallMs } = {}) {
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
