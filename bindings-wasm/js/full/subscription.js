// Following a configuration of this page: by callback, or by iteration.
import { ConfmeshError, options } from "./values.js";

const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");

const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });

/** How many changes wait for who iterates; of more than these it is told that it was too slow. */
const MAX_WAITING = 10_000;

/** Changes of the paths that match a pattern, until `close()`. Without a callback iterate it, once. */
export class Subscription {
  #end;
  #waiting = [];
  #wake = () => {};
  #iterating = false;

  /** `begin` takes what is called with each change, and gives what ends that. */
  constructor(begin, callback, given) {
    const { signal } = options(given, ["signal"], "subscribe");
    if (callback !== undefined && callback !== null && typeof callback !== "function") {
      throw usage("the callback of `subscribe` is no function", "leave it out to iterate with `for await`");
    }
    const stop = begin(callback ?? ((change) => this.#keep(change)));
    const close = () => this.close();
    this.#end = () => {
      stop();
      signal?.removeEventListener("abort", close);
    };
    signal?.addEventListener("abort", close, { once: true });
    if (signal?.aborted) this.close();
  }

  #keep(change) {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting = [Object.freeze({ path: "", op: "lagged" })];
    this.#waiting.push(change);
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    if (this.#iterating) throw usage("this subscription is followed already", "subscribe once more");
    this.#iterating = true;
    try {
      while (this.#end) {
        if (this.#waiting.length > 0) yield this.#waiting.shift();
        else await new Promise((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
  }

  /** Ends it: the change that is being told is the last one. */
  close() {
    const end = this.#end;
    this.#end = undefined;
    end?.();
    this.#wake();
  }

  [dispose]() {
    this.close();
  }
}
