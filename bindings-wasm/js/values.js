// Values and errors between JavaScript and the module: texts in, objects out.

/** Marks errors of every copy of this file: a bundle has one, a module another. */
const BRAND = Symbol.for("confmesh.error");

/** What went wrong (`code`, `message`), where (`path`, `origin`), and what to do about it (`hint`). */
export class ConfmeshError extends Error {
  constructor({ code, message, hint, path, origin, related = [] }) {
    super(message);
    this.name = "ConfmeshError";
    this.code = code;
    this.hint = hint;
    this.path = path;
    this.origin = origin;
    this.related = related.map((fields) => new ConfmeshError(fields));
    Object.defineProperty(this, BRAND, { value: true });
  }

  static [Symbol.hasInstance](error) {
    return this === ConfmeshError ? error?.[BRAND] === true : super[Symbol.hasInstance](error);
  }

  /** One line: where it stands, what is wrong, and at which path. */
  toString() {
    const place = this.origin ? `${placeOf(this.origin)}: ` : "";
    return `${place}${this.message}${this.path ? ` (at \`${this.path}\`)` : ""}`;
  }
}

/** An origin as one text: `app.json:3:5`, `env:APP (APP_PORT)`. */
const placeOf = ({ source, line, column, key }) =>
  [source, line, column].filter((part) => part !== undefined && part !== "").join(":") + (key ? ` (${key})` : "");

/**
 * The options of a call, if all of their names are known: a misspelt one would be ignored without a word. Here and not in the
 * module, which may not be loaded yet.
 */
export function options(given, names, call) {
  if (given === undefined || given === null) return {};
  const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });
  if (typeof given !== "object") throw usage(`the options of \`${call}\` are an object, not \`${typeof given}\``);
  for (const name in given) {
    if (names.includes(name)) continue;
    const [near] = names.map((known) => [distance(plain(name), plain(known)), known]).sort(([a], [b]) => a - b);
    const isNear = near && near[0] <= Math.max(1, Math.floor(near[1].length / 3));
    const known = names.map((known) => `\`${known}\``).join(", ");
    throw usage(`\`${call}\` has no option \`${name}\``, isNear ? `did you mean \`${near[1]}\`?` : `the options are ${known}`);
  }
  return given;
}

/** A name without what languages spell differently: `env_prefix`, `envPrefix`, `envprefix`. */
const plain = (name) => name.replaceAll("_", "").toLowerCase();

/** How many letters must be added, removed or replaced. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let done = 0; done < a.length; done++) {
    const next = [done + 1];
    for (let at = 0; at < b.length; at++) {
      next.push(Math.min(next[at] + 1, row[at + 1] + 1, row[at] + (a[done] === b[at] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

/** Calls into the module; what it throws becomes a `ConfmeshError`. */
export function calling(call) {
  try {
    return call();
  } catch (thrown) {
    if (typeof thrown === "string") throw new ConfmeshError(JSON.parse(thrown));
    if (thrown instanceof WebAssembly.RuntimeError) {
      const hint = "load the page or the module again, and report what you did before";
      throw new ConfmeshError({ code: "internal", message: `the WebAssembly module failed: ${thrown.message}`, hint });
    }
    throw thrown;
  }
}

/** The object of a canonical text. Integers that a number cannot hold exactly become `BigInt`s. */
export function fromText(text) {
  // A long integer, not the digits of a fraction.
  if (!/(?<![\d.])\d{16,}(?![\d.eE])/.test(text)) return JSON.parse(text);
  const tag = unusedIn(text);
  const tagged = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) && isInteger64(BigInt(token)) ? `"${tag}${token}"` : token);
  return JSON.parse(tagged, (_, value) =>
    typeof value === "string" && value.startsWith(tag) ? BigInt(value.slice(tag.length)) : value);
}

/** Longer ones are floats that print without an exponent. */
function isInteger64(integer) {
  return integer >= -(2n ** 63n) && integer < 2n ** 64n;
}

/** The JSON text of a value; `BigInt`s are integers. What JSON cannot hold is an error that names its place. */
export function toText(value) {
  if (isPlain(value, 0)) return JSON.stringify(value);
  const found = { bigint: false };
  check(value, [], found);
  if (!found.bigint) return JSON.stringify(value);
  const tag = unusedIn(JSON.stringify(value, (_, item) => (typeof item === "bigint" ? 0 : item)));
  const tagged = JSON.stringify(value, (_, item) => (typeof item === "bigint" ? `${tag}${item}` : item));
  return tagged.replace(new RegExp(`"${tag}(-?\\d+)"`, "g"), "$1");
}

