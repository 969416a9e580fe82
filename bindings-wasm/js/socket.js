// A live document over a WebSocket: the step machine decides, this file owns the socket, the timers and the callbacks.
import { addressOf, isRefused } from "./address.js";
import { backoffDelay, GuestEngine } from "./confmesh_wasm.js";
import { checkKeeping, KeptEdits } from "./edits.js";
import { Elements, showKey } from "./elements.js";
import { joinPath, ready } from "./functions.js";
import { put } from "./local.js";
import { calling, ConfmeshError, explained, fromText, options, spelt, toText } from "./values.js";
import { Calls, Timers, unanswered, withResolvers } from "./waiting.js";

const EVENTS = ["config_changed", "config_locked", "config_unlocked", "connected", "disconnected", "error"];
/** What a frame may be that this file reads. */
const SPOKEN = /"type":"(?:answer|config_(?:un)?locked|connection_established|error)"/;
const OPTIONS = ["token", "WebSocket", "document", "initialDelay", "maxDelay", "maxReconnectAttempts", "jitter", "root", "store", "keepEdits"];
/** How long a connection may be silent before it is asked for a sign of life, and how long that may take. */
const SILENT_MS = 20_000;
const ANSWER_MS = 10_000;
const PROTOCOL = "confmesh";
const BEARER = "confmesh.bearer.";
/** How long an attempt may take before it counts as failed. */
const ATTEMPT_MS = 10_000;
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
  #calls = new Calls();
  #patterns;
  /** Scalars that were read since the document last changed. */
  #read = new Map();
  #connecting;
  #connectionId = null;
  #timers = new Timers();
  #attempt = 0;
  #jitter;
  #gaveUp = false;
  #root;
  #store;
  #elements;
  /** Whose edits are kept, and the keeping. */
  #keeps;
  #kept;
  #starting;
  #isLive = false;
  #isClosed = false;
  #heardAt = 0;
  #firstFailureEnds = false;

  /**
   * `url` is the instance's WebSocket address, such as `ws://127.0.0.1:8765/sync`. Options: `token` for instances that
   * ask for one, `WebSocket` where there is none in the surroundings (Node before 22), `document` (`default`);
   * of reconnections `initialDelay` and `maxDelay` in milliseconds (1,000 and 30,000), `jitter: false` for exactly these and
   * `maxReconnectAttempts` (no end); `root`, whose elements with `data-config` show what is there (the page; null for none);
   * `store`, an object that follows the document (`globalThis.appConfig`; null for none); `keepEdits` for edits that outlive the
   * page, `true` or a name for whose they are.
   */
  constructor(url, given) {
    const {
      token, WebSocket = globalThis.WebSocket, document = "default", initialDelay = 1_000, maxDelay = 30_000,
      maxReconnectAttempts = Infinity, jitter = true, root = globalThis.document, store, keepEdits = false,
    } = options(given, OPTIONS, "ConfigWebSocketClient");
    this.#WebSocket = WebSocket;
    if (typeof this.#WebSocket !== "function") {
      const hint = "use Node 22 or newer, or pass a class: new ConfigWebSocketClient(url, { WebSocket })";
      throw new ConfmeshError({ code: "usage", message: "there is no `WebSocket` here", hint });
    }
    this.#url = addressOf(url);
    if (token !== undefined && !/^[\w.!#$%&'*+^`|~-]+$/.test(token)) {
      throw new ConfmeshError({ code: "usage", message: "`token` is no token", hint: "take the line that `confmesh token new` printed" });
    }
    this.#token = token;
    this.#document = document;
    this.#delays = [initialDelay, Math.max(initialDelay, maxDelay)];
    this.#jitter = jitter;
    this.maxReconnectAttempts = maxReconnectAttempts;
    this.#root = root ?? null;
    if (this.#root) this.#elements = new Elements(this.#root, (key) => this.getConfig(key));
    this.#store = store;
    if (keepEdits) checkKeeping();
    this.#keeps = keepEdits === true ? "" : keepEdits;
  }

  /** The address, without anything secret. */
  get url() {
    return this.#url.href;
  }

  /** The socket that stands or is being opened; null while there is none. */
  get ws() {
    return this.#socket ?? null;
  }

  /** What the instance calls this connection; null while there is none. */
  get connectionId() {
    return this.#connectionId;
  }

  /** The patterns that are followed; empty also before the first `subscribe`, when every change is told. */
  get subscriptions() {
    return new Set(this.#patterns);
  }

  /** Who is called for which event. */
  get eventHandlers() {
    return new Map([...this.#handlers].map(([event, handlers]) => [event, [...handlers]]));
  }

  /** How many attempts to connect have failed since the document last arrived. */
  get reconnectAttempts() {
    return this.#attempt;
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
  connect(given) {
    const connected = this.#connect(given);
    connected.catch(() => {}); // where nobody awaits it, that it was closed meanwhile is no accident
    return connected;
  }

  async #connect(given) {
    const { retry = true } = options(given, ["retry"], "connect");
    if (this.#isClosed) throw closed();
    if (this.#isLive) return;
    if (!this.#connecting) {
      const connecting = withResolvers();
      this.#connecting = connecting;
      connecting.promise.catch(() => {});
      try {
        await this.#start();
      } catch (error) {
        this.#connecting = undefined;
        connecting.reject(error);
        throw error;
      }
    }
    if (this.#isClosed) throw closed();
    this.#firstFailureEnds = !retry;
    if (this.#gaveUp) [this.#gaveUp, this.#attempt] = [false, 0];
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

  /**
   * Sets a path, for a person where one is named; resolves to the receipt `{revision, hash, changed, inForce, shadowedBy?,
   * withheld?}`, or rejects with what was wrong.
   */
  setConfig(key, value, userId) {
    return this.#write((now) => this.#engine.set(key, toText(value), userId, ...now));
  }

  /** Removes a path; resolves and rejects as `setConfig`. */
  unsetConfig(key, userId) {
    return this.#write((now) => this.#engine.unset(key, userId, ...now));
  }

  /** Writes what a JSON Patch (RFC 6902) changes in the document as it shows here; resolves and rejects as `setConfig`. */
  patchConfig(operations, userId) {
    return this.#write((now) => this.#engine.patch(toText(operations), userId, ...now));
  }

  /**
   * Asks the instance for an operation that is open to guests, such as `conflicts`; resolves to its reply. Only while it is
   * connected: a question is not kept.
   */
  call(operation, given = {}) {
    if (this.#isClosed) return Promise.reject(closed());
    if (!this.#isLive) return Promise.reject(unanswered(operation, "the instance is not connected"));
    return this.#calls.ask(operation, (request_id) =>
      this.#socket.send(toText({ type: "call", document: this.#document, operation, arguments: given, request_id })));
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

  /** Calls `handler` for each `event`: `config_changed`, `config_locked`, `config_unlocked`, `connected`, `disconnected` or `error`. */
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

  /** Puts a value at a path of the object that follows the document, and makes the maps above it; `undefined` takes it away. */
  updateLocalConfig(key, value) {
    const store = this.#followingStore();
    if (store) put(store, key, value);
  }

  /** Shows a value in the elements whose `data-config` is this key: in fields as their value, else as text. */
  updateUI(key, value) {
    if (this.#root) showKey(this.#root, key, value);
  }

  /**
   * Closes the connection for good. Writes without an answer are rejected; some of them may have arrived, and with `keepEdits`
   * the next client sends them.
   */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timers.clear();
    this.#hangUp(1000);
    this.#goOffline();
    this.#connecting?.reject(closed());
    for (const { reject } of this.#open.values()) reject(closed());
    this.#open.clear();
    this.#kept?.close();
    this.#kept = undefined;
    this.#engine?.free();
    this.#engine = undefined;
    this.#read.clear();
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

  #followingStore() {
    const store = this.#store === undefined ? globalThis.appConfig : this.#store;
    return typeof store === "object" ? store : null;
  }

  /** Begins once: loads the module, and takes up what an earlier page could not send. */
  #start() {
    this.#starting ??= this.#begin().catch((error) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #begin() {
    await ready();
    const entropy = globalThis.crypto.getRandomValues(new Uint8Array(48));
    const engine = calling(() => new GuestEngine(this.#document, entropy));
    if (this.#keeps !== false) await this.#adopt(engine);
    if (this.#isClosed) return engine.free();
    this.#engine = engine;
    if (this.#patterns) this.#usePatterns(this.#patterns);
  }

  async #adopt(engine) {
    try {
      this.#kept = await KeptEdits.open(JSON.stringify([this.#url.href, this.#document, this.#keeps]));
      await this.#kept.adopt((text) => {
        try {
          for (const request of calling(() => engine.reopenEdits(text, ...now()))) {
            this.#open.set(request, { resolve() {}, reject: (error) => this.#isClosed || this.#tell("error", error) });
          }
        } catch (error) {
          this.#tell("error", error);
        }
        const all = engine.openEdits(...now());
        return all === "[]" ? undefined : all;
      });
    } catch (error) {
      const hint = "edits are sent all the same while the page is open";
      this.#tell("error", new ConfmeshError({ code: "store", message: `the browser keeps no edits: ${error?.message ?? error}`, hint }));
    }
  }

  /** Has the browser keep what is open now. */
  #keep() {
    const text = this.#engine?.openEdits(...now());
    this.#kept?.save(text === "[]" ? undefined : text).catch((error) => {
      this.#tell("error", new ConfmeshError({ code: "store", message: `an edit could not be kept: ${error?.message ?? error}` }));
    });
  }

  #usePatterns(patterns) {
    if (this.#engine) calling(() => this.#engine.subscribe(toText(patterns)));
    this.#patterns = patterns;
  }

  async #write(ask) {
    if (this.#isClosed) throw closed();
    if (!this.#engine) await this.#start();
    if (this.#isClosed) throw closed();
    const request = calling(() => ask(now()));
    const answer = withResolvers();
    this.#open.set(request, answer);
    this.#drain();
    if (this.#kept) this.#keep();
    return answer.promise;
  }

  #dial() {
    if (this.#isClosed) return;
    this.#timers.stop("dial");
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
      // These words may stand in a value as well; what a frame is its top says.
      if (!(SPOKEN.test(data) && this.#heard(data))) this.#step((engine) => engine.message(data, ...now()));
    }));
    socket.addEventListener("close", ours(lost));
    // Browsers say nothing about the cause, and `close` follows.
    socket.addEventListener("error", () => {});
    this.#timers.start("attempt", ATTEMPT_MS, () => {
      this.#hangUp(4000);
      this.#lost("the instance did not answer in time");
    });
  }

  /** Whether a frame was for this file alone. */
  #heard(data) {
    let frame;
    try {
      frame = fromText(data);
    } catch {
      return false; // the engine says so
    }
    if (frame.type === "answer") this.#calls.answer(frame);
    else if (frame.type === "error") this.#tell("error", new ConfmeshError(frame));
    else if (frame.type === "config_locked" || frame.type === "config_unlocked") {
      this.#tell(frame.type, { key: frame.config_key, holder: frame.user_id, token: frame.token });
    } else {
      if (frame.type === "connection_established") this.#connectionId = frame.connection_id;
      return false;
    }
    return true;
  }

  async #lost(reason) {
    this.#timers.stop("attempt");
    this.#timers.stop("life");
    const wasLive = this.#isLive;
    this.#step((engine) => engine.closed(...now()));
    this.#goOffline();
    if (this.#isClosed) return;
    if (!reason && !wasLive && (await isRefused(this.#url))) {
      if (this.#isClosed || this.#socket) return;
      const { origin } = globalThis.location;
      const hint = `start it with \`--allow-origin ${origin}\``;
      return this.#failed(`the instance is there, and does not take pages of \`${origin}\``, hint);
    }
    this.#failed(reason ?? (wasLive ? "the connection was lost" : "the instance cannot be reached"));
  }

  #failed(reason, hint = `is an instance listening at ${this.#url.host}? \`confmesh serve\` starts one`) {
    const place = `${this.#url.protocol}//${this.#url.host}${this.#url.pathname}`;
    const error = new ConfmeshError({ code: "unreachable", message: `cannot follow \`${place}\`: ${reason}`, hint });
    if (this.#firstFailureEnds && this.#connecting) {
      const connecting = this.#connecting;
      this.#connecting = undefined;
      connecting.reject(error);
      return;
    }
    if (this.#attempt >= this.maxReconnectAttempts) return this.#giveUp(error);
    const attempt = this.#attempt++;
    const [initial, most] = this.#delays;
    const [entropy] = this.#jitter ? globalThis.crypto.getRandomValues(new BigUint64Array(1)) : [2n ** 64n - 1n];
    const delay = backoffDelay(attempt, initial, most, entropy);
    this.#timers.start("dial", delay, () => this.#dial());
    this.#tell("error", error, { retryIn: delay });
  }

  #giveUp({ code, message }) {
    this.#gaveUp = true;
    const hint = "`connect()` tries again; edits wait until then";
    const error = new ConfmeshError({ code, message: `${message}; gave up after ${this.#attempt} attempts to reconnect`, hint });
    const connecting = this.#connecting;
    this.#connecting = undefined;
    connecting?.reject(error);
    this.#tell("error", error);
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
    if (due === undefined) this.#timers.stop("engine");
    else this.#timers.start("engine", Math.max(0, due - performance.now()), () => this.#step((e) => e.handleTimeout(...now())));
  }

  #pass(event) {
    if (event.type === "changed") {
      // All of them are there when the first one is told.
      for (const { path, new: value } of event.changes) this.#mirror(path, value);
      for (const change of event.changes) {
        if (this.#isClosed) return; // by a handler
        const eventType = change.op === "removed" ? "config_deleted" : "config_changed";
        const { path: key, old: oldValue, new: newValue } = change;
        const { revision, cause } = event;
        this.#tell("config_changed", { key, newValue, oldValue, eventType, revision, cause });
        this.#elements?.refresh(key);
      }
    } else if (event.type === "written") {
      const answer = this.#open.get(event.request);
      this.#open.delete(event.request);
      const { type, request, error, ...receipt } = event;
      if (this.#kept) this.#keep();
      if (error) answer?.reject(new ConfmeshError(error));
      else answer?.resolve(spelt(receipt));
    } else if (event.type === "connection") {
      if (event.live) this.#goOnline();
      else this.#goOffline();
    } else if (event.type === "notice" && event.level !== "info") {
      this.#tell("error", new ConfmeshError(event.error));
    }
  }

  /** Has the program's object follow; a key that no plain object may have is told. */
  #mirror(key, value) {
    const store = this.#followingStore();
    if (!store) return;
    try {
      put(store, key, value, (segments) => this.getConfig(joinPath(segments)));
    } catch (error) {
      this.#tell("error", error);
    }
  }

  #goOnline() {
    this.#attempt = 0;
    this.#firstFailureEnds = false;
    this.#timers.stop("attempt");
    if (this.#isLive) return;
    this.#isLive = true;
    this.#watchLife();
    const connecting = this.#connecting;
    this.#connecting = undefined;
    this.#elements?.refresh();
    this.#tell("connected", { revision: this.revision, connectionId: this.#connectionId });
    connecting?.resolve();
  }

  #goOffline() {
    this.#calls.lose();
    this.#connectionId = null;
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
      if (silent < SILENT_MS) return this.#timers.start("life", SILENT_MS - silent, look);
      if (silent >= SILENT_MS + ANSWER_MS) {
        this.#hangUp(4000);
        return this.#lost("the instance fell silent");
      }
      if (this.#socket?.readyState === 1) this.#socket.send('{"type":"ping","v":1}');
      this.#timers.start("life", ANSWER_MS, look);
    };
    this.#timers.start("life", SILENT_MS, look);
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
}

function closed() {
  const hint = "make a new ConfigWebSocketClient";
  return new ConfmeshError({ code: "closed", message: "the client is closed", hint });
}

/** The two readings that the step machine wants. */
function now() {
  return [Date.now(), performance.now()];
}
