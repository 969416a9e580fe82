// Elements of a page that show a configuration: `<span data-config="app.title">`, `<input data-config="app.rate">`.
// Values become text, `value` or `checked`, never markup.
import { parsePath } from "./functions.js";
import { ConfmeshError, options, toText } from "./values.js";

const ATTRIBUTE = "data-config";
const dispose = Symbol.dispose ?? Symbol.for("nodejs.dispose");
/** Text in these is run, or styles the page. */
const NEVER = ["SCRIPT", "STYLE"];
const FIELDS = ["INPUT", "TEXTAREA", "SELECT"];
/** How many attributes are remembered as paths. */
const REMEMBERED = 1_000;
const paths = new Map();

/** The path that an element is about, as changes name it; nothing where its attribute is no path. */
function keyOf(element) {
  const text = element.getAttribute(ATTRIBUTE);
  if (!text) return undefined;
  if (!paths.has(text)) {
    if (paths.size >= REMEMBERED) paths.clear();
    try {
      paths.set(text, parsePath(text).dotted);
    } catch {
      paths.set(text, undefined); // somebody else's attribute
    }
  }
  return paths.get(text);
}

function elementsOf(root) {
  const inside = [...root.querySelectorAll(`[${ATTRIBUTE}]`)];
  return root.hasAttribute?.(ATTRIBUTE) ? [root, ...inside] : inside;
}

const shown = (value) => (value === undefined || value === null ? "" : typeof value === "string" ? value : toText(value));

/** Shows a value in an element, as text. */
export function show(element, value) {
  const text = shown(value);
  if (NEVER.includes(element.tagName) || element.type === "file") return;
  if (element.tagName === "INPUT" && element.type === "checkbox") element.checked = value === true;
  else if (element.tagName === "INPUT" && element.type === "radio") element.checked = element.value === text;
  else if (FIELDS.includes(element.tagName)) {
    // The cursor of somebody who types stays where it is.
    if (element.value !== text) element.value = text;
  } else if (element.textContent !== text) element.textContent = text;
}

/** Shows a value in the elements of `root` that are about a path. */
export function showKey(root, path, value) {
  const { dotted } = parsePath(path);
  for (const element of elementsOf(root)) if (keyOf(element) === dotted) show(element, value);
}

/** What somebody entered, as what stands there now is written: a number stays one where it can. */
function entered(element, now) {
  if (element.type === "checkbox") return element.checked;
  const text = element.value;
  if ((typeof now === "number" || typeof now === "bigint") && text.trim() !== "" && Number.isFinite(Number(text))) {
    return /^\s*-?\d+\s*$/.test(text) && !Number.isSafeInteger(Number(text)) ? BigInt(text) : Number(text);
  }
  if (typeof now === "boolean" && /^(true|false)$/.test(text)) return text === "true";
  if (typeof now === "object" && now !== null) {
    try {
      return JSON.parse(text);
    } catch {
      return text; // what the schema says of it is told
    }
  }
  return text;
}

/** A client or a configuration, as this file uses it. */
function sourceOf(source) {
  if (typeof source?.getConfig === "function") {
    return {
      get: (key) => source.getConfig(key),
      set: (key, value) => source.setConfig(key, value),
      follow(changed) {
        const all = () => changed();
        const one = ({ key }) => changed(key);
        source.on("connected", all).on("config_changed", one);
        return () => source.off("connected", all).off("config_changed", one);
      },
    };
  }
  if (typeof source?.get === "function" && typeof source.subscribe === "function") {
    return {
      get: (key) => source.get(key),
      set: async (key, value) => source.set(key, value),
      follow(changed) {
        const following = source.subscribe("**", ({ path }) => changed(path));
        return () => following.close();
      },
    };
  }
  const hint = "give a `ConfigWebSocketClient`, or what `open` returned";
  throw new ConfmeshError({ code: "usage", message: "`bindElements` binds a configuration", hint });
}

/** Whether a change at one path shows at another: it is the same one, above it or below it. */
const touches = (a, b) => a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);

/** Elements below `root`, and the values that they show. */
export class Elements {
  #root;
  #get;

  constructor(root, get) {
    this.#root = root;
    this.#get = get;
  }

  /** Shows what is there now: at a path, or everywhere. An element keeps its own text while nothing was ever at its path. */
  refresh(key, root = this.#root) {
    for (const element of elementsOf(root)) {
      const own = keyOf(element);
      if (own === undefined || (key !== undefined && !touches(own, key))) continue;
      const value = this.#get(own);
      if (value !== undefined || key !== undefined) show(element, value);
    }
  }
}

/** Elements that follow a configuration, until `close`. */
class Binding extends Elements {
  #root;
  #source;
  #stop;
  #observer;
  #write;

  constructor(source, { root, write }) {
    super(root, source.get);
    this.#root = root;
    this.#source = source;
    this.#stop = source.follow((key) => this.refresh(key));
    if (globalThis.MutationObserver) {
      const watched = { subtree: true, childList: true, attributes: true, attributeFilter: [ATTRIBUTE] };
      this.#observer = new globalThis.MutationObserver((records) => {
        for (const { type, target, addedNodes } of records) {
          const nodes = type === "attributes" ? [target] : [...addedNodes].filter((node) => node.nodeType === 1);
          for (const node of nodes) this.refresh(undefined, node);
        }
      });
      this.#observer.observe(root, watched);
    }
    if (write) {
      this.#write = ({ target }) => this.#take(target);
      root.addEventListener("change", this.#write);
    }
    this.refresh();
  }

  /** Writes what was entered; what the configuration refuses is said at the field. */
  async #take(element) {
    if (!FIELDS.includes(element.tagName)) return;
    const key = keyOf(element);
    if (key === undefined) return;
    element.setCustomValidity("");
    try {
      await this.#source.set(key, entered(element, this.#source.get(key)));
    } catch (error) {
      element.setCustomValidity(String(error.message));
      element.reportValidity();
      element.addEventListener("input", () => element.setCustomValidity(""), { once: true });
    }
  }

  close() {
    this.#stop?.();
    this.#stop = undefined;
    this.#observer?.disconnect();
    if (this.#write) this.#root.removeEventListener("change", this.#write);
  }

  [dispose]() {
    this.close();
  }
}

/**
 * Shows a configuration in the elements of `root` (the page) with the attribute `data-config`, now and whenever it changes, also in
 * those that are added later. With `write: true` what somebody enters in a field is written.
 */
export function bindElements(source, given) {
  const { root = globalThis.document, write = false } = options(given, ["root", "write"], "bindElements");
  if (typeof root?.querySelectorAll !== "function") {
    const hint = "call it in a page, or give `{ root }`, an element or a document";
    throw new ConfmeshError({ code: "usage", message: "there is no page whose elements could be bound", hint });
  }
  return new Binding(sourceOf(source), { root, write });
}