/** Whether a value is of plain objects, lists and scalars all through: most are, and need no closer look. */
export function isPlain(value, depth) {
  switch (typeof value) {
    case "string":
      return value.isWellFormed?.() === true;
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= 128) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) if (!isPlain(value[at], depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if (value.toJSON !== undefined || value[Symbol.toStringTag] !== undefined) return false;
  for (const key of Object.keys(value)) {
    if (key.isWellFormed?.() !== true || !isPlain(value[key], depth + 1)) return false;
  }
  return true;
}

/** A record with its fields as JavaScript spells them (`inForce`); what stands in them stays as it is. */
export function spelt(record) {
  const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [camel(name), value]));
}

/** A value without `BigInt`s, which `JSON.stringify` refuses. */
export function withoutBigInts(value) {
  if (typeof value === "bigint") return JSON.rawJSON?.(String(value)) ?? String(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutBigInts);
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, withoutBigInts(child)]));
}

/**
 * Problems as the native half reads them: `{ message, path? }`, a path being a dotted text or a list of steps, each a key, a
 * number, or an object with `key`, as in Standard Schema.
 */
export const issuesOf = (issues) =>
  issues.map((issue) => {
    const { path } = issue ?? {};
    const step = (given) => (typeof given === "number" ? given : String(given?.key ?? given));
    return { message: String(issue?.message ?? issue), ...(path && { path: typeof path === "string" ? path : [...path].map(step) }) };
  });

/** How much of a value a table shows. */
const SHOWN = 60;

function shownValue(value) {
  const letters = [...toText(value)];
  return letters.length <= SHOWN ? letters.join("") : `${letters.slice(0, SHOWN - 1).join("")}…`;
}

/** The account of a path as a table: the value, the rule, then every layer that holds the path, the winner marked with `>`. */
function tableOf({ path, value, rule, pattern, sources, winner, others, absence, withheld }) {
  const name = path === "" ? "(document)" : path;
  const removal = absence && `${placeOf(absence.origin)} ${absence.unset ? "removes" : "overrides"} \`${absence.path}\``;
  const lines = [value !== undefined ? `${name} = ${shownValue(value)}` : `${name} is not set${removal ? `: ${removal}` : ""}`];
  lines.push(`rule: ${rule}${pattern === undefined ? "" : ` (by the pattern \`${pattern}\`)`}`);
  if (sources.length > 1) lines.push(`from: ${sources.join("+")}`);
  const rows = [...(winner ? [winner] : []), ...others].map(({ origin, priority, value, state, loaded }) =>
    [placeOf(origin), String(priority), shownValue(value), loaded === undefined ? state : `${state} (loaded ${loaded})`]);
  const width = (column) => Math.max(0, ...rows.map((row) => [...row[column]].length));
  const padded = (text, column) => " ".repeat(width(column) - [...text].length);
  rows.forEach(([origin, priority, value, state], at) => {
    const mark = winner && at === 0 && winner.state === "wins" ? ">" : " ";
    lines.push(`${mark} ${origin}${padded(origin, 0)}  ${padded(priority, 1)}${priority}  ${value}${padded(value, 2)}  ${state}`);
  });
  if (withheld) {
    const isAll = withheld.path === "";
    const what = isAll ? "all that is shared" : `\`${withheld.path}\``;
    const shown = withheld.value === undefined ? (isAll ? what : `the removal of ${what}`) : `${what} = ${shownValue(withheld.value)}`;
    lines.push(`${shown} is withheld: ${new ConfmeshError(withheld.error)}`);
  }
  return lines.join("\n");
}

/** The account of a path, which `String` and `console.log` show as a table. */
export function explained(fields) {
  const shown = { value: () => tableOf(fields), enumerable: false };
  return Object.defineProperties(fields, { toString: shown, [Symbol.for("nodejs.util.inspect.custom")]: shown });
}

/** Number signs that a text does not hold; JSON never escapes them. */
function unusedIn(text) {
  let tag = "#";
  while (text.includes(tag)) tag += "#";
  return tag;
}

function check(value, path, found) {
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "bigint":
      found.bigint = true;
      return;
    case "number":
      if (Number.isFinite(value)) return;
      throw unfit(String(value), path);
    case "object":
      break;
    default:
      throw unfit(typeof value, path);
  }
  if (value === null || typeof value.toJSON === "function") return;
  if (path.length > 200) throw unfit("a value that is too deep or holds itself", path.slice(0, 5));
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) check(value[at], [...path, at], found);
    return;
  }
  if (value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)) throw unfit(value.constructor.name, path);
  for (const key of Object.keys(value)) {
    // As `JSON.stringify` does: a key without a value is no key.
    if (value[key] !== undefined) check(value[key], [...path, key], found);
  }
}

function unfit(what, path) {
  const hint = "values are null, booleans, finite numbers, BigInts, strings, arrays and plain objects";
  return new ConfmeshError({ code: "type", message: `${what} is no configuration value`, hint, path: path.join(".") });
}
