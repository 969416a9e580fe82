// Sources, places and causes in the words of the page.

/** Whether a source is the shared layer: `shared`, or `shared:` and the file that mirrors it. */
export function isShared(source) {
  return /^shared(:|$)/.test(source ?? "");
}

/** The last part of a file's path. */
export function fileName(path) {
  return path.split(/[\\/]/).at(-1);
}

/** A source as people call it: `shared layer`, `env:DEMO`, `config.yaml`. */
export function sourceName(source) {
  if (isShared(source)) return "shared layer";
  if (source === "runtime") return "runtime layer";
  return source.startsWith("file:") ? fileName(source.slice(5)) : source;
}

/** Where exactly: `config.yaml:12`, the variable `DEMO_RATE`. */
export function place({ source = "", line, key } = {}) {
  const file = /^(?:shared|file|dotenv):(.+)$/s.exec(source)?.[1];
  if (line !== undefined) return file ? `${fileName(file)}:${line}` : `line ${line}`;
  if (key === undefined) return "";
  return /^(env|dotenv):/.test(source) ? `variable ${key}` : `as ${key}`;
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
  keyed_list: "list items with the same key are joined",
};

/** A merge rule explained. */
export function ruleMeaning(rule) {
  return RULES[rule] ?? "";
}
