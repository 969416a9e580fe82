// Edits that no instance has answered yet, kept in IndexedDB: whoever opens the page next sends them.
import { ConfmeshError } from "./values.js";

const DATABASE = "confmesh";
const STORE = "edits";

const asked = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const done = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });

const lockOf = (id) => `confmesh-edits-${id}`;

/** What one client keeps. While it lives it holds a lock of the browser, so that no other page takes its edits for abandoned. */
export class KeptEdits {
  #database;
  #scope;
  #id = globalThis.crypto.randomUUID();
  #release;
  #saving = Promise.resolve();
  #next;

  /** `scope` says whose edits these are: a text for the address, the document and the person. */
  static async open(scope) {
    const kept = new KeptEdits();
    kept.#scope = scope;
    const opening = globalThis.indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    kept.#database = await asked(opening);
    // Another version of this page may want to change the form.
    kept.#database.onversionchange = () => kept.#database.close();
    await new Promise((held, failed) => {
      globalThis.navigator.locks
        .request(lockOf(kept.#id), () => new Promise((release) => {
          kept.#release = release;
          held();
        }))
        .catch(failed);
    });
    return kept;
  }

  /** Gives what clients left that are gone to `take`, which returns all that this one has then. */
  async adopt(take) {
    const range = globalThis.IDBKeyRange.bound([this.#scope], [this.#scope, []]);
    const keys = await asked(this.#database.transaction(STORE).objectStore(STORE).getAllKeys(range));
    for (const key of keys) {
      await globalThis.navigator.locks.request(lockOf(key[1]), { ifAvailable: true }, async (lock) => {
        if (!lock) return;
        const transaction = this.#database.transaction(STORE, "readwrite");
        const edits = transaction.objectStore(STORE);
        const text = await asked(edits.get(key));
        if (text === undefined) return;
        // In one transaction: they are in one place or in the other.
        edits.delete(key);
        const all = take(text);
        if (all !== undefined) edits.put(all, [this.#scope, this.#id]);
        await done(transaction);
      });
    }
  }

  /** Keeps this text and no other one; none where there is nothing to keep. Rejects where the browser does not. */
  save(text) {
    const isWaiting = this.#next !== undefined;
    this.#next = { text };
    if (isWaiting) return this.#saving;
    this.#saving = this.#saving.catch(() => {}).then(async () => {
      const { text } = this.#next;
      this.#next = undefined;
      const transaction = this.#database.transaction(STORE, "readwrite");
      const edits = transaction.objectStore(STORE);
      const key = [this.#scope, this.#id];
      if (text === undefined) edits.delete(key);
      else edits.put(text, key);
      await done(transaction);
    });
    return this.#saving;
  }

  /** Leaves what is kept to the next client. */
  async close() {
    await this.#saving.catch(() => {});
    this.#release();
    this.#database.close();
  }
}

/** Refuses to keep anything where a browser cannot. */
export function checkKeeping() {
  if (globalThis.indexedDB && globalThis.navigator?.locks) return;
  const hint = "pages of `https:` and of `localhost` have them; elsewhere leave `keepEdits` out";
  throw new ConfmeshError({ code: "usage", message: "edits can be kept only where there are `indexedDB` and `navigator.locks`", hint });
}
