// What the page asks the instance over HTTP: writes to the document go through the client.
import { parse } from "./functions.js";

async function ask(path, method = "GET") {
  const response = await fetch(path, { method, headers: { accept: "application/json" }, cache: "no-store" });
  const text = await response.text();
  if (response.ok) return parse(text);
  let error;
  try {
    ({ error } = parse(text));
  } catch {
    // Not ours: a proxy in between, say.
  }
  throw Object.assign(new Error(error?.message ?? `the instance answered ${response.status}`), error);
}

/** How the instance is doing. */
export const status = () => ask("status");

/** Why a path has its value. */
export const explain = (path) => ask(`config/default/explain?path=${encodeURIComponent(path)}`);

/** Which source each leaf comes from: a map from path to source. */
export async function sources() {
  const { paths } = await ask("config/default/explain");
  return new Map(paths.map((one) => [one.path, one.source ?? one.winner?.source ?? ""]));
}

/** Says that what is kept under a number is not needed any more. */
export const confirmKept = (id) => ask(`kept/${id}/confirm`, "POST");

/** Calls `changed` with every change list of the instance, secrets masked. */
export function changeFeed(changed) {
  const feed = new EventSource("events?mask=true");
  feed.addEventListener("message", ({ data }) => {
    try {
      changed(parse(data));
    } catch {
      // A line that is no change list, such as a comment of a proxy.
    }
  });
  return feed;
}
