// Variables of the environment that a program follows by name.
import { called } from "./following.js";
import { ConfmeshError } from "./native.js";
import { options } from "../wasm/values.js";

/** Calls back with what changed, until it is closed. */
class VariableWatch {
  #timer;

  constructor(names, callback, every) {
    const look = () => Object.fromEntries(names.map((name) => [name, process.env[name] ?? null]));
    let before = look();
    this.#timer = setInterval(() => {
      const now = look();
      const changed = names.filter((name) => now[name] !== before[name]).map((name) => [name, [before[name], now[name]]]);
      before = now;
      if (changed.length > 0) called("the callback of `watchVariables`", () => callback(Object.fromEntries(changed)));
    }, every);
    // It waits for nothing that keeps the process.
    this.#timer.unref();
  }

  close() {
    clearInterval(this.#timer);
  }
}

export function watchVariables(names, callback, given) {
  const { interval = 1_000 } = options(given, ["interval"], "watchVariables");
  if (typeof callback !== "function") {
    throw new ConfmeshError({ code: "usage", message: "the callback of `watchVariables` is no function", hint: "give `(changed) => …`" });
  }
  return new VariableWatch(typeof names === "string" ? [names] : [...names], callback, interval);
}
