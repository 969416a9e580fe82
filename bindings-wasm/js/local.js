// A plain object of the program that follows the document, such as `globalThis.appConfig`.
import { parsePath } from "./functions.js";
import { ConfmeshError } from "./values.js";

/** Keys by which every object reaches what all objects share. */
const SHARED = ["__proto__", "constructor", "prototype"];

const isHolder = (value) => typeof value === "object" && value !== null;

function segmentsOf(key) {
  const { segments } = parsePath(key);
  const shared = segments.find((segment) => SHARED.includes(segment));
  if (shared !== undefined) {
    const hint = "`getConfig` reads it";
    throw new ConfmeshError({ code: "invalid", message: `\`${shared}\` is no key of a plain object`, path: key, hint });
  }
  if (segments.length === 0) {
    throw new ConfmeshError({ code: "invalid", message: "the path of the whole document is no key", hint: "give a path such as `app.rate`" });
  }
  return segments;
}

/**
 * Puts a value at a path of an object, or takes it away where it is `undefined`. Maps above it are made; what stands there and is
 * none is an error, unless `follows` says what the document has in that place now.
 */
export function put(object, key, value, follows) {
  const segments = segmentsOf(key);
  const last = segments.pop();
  let at = object;
  for (const [depth, segment] of segments.entries()) {
    const path = segments.slice(0, depth + 1);
    const next = Object.hasOwn(at, segment) ? at[segment] : undefined;
    // Items of lists move: the list comes as a whole.
    const now = follows && (!isHolder(next) || Array.isArray(next)) ? follows(path) : undefined;
    if (Array.isArray(now) || Array.isArray(next) && follows) {
      if (now === undefined) delete at[segment];
      else at[segment] = now;
      return;
    }
    if (!isHolder(next)) {
      if (value === undefined) return;
      if (next !== undefined && !follows) {
        const hint = "only maps and lists have keys; the value was left as it is";
        throw new ConfmeshError({ code: "type", message: `a ${next === null ? "null" : typeof next} stands above \`${last}\``, path: path.join("."), hint });
      }
      at[segment] = {};
    }
    at = at[segment];
  }
  if (value === undefined) delete at[last];
  else at[last] = value;
}
