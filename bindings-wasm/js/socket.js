// A live document over a WebSocket: the step machine decides, this file owns the socket, the timers and the callbacks.
import { backoffDelay, GuestEngine } from "./confmesh_wasm.js";
import { ready } from "./functions.js";
import { calling, ConfmeshError, explained, fromText, options, spelt, toText } from "./values.js";

const EVENTS = ["config_changed", "connected", "disconnected", "error"];
/** How long a connection may be silent before it is asked for a sign of life, and how long that may take. */
const SILENT_MS = 20_000;
const ANSWER_MS = 10_000;
/** How long an attempt may take before it counts as failed. */
const PROTOCOL = "confmesh";
const BEARER = "confmesh.bearer.";
const ATTEMPT_MS = 10_000;
/** How long it is tried to find out why an attempt failed. */
const PROBE_MS = 2_000;
/** How long an operation may take that is asked for by name. */
const CALL_MS = 30_000;
/** How many scalars are kept at hand. */
const REMEMBERED_READS = 1_000;

/**
 * Follows one document of an instance, and writes to it.
 *
 * Edits show at once. Without a connection they are kept, sent when there is one again, and written once.
 */
export class ConfigWebSocketClient {
  #url;
  #token;
  #WebSocket;
  #document;
  #delays;
  #engine;
  #socket;
  #handlers = new Map(EVENTS.map((event) => [event, []]));
  /** Promises of `setConfig` and `unsetConfig`, by request. */
  #open = new Map();
  /** Promises of `call`, by request id, with their timers. */
  #calls = new Map();
  #lastCall = 0;
  #patterns;
  /** Scalars that were read since the document last changed. */
  #read = new Map();
  #connecting;
  #timers = new Map();
  #attempt = 0;
  #isLive = false;
  #isClosed = false;
  #heardAt = 0;
  #firstFailureEnds = false;

