// Calls into the addon: what it throws becomes a `ConfmeshError`, and what no document can hold never gets there.
import { ConfmeshError, fromText, isPlain, toText } from "../wasm/values.js";

export { ConfmeshError, fromText };

/** How deep a document may nest; the core refuses more as well. */
const MAX_DEPTH = 128;

function failure(thrown) {
  if (!(thrown instanceof Error) || thrown instanceof ConfmeshError) return thrown;
  if (thrown.message.startsWith('{"code":')) return new ConfmeshError(JSON.parse(thrown.message));
  // The addon's own word on arguments of the wrong type.
  return new ConfmeshError({ code: "usage", message: thrown.message });
}

/** The outcome of a call into the addon. */
export function calling(call) {
  try {
    return call();
  } catch (thrown) {
    throw failure(thrown);
  }
}

/** The outcome of an asynchronous call into the addon. */
export async function awaiting(call) {
  try {
    return await call();
  } catch (thrown) {
    throw failure(thrown);
  }
}

/** The JSON text of a value that a document can hold, and an error with the path for any other one. */
export function text(value) {
  if (isPlain(value, 0)) return JSON.stringify(value);
  check(value, []);
  return toText(value);
}

function refuse(path, message, code = "type") {
  const hint = "values are null, booleans, finite numbers, BigInts, strings, arrays and plain objects";
  return new ConfmeshError({ code, message, hint, path: path.join(".") });
}

function check(value, path) {
  switch (typeof value) {
    case "boolean":
      return;
    case "string":
      if (value.isWellFormed()) return;
      throw refuse(path, "the text holds a lone surrogate", "invalid");
    case "bigint":
      if (value >= -(2n ** 63n) && value < 2n ** 64n) return;
      throw refuse(path, "the integer does not fit into 64 bits", "number_range");
    case "number":
      if (Number.isFinite(value)) return;
      throw refuse(path, `\`${value}\` is no number that a document can hold`, "number_range");
    case "object":
      break;
    default:
      throw refuse(path, `a document cannot hold \`${typeof value}\``);
  }
  if (value === null) return;
  if (path.length >= MAX_DEPTH) throw refuse(path.slice(0, 5), `the document nests more than ${MAX_DEPTH} levels deep`, "too_large");
  if (Array.isArray(value)) {
    // Holes are `undefined` here, and refused.
    for (let at = 0; at < value.length; at++) descend(value[at], at, path);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  // An object of another realm has another `Object.prototype`.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refuse(path, `a document cannot hold a \`${value.constructor?.name ?? "object"}\``);
  }
  if (typeof value.toJSON === "function" || Object.prototype.toString.call(value) !== "[object Object]") {
    throw refuse(path, `a document cannot hold a \`${Object.prototype.toString.call(value).slice(8, -1)}\``);
  }
  for (const key of Object.keys(value)) {
    if (!key.isWellFormed()) throw refuse(path, "a key holds a lone surrogate", "invalid");
    descend(value[key], key, path);
  }
}

function descend(value, step, path) {
  path.push(step);
  check(value, path);
  path.pop();
}
