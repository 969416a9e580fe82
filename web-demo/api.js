// What the page asks the instance over HTTP: writes to the document go through the client.
import { parse } from "./functions.js";

const KEPT = "confmesh-token";
// Of this tab alone, and only where the instance asks for one.
let token = sessionStorage.getItem(KEPT) ?? undefined;

/** The token that this tab shows; asked for by `form` until the instance takes one, where it asks for any. */
export async function signedIn({ dialog, form, input, problem }) {
  for (;;) {
    try {
      await ask("status");
      return token;
    } catch (error) {
      if (error.code !== "unauthenticated" && error.code !== "forbidden") return token;
      problem.textContent = token === undefined ? "" : error.message;
    }
    dialog.oncancel = (event) => event.preventDefault();
    dialog.showModal();
    await new Promise((done) => form.addEventListener("submit", (event) => {
      event.preventDefault();
      done();
    }, { once: true }));
    token = input.value.trim() || undefined;
    input.value = "";
    dialog.close();
    if (token !== undefined) sessionStorage.setItem(KEPT, token);
  }
}

async function ask(path, method = "GET") {
  const shown = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(path, { method, headers: { accept: "application/json", ...shown }, cache: "no-store" });
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
  // It can show no token: then the page tells what its own client sees.
  if (token !== undefined) return { readyState: EventSource.CLOSED };
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
