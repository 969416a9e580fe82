// What a client waits for: answers to operations that it asks for by name, and points in time.
import { ConfmeshError } from "./values.js";

/** How long an answer may take. */
const CALL_MS = 30_000;

/** Questions that wait for their answers, by request id. */
export class Calls {
  #open = new Map();
  #last = 0;

  /** Has `send` ask under a new id; resolves to the reply. */
  ask(operation, send) {
    const answer = withResolvers();
    const request_id = `call-${++this.#last}`;
    const timer = setTimeout(() => this.answer({ request_id, error: unanswered(operation, "the instance does not answer") }), CALL_MS);
    this.#open.set(request_id, { ...answer, operation, timer });
    send(request_id);
    return answer.promise;
  }

  answer({ request_id, result, error }) {
    const call = this.#open.get(request_id);
    if (!call) return;
    this.#open.delete(request_id);
    clearTimeout(call.timer);
    if (error) call.reject(error instanceof ConfmeshError ? error : new ConfmeshError(error));
    else call.resolve(result);
  }

  /** Nobody answers any more what was asked over a connection that has ended. */
  lose() {
    for (const [request_id, { operation }] of this.#open) {
      this.answer({ request_id, error: unanswered(operation, "the connection was lost") });
    }
  }
}

export const unanswered = (operation, message) =>
  new ConfmeshError({ code: "unreachable", message: `\`${operation}\` has no answer: ${message}`, hint: "await `connect()`, and ask again" });

export function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

/** Timers by name; each name has one at most. */
export class Timers {
  #running = new Map();

  start(name, delay, then) {
    this.stop(name);
    const timer = setTimeout(() => {
      this.#running.delete(name);
      then();
    }, delay);
    this.#running.set(name, timer);
  }

  stop(name) {
    clearTimeout(this.#running.get(name));
    this.#running.delete(name);
  }

  clear() {
    for (const name of [...this.#running.keys()]) this.stop(name);
  }
}
