// Sources, places and causes in the words of the page.

/** A source as people call it: `shared layer`, `env:DEMO`, `config.yaml`. */
export function sourceName(source) {
  if (source === "shared") return "shared layer";
  if (source === "runtime") return "runtime layer";
  return source.startsWith("file:") ? source.slice(5) : source;
}

/** Where exactly: `config.yaml:12`, the variable `DEMO_RATE`. */
export function place({ source, line, key } = {}) {
  if (line !== undefined) return `line ${line}`;
  if (key !== undefined) return source?.startsWith("env:") || source?.startsWith("dotenv:") ? `variable ${key}` : `as ${key}`;
  return "";
}

/** Whether a source is one that hides what is written here. */
export function hidesShared(source) {
  return /^(env|dotenv|runtime)(:|$)/.test(source ?? "");
}

/** What brought a change about. */
export function causeName(cause) {
  switch (cause) {
    case undefined: case null: case "": case "host": return "instance";
    case "unsent": return "this page";
    case "shared": return "shared layer";
    case "file": return "bound file";
    case "peer": return "peer";
    case "open": return "start";
    default: return sourceName(String(cause));
  }
}

const RULES = {
  override: "the highest source replaces the rest",
  merge_dict: "maps are joined one level deep",
  deep_merge: "maps are joined, other values replaced",
  append_list: "lists are joined end to end",
  union_set: "lists are joined without repeats",
};

/** A merge rule explained. */
export function ruleMeaning(rule) {
  return RULES[rule] ?? "";
}
