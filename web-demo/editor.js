// Where values are typed: JSON, checked while it is typed.
import { canonical, parse } from "./functions.js";
import { h, pretty, short } from "./dom.js";

/** What is wrong with a text, in words; nothing if it is a value. */
function read(text) {
  try {
    return { value: parse(text) };
  } catch (error) {
    const { line, column } = error.origin ?? {};
    const where = line === undefined || (line === 1 && text.length < 30) ? "" : ` (line ${line}, column ${column})`;
    return { problem: `${error.message}${where}` };
  }
}

/** Whether somebody who types this probably means a text and forgot the quotes. */
function meansText(text) {
  return text.trim() !== "" && !/^\s*[[{"]/.test(text) && !text.includes("\n");
}

/** A field for a value. `check()` gives `{value}` or nothing, and says what is wrong. */
function field(initial, { label, submit, cancel }) {
  const text = initial === undefined ? "" : pretty(initial);
  const lines = text.split("\n").length;
  const message = h("p", { className: "message", role: "status" });
  const input = h("textarea", {
    className: "json", rows: Math.min(lines, 14), value: text, spellcheck: false, autocapitalize: "off", autocomplete: "off",
    "aria-label": label, placeholder: "42, true, \"text\", [1, 2], {\"key\": …}",
    oninput: () => {
      size();
      check(false);
    },
    onkeydown: (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        cancel();
      } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        submit();
      }
    },
  });
  const size = () => {
    input.rows = Math.min(14, input.value.split("\n").length);
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight + 2, 320)}px`;
  };
  const check = (wantsAll) => {
    const outcome = input.value.trim() === "" ? { problem: "type a value" } : read(input.value);
    const isBad = outcome.problem !== undefined && (wantsAll || input.value.trim() !== "");
    input.setAttribute("aria-invalid", String(isBad));
    message.replaceChildren();
    if (!isBad) return outcome.problem === undefined ? outcome : undefined;
    if (meansText(input.value)) {
      const asText = input.value.trim();
      const use = () => {
        input.value = JSON.stringify(asText);
        check(false);
        submit();
      };
      message.append("Texts stand in quotes. ", h("button", { type: "button", className: "link", onclick: use, textContent: `Use ${short(asText, 28)}` }));
    } else {
      message.append(`Not a value yet: ${outcome.problem}`);
    }
    return undefined;
  };
  return { input, message, check, size };
}

/** An editor in place of a value. `save(value)` gets a value that differs. */
export function editor(initial, { label, save, cancel }) {
  let base = canonical(initial);
  const submit = () => {
    const outcome = parts.check(true);
    if (!outcome) return;
    if (canonical(outcome.value) === base) cancel();
    else save(outcome.value);
  };
  const parts = field(initial, { label, submit, cancel });
  const meanwhile = h("p", { className: "message meanwhile", role: "status" });
  const element = h(
    "div", { className: "editor" }, parts.input,
    h("span", { className: "editor-actions" },
      h("button", { type: "button", className: "primary", onclick: submit, textContent: "Save" }),
      h("button", { type: "button", onclick: () => cancel(), textContent: "Cancel" }),
      h("span", { className: "keys quiet" }, h("kbd", { textContent: "Enter" }), " saves, ", h("kbd", { textContent: "Esc" }), " cancels")),
    parts.message, meanwhile,
  );
  return {
    element,
    focus() {
      parts.size();
      parts.input.focus();
      const isText = typeof initial === "string";
      parts.input.setSelectionRange(isText ? 1 : 0, parts.input.value.length - (isText ? 1 : 0));
    },
    /** Says that the value under the editor is another one now. */
    changedMeanwhile(value) {
      base = canonical(value);
      meanwhile.textContent = `Changed meanwhile to ${short(value, 60)}. Saving replaces that.`;
    },
  };
}

/** A row for a new key. */
export function newKeyForm({ depth, taken, isList, save, cancel }) {
  const message = h("p", { className: "message", role: "status" });
  const key = h("input", {
    className: "json", type: "text", "aria-label": "New key", placeholder: isList ? "next index" : "key", spellcheck: false, autocapitalize: "off", autocomplete: "off",
    onkeydown: (event) => {
      if (event.key === "Escape") cancel();
      else if (event.key === "Enter") {
        event.preventDefault();
        parts.input.focus();
      }
    },
  });
  const submit = () => {
    message.textContent = "";
    const name = key.value.trim();
    if (name === "" || taken(name)) {
      message.textContent = name === "" ? "Name the key first." : `There is a key ${name} already: edit it in its row.`;
      return key.focus();
    }
    const outcome = parts.check(true);
    if (outcome) save(name, outcome.value);
    else parts.input.focus();
  };
  const parts = field(undefined, { label: "Value of the new key", submit, cancel });
  const element = h(
    "div", { className: "new-key" }, key, parts.input,
    h("span", { className: "editor-actions" },
      h("button", { type: "button", className: "primary", onclick: submit, textContent: "Add" }),
      h("button", { type: "button", onclick: () => cancel(), textContent: "Cancel" })),
    message, parts.message,
  );
  element.style.setProperty("--depth", depth);
  return element;
}
