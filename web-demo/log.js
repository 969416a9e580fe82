// What changed, newest first.
import { h, short } from "./dom.js";
import { causeName } from "./words.js";

/** More lines than anybody reads. */
const KEPT = 200;

export class ChangeLog {
  #list;
  #empty;
  #clear;
  #select;

  constructor({ list, empty, clear, select }) {
    this.#list = list;
    this.#empty = empty;
    this.#clear = clear;
    this.#select = select;
    clear.addEventListener("click", () => {
      list.replaceChildren();
      this.#tidy();
    });
  }

  add({ path, old, value, cause, time = new Date() }) {
    const side = (one, className, absent) =>
      one === undefined ? h("i", { className, textContent: absent }) : h("code", { className, textContent: short(one, 60), title: short(one, 600) });
    this.#list.prepend(h(
      "li", {},
      h("time", { dateTime: time.toISOString(), textContent: time.toLocaleTimeString([], { hour12: false }) }),
      h("button", { type: "button", className: "log-path", textContent: path || "(document)", title: path, onclick: () => this.#select(path) }),
      h("span", { className: "log-change" }, side(old, "old", "new key"), h("span", { className: "arrow", "aria-label": "to", textContent: " → " }), side(value, "new", "removed")),
      h("span", { className: "log-cause", textContent: causeName(cause) }),
    ));
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild.remove();
    this.#tidy();
  }

  #tidy() {
    const isEmpty = this.#list.childElementCount === 0;
    this.#empty.hidden = !isEmpty;
    this.#clear.disabled = isEmpty;
  }
}
