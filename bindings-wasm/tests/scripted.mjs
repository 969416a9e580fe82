// A WebSocket without a network: the test is the instance at its other end.

/** A class to pass to the client; `sockets` lists what it made, newest last. */
export function scriptedWebSocket() {
  const sockets = [];
  const waiting = [];
  class ScriptedWebSocket extends EventTarget {
    readyState = 0;
    sent = [];
    #readers = [];
    constructor(url, protocols) {
      super();
      this.url = url;
      this.protocols = protocols;
      sockets.push(this);
      waiting.shift()?.(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
      this.#readers.splice(0).forEach((read) => read());
    }
    close() {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.dispatchEvent(new Event("close"));
    }
    open() {
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
    }
    tell(message) {
      this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify({ v: 1, ...message }) }));
    }
    /** The first frame of a type that the client sent, as soon as there is one. */
    async frame(type, nth = 0) {
      for (;;) {
        const found = this.sent.filter((message) => message.type === type)[nth];
        if (found) return found;
        await new Promise((resolve) => this.#readers.push(resolve));
      }
    }
    /** Opens and answers the request for the document. */
    async serve(value, version = 1) {
      this.open();
      await this.frame("config_request");
      this.tell({ type: "connection_established", connection_id: "ws_1", server: "confmesh", protocol: 1 });
      this.tell({ type: "config_response", ...named, version, config_hash: "sha256:0", config_data: value });
    }
    /** Says that keys changed. */
    update(base, changes) {
      this.tell({ type: "config_update", ...named, base_version: base, version: base + 1, config_hash: "", changes });
    }
  }
  /** The next socket that the client opens, also one that is open already and was not taken yet. */
  let taken = 0;
  const next = () => {
    const at = taken++;
    return at < sockets.length ? Promise.resolve(sockets[at]) : new Promise((resolve) => waiting.push(resolve));
  };
  return { WebSocket: ScriptedWebSocket, sockets, next };
}

export const named = { name: "default", tenant_id: "default" };
