// Where an instance is, and whether it takes this page.
import { ConfmeshError } from "./values.js";

/** How long it is tried to find out why an attempt failed. */
const PROBE_MS = 2_000;

/** The WebSocket address that a text or a URL is, an `http:` one included. */
export function addressOf(given) {
  let url;
  try {
    url = new URL(given, globalThis.location?.href);
    if (url.protocol === "http:") url.protocol = "ws:";
    if (url.protocol === "https:") url.protocol = "wss:";
  } catch {
    // Said below.
  }
  if (url?.protocol !== "ws:" && url?.protocol !== "wss:") {
    const hint = "it looks like `ws://127.0.0.1:8765/sync`";
    throw new ConfmeshError({ code: "usage", message: `\`${given}\` is no WebSocket address`, hint });
  }
  const secrets = [...url.searchParams.keys()].some((name) => /token|secret|password|authorization/i.test(name));
  if (url.username || url.password || secrets) {
    const hint = "addresses end up in logs; give it as an option: new ConfigWebSocketClient(url, { token })";
    throw new ConfmeshError({ code: "usage", message: "an address holds no token", hint });
  }
  return url;
}

/** Whether an instance is there and refuses this page: a browser does not tell a page why a WebSocket did not open. */
export async function isRefused(url) {
  const { location } = globalThis;
  if (!location?.origin || typeof globalThis.fetch !== "function" || location.host === url.host) return false;
  const scheme = url.protocol === "wss:" ? "https:" : "http:";
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PROBE_MS);
  try {
    const asked = { mode: "no-cors", cache: "no-store", credentials: "omit", signal: abort.signal };
    await globalThis.fetch(`${scheme}//${url.host}/livez`, asked);
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
