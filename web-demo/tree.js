// The document as rows: one per key, updated in place so that focus, editors and animations survive a change.
import { joinPath } from "./client.js";
import { canonical } from "./functions.js";
import { count, h, short, typeOf } from "./dom.js";
import { editor, newKeyForm } from "./editor.js";
import { MASK } from "./secrets.js";
import { hidesShared, isShared, sourceName } from "./words.js";

const isContainer = (value) => value !== null && typeof value === "object";
/** Larger containers start folded. */
const OPEN_CHILDREN = 40;

/** A path of segments as text. */
export function pathOf(segments) {
  return segments.every((segment) => /^[^.\\*/]+$/.test(segment)) ? segments.join(".") : joinPath(segments);
}

/**
 * The tree in `root`. `actions` has `select(path)`, `set(segments, value)`, `remove(segments)`; both writes settle when
 * the instance answered. `isSecret(path)` tells whether a value, or a
 * part of it, must not be shown.
 */
export class Tree {
  #root;
  #actions;
  #document = {};
  #rows = new Map();
  #folded = new Map();
  #notes = new Map();
  #sources = new Map();
  #flashing = new Set();
  #selected;
  #adding;

  constructor(root, actions) {
    this.#root = root;
    this.#actions = actions;
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  get selected() {
    return this.#selected;
  }

  /** Shows a document; rows of `changed` paths flash. */
  show(document, changed = []) {
    this.#document = document;
    for (const path of changed) this.#flashing.add(path);
    this.#render();
  }

  /** Tells which source each leaf comes from. */
  setSources(sources) {
    this.#sources = sources;
    this.#render();
  }

  /** Puts words beside a key: `{kind: "error" | "shadowed", text, hint?}`, or takes them away. */
  note(path, note) {
    if (note) this.#notes.set(path, note);
    else this.#notes.delete(path);
    this.#render();
  }

  select(path) {
    this.#selected = path;
    this.#render();
    this.#actions.select(path);
  }

  /** Opens the form for a new key below `segments`. */
  add(segments = []) {
    if (segments.length > 0) this.#folded.set(pathOf(segments), false);
    this.#adding = pathOf(segments);
    this.#render();
    this.#root.querySelector(".new-key input")?.focus();
  }

  #render() {
    const seen = new Set();
    let place = this.#root.firstChild;
    const put = (element) => {
      if (element === place) place = place.nextSibling;
      else this.#root.insertBefore(element, place);
    };
    const form = (segments) => {
      if (this.#adding !== pathOf(segments)) return;
      this.#form ??= this.#newKey(segments);
      put(this.#form);
    };
    form([]);
    const visit = (value, segments) => {
      const keys = Object.keys(value);
      for (const key of keys) {
        const child = value[key];
        const below = [...segments, key];
        const path = pathOf(below);
        seen.add(path);
        let row = this.#rows.get(path);
        if (!row) this.#rows.set(path, (row = this.#row(below, path)));
        this.#update(row, child, below, path, Array.isArray(value));
        put(row.element);
        if (isContainer(child) && !this.#isFolded(path, child)) {
          form(below);
          visit(child, below);
        }
      }
    };
    visit(this.#document, []);
    if (this.#adding === undefined && this.#form) {
      this.#form.remove();
      this.#form = undefined;
    }
    for (const [path, row] of this.#rows) {
      if (seen.has(path)) continue;
      row.element.remove();
      this.#rows.delete(path);
      this.#notes.delete(path);
    }
    this.#flashing.clear();
    const rows = [...this.#rows.values()];
    const current = this.#rows.get(this.#selected) ?? rows.find((row) => row.element === this.#root.querySelector("[role=row]"));
    for (const row of rows) row.key.tabIndex = row === current ? 0 : -1;
  }

  #form;

  #newKey(segments) {
    const taken = (key) => {
      const parent = segments.reduce((value, segment) => value?.[segment], this.#document);
      return isContainer(parent) && Object.hasOwn(parent, key);
    };
    const done = () => {
      this.#adding = undefined;
      this.#render();
    };
    return newKeyForm({
      depth: segments.length,
      taken,
      isList: Array.isArray(segments.reduce((value, segment) => value?.[segment], this.#document)),
      cancel: done,
      save: (key, value) => {
        done();
        const below = [...segments, key];
        return this.#actions.set(below, value).then(() => this.select(pathOf(below)));
      },
    });
  }

  #isFolded(path, value) {
    return this.#folded.get(path) ?? Object.keys(value).length > OPEN_CHILDREN;
  }

  #row(segments, path) {
    const row = { segments, path };
    row.toggle = h("button", { type: "button", className: "toggle", tabIndex: -1, "aria-hidden": true, onclick: () => this.#fold(row) });
    row.key = h("button", { type: "button", className: "key", tabIndex: -1, onclick: () => this.select(path) });
    row.value = h("button", { type: "button", className: "value", onclick: () => this.#edit(row) });
    row.type = h("span", { className: "type" });
    row.badge = h("span", { className: "badge", hidden: true });
    row.add = h("button", { type: "button", className: "icon", tabIndex: -1, title: "Add a key here", "aria-label": `Add a key in ${path}`, textContent: "+", onclick: () => this.add(segments) });
    row.remove = h("button", { type: "button", className: "icon", title: "Remove", "aria-label": `Remove ${path}`, textContent: "×", onclick: () => this.#actions.remove(segments) });
    row.note = h("div", { className: "note", hidden: true });
    row.editing = h("div", { className: "editing", role: "gridcell", hidden: true });
    row.element = h(
      "div",
      { role: "row", className: "row", "data-path": path, "aria-level": segments.length },
      h("span", { role: "rowheader", className: "key-cell" }, row.toggle, row.key),
      h("span", { role: "gridcell", className: "value-cell" }, row.value, row.editing),
      h("span", { role: "gridcell", className: "about" }, row.badge, row.type),
      h("span", { role: "gridcell", className: "actions" }, row.add, row.remove),
      row.note,
    );
    row.element.style.setProperty("--depth", segments.length - 1);
    return row;
  }

  #update(row, value, segments, path, inList) {
    const container = isContainer(value);
    const type = typeOf(value);
    const isSecret = !container && value !== null && this.#actions.isSecret(path);
    const text = container ? canonical(value) : isSecret ? MASK : short(value, 400);
    const isNew = row.text === undefined;
    if (row.text !== text) {
      row.text = text;
      row.current = value;
      const size = container ? Object.keys(value).length : 0;
      row.key.textContent = inList ? `[${segments.at(-1)}]` : segments.at(-1);
      row.key.setAttribute("aria-label", path);
      row.value.textContent = container ? (type === "list" ? `[ ${count(size, "item")} ]` : `{ ${count(size, "key")} }`) : text;
      row.value.dataset.type = type;
      row.value.setAttribute("aria-label", `Edit ${path}, ${type}, ${container ? `${size} inside` : text}`);
      row.type.textContent = type;
      row.toggle.hidden = row.add.hidden = !container;
      row.editor?.changedMeanwhile(isSecret ? MASK : value);
    }
    if (container) {
      const folded = this.#isFolded(path, value);
      row.element.setAttribute("aria-expanded", String(!folded));
    } else {
      row.element.removeAttribute("aria-expanded");
    }
    row.element.setAttribute("aria-selected", String(path === this.#selected));
    this.#badge(row, path);
    this.#showNote(row, this.#notes.get(path));
    const flashes = this.#flashing.has(path) || (isNew && this.#flashing.size > 0 && [...this.#flashing].some((one) => one.startsWith(`${path}.`)));
    if (flashes || (container && this.#isFolded(path, value) && [...this.#flashing].some((one) => one.startsWith(`${path}.`)))) {
      row.element.classList.remove("flash");
      // Reading the layout starts the animation anew.
      void row.element.offsetWidth;
      row.element.classList.add("flash");
    }
  }

  #badge(row, path) {
    const source = this.#sources.get(path);
    const hides = hidesShared(source);
    row.badge.hidden = !source || isShared(source);
    row.badge.classList.toggle("wins", hides);
    row.badge.textContent = source ? sourceName(source) : "";
    row.badge.title = hides
      ? `${source} overrides the shared layer: what is saved here shows only without it`
      : source ? `comes from ${source}` : "";
  }

  #showNote(row, note) {
    row.note.hidden = !note;
    if (row.shownNote === note) return;
    row.shownNote = note;
    row.note.className = `note ${note?.kind ?? ""}`;
    if (!note) return row.note.replaceChildren();
    row.note.setAttribute("role", note.kind === "error" ? "alert" : "status");
    row.note.replaceChildren(
      h("span", {}, h("b", { textContent: note.title }), " ", note.text, note.hint ? h("span", { className: "quiet", textContent: ` ${note.hint}` }) : ""),
      h("button", { type: "button", className: "icon", "aria-label": "Dismiss", textContent: "×", onclick: () => this.note(row.path) }),
    );
  }

  #fold(row, folded = !this.#isFolded(row.path, row.current)) {
    this.#folded.set(row.path, folded);
    this.#render();
  }

  #edit(row) {
    if (row.editor) return;
    if (isContainer(row.current) && this.#actions.isSecret(row.path)) {
      return this.note(row.path, { kind: "error", title: "Holds a secret,", text: "which is not shown: edit the keys one by one." });
    }
    this.select(row.path);
    this.note(row.path);
    const end = (focus = true) => {
      row.editor = undefined;
      row.editing.hidden = true;
      row.editing.replaceChildren();
      row.value.hidden = false;
      row.element.classList.remove("is-editing");
      this.#render();
      if (focus) row.key.focus();
    };
    // A secret is written anew, never shown.
    row.editor = editor(this.#actions.isSecret(row.path) ? "" : row.current, {
      label: `New value of ${row.path}`,
      cancel: end,
      save: (value) => {
        end();
        return this.#actions.set(row.segments, value);
      },
    });
    row.element.classList.add("is-editing");
    row.editing.hidden = false;
    row.value.hidden = true;
    row.editing.replaceChildren(row.editor.element);
    row.editor.focus();
  }

  #key(event) {
    const element = event.target.closest("[role=row]");
    const row = this.#rows.get(element?.dataset.path);
    if (!row || event.target !== row.key || event.ctrlKey || event.metaKey || event.altKey) return;
    const paths = [...this.#root.querySelectorAll("[role=row]")].map((one) => one.dataset.path);
    const go = (path) => path !== undefined && (this.select(path), this.#rows.get(path)?.key.focus());
    const at = paths.indexOf(row.path);
    const folded = element.getAttribute("aria-expanded");
    switch (event.key) {
      case "ArrowDown": go(paths[at + 1]); break;
      case "ArrowUp": go(paths[at - 1]); break;
      case "Home": go(paths[0]); break;
      case "End": go(paths.at(-1)); break;
      case "ArrowRight": folded === "false" ? this.#fold(row, false) : folded === "true" && go(paths[at + 1]); break;
      case "ArrowLeft": folded === "true" ? this.#fold(row, true) : row.segments.length > 1 && go(pathOf(row.segments.slice(0, -1))); break;
      case "Enter": case "F2": this.#edit(row); break;
      case "Delete": this.#actions.remove(row.segments); break;
      default: return;
    }
    event.preventDefault();
  }
}
