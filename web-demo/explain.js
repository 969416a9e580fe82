// Why a value is what it is: every source that speaks of the key, the highest first.
import { count, h, short } from "./dom.js";
import { place, ruleMeaning, sourceName } from "./words.js";

/** Fills `panel` with an explanation of the instance. */
export function showExplanation(panel, path, explanation) {
  const { winner, others = [], rule, pattern, sources = [], value, absence } = explanation;
  const stack = [winner, ...others].filter(Boolean);
  panel.replaceChildren(
    h("p", { className: "path", title: path, textContent: path }),
    h("p", { className: "verdict" }, ...verdict(winner, sources, value, absence, others.filter(({ state }) => state === "overridden").length)),
    h("ol", { className: "stack" }, stack.map(candidate)),
    h("p", { className: "rule" }, "Rule ", h("code", { textContent: rule }), pattern ? [" by pattern ", h("code", { textContent: pattern })] : "", h("span", { className: "quiet", textContent: ruleMeaning(rule) ? `: ${ruleMeaning(rule)}` : "" })),
  );
}

/** Says why there is no explanation. */
export function showProblem(panel, path, error) {
  const message = error.code === "not_found" ? "No source holds this key yet." : error.message;
  panel.replaceChildren(
    h("p", { className: "path", title: path, textContent: path }),
    h("p", { className: "hint", textContent: message }),
  );
}

function verdict(winner, sources, value, absence, overridden) {
  if (sources.length > 1) return ["Made of ", ...between(sources.map((source) => h("b", { textContent: sourceName(source) })))];
  if (winner && value !== undefined) {
    const name = h("b", { textContent: sourceName(winner.source) });
    return overridden === 0 ? ["Set by ", name] : [name, ` decides, and overrides ${count(overridden, "other source")}`];
  }
  if (absence) {
    const does = absence.unset ? "removes" : "holds another value at";
    return [h("b", { textContent: sourceName(absence.origin.source) }), ` ${does} `, h("code", { textContent: absence.path })];
  }
  return ["Nothing is set here."];
}

function between(parts) {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [at === parts.length - 1 ? " and " : ", ", part]));
}

const STATES = { wins: "in force", contributes: "contributes", overridden: "overridden", removed: "removed" };

function candidate({ source, priority, value, origin, state }) {
  const where = place(origin);
  return h(
    "li", { className: "candidate", "data-state": state },
    h("span", { className: "candidate-head" },
      h("b", { textContent: sourceName(source) }),
      where && h("span", { className: "place", textContent: where, title: source }),
      h("span", { className: "priority", title: "Lower numbers win", textContent: `priority ${priority}` })),
    h("code", { className: "candidate-value", textContent: short(value, 160) }),
    h("span", { className: "candidate-state", textContent: STATES[state] ?? state }),
  );
}
