// Following a configuration: its changes, and what it reports.
import { ConfmeshError, fromText } from "./native.js";
import { options } from "../wasm/values.js";

// Node 20 has this symbol already.
const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");

const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });

/**
 * Calls a function of the program. What it throws, at once or later, is a warning of the process and ends nothing: one broken
 * callback is no reason to stop a program, and it hears the next change.
 */
export function called(who, call) {
  const warnOf = (error) => {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    process.emitWarning(`${who} threw ${what}`, { type: "ConfmeshWarning", code: "callback", detail: error?.stack });
  };
  try {
    const answer = call();
    if (typeof answer?.then === "function") answer.then(undefined, warnOf);
  } catch (error) {
    warnOf(error);
  }
}

export function frozen(value) {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) frozen(child);
  }
  return value;
}

/** What comes in bunches from the addon, until `close()`; the feed keeps configuration and process alive so long. */
class Follower {
  #feed;
  #read;
  #call;
  #iterating = false;
  #letGo = () => {};

  constructor(feed, callback, given, call, read) {
    const { signal } = options(given, ["signal"], call);
    this.#feed = feed;
    this.#read = read;
    this.#call = call;
    if (callback !== undefined && callback !== null && typeof callback !== "function") {
      this.close();
      throw usage(`the callback of \`${call}\` is no function`, "leave it out to iterate with `for await`");
    }
    if (signal) {
      const close = () => this.close();
      signal.addEventListener("abort", close, { once: true });
      this.#letGo = () => signal.removeEventListener("abort", close);
      if (signal.aborted) this.close();
    }
    if (callback) this.#deliver(callback);
  }

  async #deliver(callback) {
    for await (const event of this) {
      called(`the callback of \`${this.#call}\``, () => callback(event));
    }
  }

  async *[Symbol.asyncIterator]() {
    if (this.#iterating) throw usage("this subscription is followed already", "subscribe once more");
    this.#iterating = true;
    try {
      while (this.#feed) {
        const bunch = await this.#feed.next();
        if (bunch === null) return;
        for (const event of fromText(bunch)) {
          // Closed meanwhile: what is being told is the last one.
          if (!this.#feed) return;
          yield this.#read(event);
        }
      }
    } finally {
      this.close();
    }
  }

  close() {
    this.#letGo();
    this.#feed?.close();
    this.#feed = undefined;
  }

  [dispose]() {
    this.close();
  }
}

/** Changes of the paths that match a pattern. */
export class Subscription extends Follower {
  constructor(feed, callback, given) {
    super(feed, callback, given, "subscribe", frozen);
  }
}

/** A report, whose error is an error object. */
function report({ error, ...fields }) {
  return Object.freeze(error === undefined ? fields : { ...fields, error: new ConfmeshError(error) });
}

/** What an operator should know. */
export class Reports extends Follower {
  #ended;

  constructor(feed, callback, given, ended) {
    super(feed, callback, given, "reports", report);
    this.#ended = ended;
  }

  close() {
    super.close();
    this.#ended?.();
    this.#ended = undefined;
  }
}

/** What is told to a program that asks for no reports: warnings of the process, which Node prints. */
export function warn(text, readers) {
  if (readers.count > 0) return;
  const { level, message, error } = fromText(text);
  if (level !== "info") process.emitWarning(message, { type: "ConfmeshWarning", code: error?.code ?? "report" });
}