  /**
   * `url` is the instance's WebSocket address, such as `ws://127.0.0.1:8765/sync`. Options: `token` for instances that
   * ask for one, `WebSocket` where there is none in the surroundings (Node before 22), `document` (`default`),
   * `initialDelay` and `maxDelay` of reconnections in milliseconds (500 and 30,000).
   */
  constructor(url, given) {
    const { token, WebSocket = globalThis.WebSocket, document = "default", initialDelay = 500, maxDelay = 30_000 } =
      options(given, ["token", "WebSocket", "document", "initialDelay", "maxDelay"], "ConfigWebSocketClient");
    this.#WebSocket = WebSocket;
    if (typeof this.#WebSocket !== "function") {
      const hint = "use Node 22 or newer, or pass a class: new ConfigWebSocketClient(url, { WebSocket })";
      throw new ConfmeshError({ code: "usage", message: "there is no `WebSocket` here", hint });
    }
    try {
      this.#url = new URL(url, globalThis.location?.href);
      if (this.#url.protocol === "http:") this.#url.protocol = "ws:";
      if (this.#url.protocol === "https:") this.#url.protocol = "wss:";
    } catch {
      this.#url = undefined;
    }
    if (this.#url?.protocol !== "ws:" && this.#url?.protocol !== "wss:") {
      const hint = "it looks like `ws://127.0.0.1:8765/sync`";
      throw new ConfmeshError({ code: "usage", message: `\`${url}\` is no WebSocket address`, hint });
    }
    if (token !== undefined && !/^[\w.!#$%&'*+^`|~-]+$/.test(token)) {
      throw new ConfmeshError({ code: "usage", message: "`token` is no token", hint: "take the line that `confmesh token new` printed" });
    }
    this.#token = token;
    this.#document = document;
    this.#delays = [initialDelay, Math.max(initialDelay, maxDelay)];
  }

  /** Whether the document is what the instance has now. */
  get isLive() {
    return this.#isLive;
  }

  /** The number of the document as it shows here; one more per visible change. */
  get revision() {
    return this.#engine?.revision ?? 0;
  }

  /** The content hash of the document as it shows here. */
  get hash() {
    return this.#engine?.hash;
  }

  /** How many writes the instance has not answered yet. */
  get pendingWrites() {
    return this.#open.size;
  }

  /**
   * Connects, and stays connected until `close`. Resolves when the document has arrived. With `retry: false` the first
   * failed attempt rejects. While the client waits to reconnect, another call tries at once.
   */
  async connect(given) {
    const { retry = true } = options(given, ["retry"], "connect");
    if (this.#isClosed) throw closed();
    if (this.#isLive) return;
    if (!this.#connecting) {
      const connecting = withResolvers();
      this.#connecting = connecting;
      // A rejection that nobody awaits (of a `connect` that was not awaited) is not an accident.
      connecting.promise.catch(() => {});
      try {
        await ready();
        this.#start();
      } catch (error) {
        this.#connecting = undefined;
        connecting.reject(error);
        throw error;
      }
    }
    this.#firstFailureEnds = !retry;
    if (!this.#socket) this.#dial();
    return this.#connecting?.promise;
  }

  /** Asks for `config_changed` of these patterns only, such as `app.features.*`; without a call every change is told. */
  subscribe(patterns) {
    this.#usePatterns([...new Set([...(this.#patterns ?? []), ...[patterns].flat()])]);
  }

  /** Takes patterns back; without arguments all of them, and no change is told any more. */
  unsubscribe(patterns) {
    const gone = patterns === undefined ? this.#patterns ?? [] : [patterns].flat();
    this.#usePatterns((this.#patterns ?? []).filter((pattern) => !gone.includes(pattern)));
  }

  /** Sets a path; resolves to the receipt `{revision, hash, changed, inForce, shadowedBy?, withheld?}`, or rejects with what was wrong. */
  setConfig(key, value) {
    return this.#write((now) => this.#engine.set(key, toText(value), ...now));
  }

  /** Removes a path; resolves and rejects as `setConfig`. */
  unsetConfig(key) {
    return this.#write((now) => this.#engine.unset(key, ...now));
  }

  /** Writes what a JSON Patch (RFC 6902) changes in the document as it shows here; resolves and rejects as `setConfig`. */
  patchConfig(operations) {
    return this.#write((now) => this.#engine.patch(toText(operations), ...now));
  }

  /**
   * Asks the instance for an operation that is open to guests, such as `conflicts`; resolves to its reply. Only while it is
   * connected: a question is not kept.
   */
  call(operation, given = {}) {
    if (this.#isClosed) return Promise.reject(closed());
    if (!this.#isLive) return Promise.reject(unanswered(operation, "the instance is not connected"));
    const answer = withResolvers();
    const request_id = `call-${++this.#lastCall}`;
    const timer = setTimeout(() => this.#answer({ request_id, error: unanswered(operation, "the instance does not answer") }), CALL_MS);
    this.#calls.set(request_id, { ...answer, operation, timer });
    this.#socket.send(toText({ type: "call", document: this.#document, operation, arguments: given, request_id }));
    return answer.promise;
  }

  /** The value at a path, or the whole document; `undefined` where nothing is. */
  getConfig(path = "") {
    const known = this.#read.get(path);
    if (known !== undefined) return known;
    const text = this.configText(path);
    if (text === undefined) return undefined;
    const value = fromText(text);
    // Maps and lists are the caller's to change, so each call makes them anew.
    if (value === null || typeof value !== "object") {
      if (this.#read.size >= REMEMBERED_READS) this.#read.clear();
      this.#read.set(path, value);
    }
    return value;
  }

  /** The canonical JSON text at a path, or of the whole document. */
  configText(path = "") {
    if (!this.#engine) return undefined;
    return calling(() => this.#engine.get(path)) ?? undefined;
  }

  /** Calls `handler` for each `event`: `config_changed`, `connected`, `disconnected` or `error`. */
  on(event, handler) {
    this.#handlersOf(event).push(handler);
    return this;
  }

  /** Takes a handler back; it is not called again, not even for an event that is being told. */
  off(event, handler) {
    const handlers = this.#handlersOf(event);
    const at = handlers.indexOf(handler);
    if (at >= 0) handlers.splice(at, 1);
    return this;
  }

  /** Closes the connection for good. Writes without an answer are rejected; some of them may have arrived. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#hangUp(1000);
    this.#goOffline();
    this.#connecting?.reject(closed());
    for (const { reject } of this.#open.values()) reject(closed());
    this.#open.clear();
    this.#engine?.free();
    this.#engine = undefined;
    this.#read.clear();
  }

  #answer({ request_id, result, error }) {
    const call = this.#calls.get(request_id);
    if (!call) return;
    this.#calls.delete(request_id);
    clearTimeout(call.timer);
    if (error) call.reject(error instanceof ConfmeshError ? error : new ConfmeshError(error));
    else call.resolve(result);
  }

  /** Nobody answers any more what was asked over a connection that has ended. */
  #forget() {
    for (const [request_id, { operation }] of this.#calls) {
      this.#answer({ request_id, error: unanswered(operation, "the connection was lost") });
    }
  }

  /** Why the value at a path is what it is on the instance: who set it, where, and what it overrides. */
  explain(path) {
    return this.call("explain", { path }).then(explained);
  }

  #handlersOf(event) {
    const handlers = this.#handlers.get(event);
    if (handlers) return handlers;
    const hint = `events are ${EVENTS.map((name) => `\`${name}\``).join(", ")}`;
    throw new ConfmeshError({ code: "usage", message: `there is no event \`${event}\``, hint });
  }

  #start() {
    if (this.#engine || this.#isClosed) return;
    const entropy = globalThis.crypto.getRandomValues(new Uint8Array(48));
    this.#engine = calling(() => new GuestEngine(this.#document, entropy));
    if (this.#patterns) this.#usePatterns(this.#patterns);
  }

  #usePatterns(patterns) {
    if (this.#engine) calling(() => this.#engine.subscribe(toText(patterns)));
    this.#patterns = patterns;
  }

  async #write(ask) {
    if (this.#isClosed) throw closed();
    if (!this.#engine) {
      await ready();
      this.#start();
    }
    const request = calling(() => ask(now()));
    const answer = withResolvers();
    this.#open.set(request, answer);
    this.#drain();
    return answer.promise;
  }

  #dial() {
    if (this.#isClosed) return;
    this.#stopTimer("dial");
    let socket;
    try {
      // A page can set no header, and an address ends up in logs.
      const protocols = this.#token === undefined ? [] : [PROTOCOL, `${BEARER}${this.#token}`];
      socket = protocols.length > 0 ? new this.#WebSocket(this.#url.href, protocols) : new this.#WebSocket(this.#url.href);
    } catch (error) {
      this.#failed(String(error?.message ?? error));
      return;
    }
    this.#socket = socket;
    const ours = (handle) => (event) => this.#socket === socket && handle(event);
    const lost = (event) => {
      this.#socket = undefined;
      this.#lost(event?.reason || undefined);
    };
    socket.addEventListener("open", ours(() => this.#step((engine) => engine.connected(...now()))));
    socket.addEventListener("message", ours(({ data }) => {
      this.#heardAt = performance.now();
      if (typeof data !== "string") return;
      // Every answer has these words; whether it is one its top says.
      const message = data.includes('"type":"answer"') ? fromText(data) : undefined;
      if (message?.type === "answer") this.#answer(message);
      else this.#step((engine) => engine.message(data, ...now()));
    }));
    socket.addEventListener("close", ours(lost));
    // Browsers say nothing about the cause, and `close` follows.
    socket.addEventListener("error", () => {});
    this.#startTimer("attempt", ATTEMPT_MS, () => {
      this.#hangUp(4000);
      this.#lost("the instance did not answer in time");
    });
  }

  async #lost(reason) {
    this.#stopTimer("attempt");
    this.#stopTimer("life");
    const wasLive = this.#isLive;
    this.#step((engine) => engine.closed(...now()));
    this.#goOffline();
    if (this.#isClosed) return;
    if (!reason && !wasLive && (await this.#isRefused())) {
      if (this.#isClosed || this.#socket) return;
      const { origin } = globalThis.location;
      const hint = `start it with \`--allow-origin ${origin}\``;
      return this.#failed(`the instance is there, and does not take pages of \`${origin}\``, hint);
    }
    this.#failed(reason ?? (wasLive ? "the connection was lost" : "the instance cannot be reached"));
  }

  /** Whether an instance is there and refuses this page: a browser does not tell a page why a WebSocket did not open. */
  async #isRefused() {
    const { location } = globalThis;
    if (!location?.origin || typeof globalThis.fetch !== "function" || location.host === this.#url.host) return false;
    const scheme = this.#url.protocol === "wss:" ? "https:" : "http:";
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), PROBE_MS);
    try {
      const asked = { mode: "no-cors", cache: "no-store", credentials: "omit", signal: abort.signal };
      await globalThis.fetch(`${scheme}//${this.#url.host}/livez`, asked);
      return true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #failed(reason, hint = `is an instance listening at ${this.#url.host}? \`confmesh serve\` starts one`) {
    const attempt = this.#attempt++;
    const place = `${this.#url.protocol}//${this.#url.host}${this.#url.pathname}`;
    const error = new ConfmeshError({ code: "unreachable", message: `cannot follow \`${place}\`: ${reason}`, hint });
    if (this.#firstFailureEnds && this.#connecting) {
      const connecting = this.#connecting;
      this.#connecting = undefined;
      connecting.reject(error);
      return;
    }
    const [initial, most] = this.#delays;
    const [entropy] = globalThis.crypto.getRandomValues(new BigUint64Array(1));
    const delay = backoffDelay(attempt, initial, most, entropy);
    this.#startTimer("dial", delay, () => this.#dial());
    this.#tell("error", error, { retryIn: delay });
  }

  /** Drops the socket without waiting for its `close`. */
  #hangUp(code) {
    const socket = this.#socket;
    this.#socket = undefined;
    try {
      socket?.close(code);
    } catch {
      // It never opened.
    }
  }

  #step(call) {
    if (!this.#engine) return;
    try {
      calling(() => call(this.#engine));
      this.#drain();
    } catch (error) {
      // The module is broken for good: nothing that it says later can be trusted.
      this.#tell("error", error);
      this.close();
    }
  }

  /** Takes everything that the step machine has to say, then tells it. */
  #drain() {
    this.#read.clear();
    for (let frame; (frame = this.#engine?.pollTransmit()) !== undefined; ) {
      if (this.#socket?.readyState === 1) this.#socket.send(frame);
    }
    for (let text; (text = this.#engine?.pollEvent()) !== undefined; ) this.#pass(fromText(text));
    const due = this.#engine?.timeout;
    if (due === undefined) this.#stopTimer("engine");
    else this.#startTimer("engine", Math.max(0, due - performance.now()), () => this.#step((e) => e.handleTimeout(...now())));
  }

  #pass(event) {
    if (event.type === "changed") {
      for (const change of event.changes) {
        const eventType = change.op === "removed" ? "config_deleted" : "config_changed";
        const { path: key, old: oldValue, new: newValue } = change;
        const { revision, cause } = event;
        this.#tell("config_changed", { key, newValue, oldValue, eventType, revision, cause });
      }
    } else if (event.type === "written") {
      const answer = this.#open.get(event.request);
      this.#open.delete(event.request);
      const { type, request, error, ...receipt } = event;
      if (error) answer?.reject(new ConfmeshError(error));
      else answer?.resolve(spelt(receipt));
    } else if (event.type === "connection") {
      if (event.live) this.#goOnline();
      else this.#goOffline();
    } else if (event.type === "notice" && event.level !== "info") {
      this.#tell("error", new ConfmeshError(event.error));
    }
  }

  #goOnline() {
    this.#attempt = 0;
    this.#firstFailureEnds = false;
    this.#stopTimer("attempt");
    if (this.#isLive) return;
    this.#isLive = true;
    this.#watchLife();
    const connecting = this.#connecting;
    this.#connecting = undefined;
    this.#tell("connected", { revision: this.revision });
    connecting?.resolve();
  }

  #goOffline() {
    this.#forget();
    if (!this.#isLive) return;
    this.#isLive = false;
    // Whoever asks to connect from now on waits for the next connection.
    this.#connecting ??= withResolvers();
    this.#connecting.promise.catch(() => {});
    this.#tell("disconnected", {});
  }

  /** Asks a silent instance for a sign of life, and drops a connection without one: half of it may be gone. */
  #watchLife() {
    this.#heardAt = performance.now();
    const look = () => {
      const silent = performance.now() - this.#heardAt;
      if (silent < SILENT_MS) return this.#startTimer("life", SILENT_MS - silent, look);
      if (silent >= SILENT_MS + ANSWER_MS) {
        this.#hangUp(4000);
        return this.#lost("the instance fell silent");
      }
      if (this.#socket?.readyState === 1) this.#socket.send('{"type":"ping","v":1}');
      this.#startTimer("life", ANSWER_MS, look);
    };
    this.#startTimer("life", SILENT_MS, look);
  }

  /** Calls the handlers that are there when their turn comes; a failing one harms nobody. */
  #tell(event, ...details) {
    const handlers = this.#handlersOf(event);
    for (const handler of [...handlers]) {
      if (!handlers.includes(handler)) continue;
      try {
        handler(...details);
      } catch (error) {
        console.error(`confmesh: a handler of \`${event}\` failed`, error);
      }
    }
  }

  #startTimer(name, delay, then) {
    this.#stopTimer(name);
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      then();
    }, delay);
    this.#timers.set(name, timer);
  }

  #stopTimer(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

const unanswered = (operation, message) =>
  new ConfmeshError({ code: "unreachable", message: `\`${operation}\` has no answer: ${message}`, hint: "await `connect()`, and ask again" });

function closed() {
  const hint = "make a new ConfigWebSocketClient";
  return new ConfmeshError({ code: "closed", message: "the client is closed", hint });
}

/** The two readings that the step machine wants. */
function now() {
  return [Date.now(), performance.now()];
}

function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}
