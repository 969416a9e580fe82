// How the instance, its peers and its sources are doing.
import { count, duration, h, short } from "./dom.js";
import { apart, kept } from "./joining.js";
import { fileName, sourceName } from "./words.js";

const PEER_STATES = { connected: ["good", "connected"], connecting: ["busy", "connecting"], waiting: ["bad", "not reachable"] };
const SOURCE_STATES = { fresh: ["good", "fresh"], stale: ["bad", "stale"], missing: ["busy", "missing"] };

/** What a connection has come to. */
const LINKS = {
  in_step: ["good", "in step"],
  behind: ["busy", "behind"],
  joining: ["busy", "joining"],
  greeting: ["busy", "greeting"],
  other_document: ["bad", "another document"],
  refused: ["bad", "refused"],
  itself: ["bad", "this instance itself"],
};

/** Fills `panel` with a status of the instance; `summary` gets one line, `confirmKept` the number of what is not needed. */
export function showStatus(panel, summary, status, confirmKept) {
  const focused = panel.contains(globalThis.document.activeElement) ? globalThis.document.activeElement.dataset.act : undefined;
  const document = status.documents?.find(({ name }) => /(^|\/)default$/.test(name)) ?? status.documents?.[0];
  const peers = others(status.peers ?? []);
  const connected = peers.filter(({ state }) => state === "connected").length;
  summary.textContent = peers.length === 0 ? "alone" : `${connected} of ${count(peers.length, "peer")} connected`;
  panel.replaceChildren(
    h("h3", { textContent: "Peers" }),
    peers.length === 0
      ? h("p", { className: "hint" }, "None. Start another instance with ", h("code", { textContent: `--peer ws://${location.host}/sync` }), ".")
      : h("ul", { className: "states" }, peers.map(peer)),
    h("h3", { textContent: "Sources" }),
    h("ul", { className: "states" }, (document?.sources ?? []).map(source)),
    ...apart(document?.apart ?? [], status.peers ?? []),
    ...kept(document?.kept ?? [], confirmKept),
    ...leftOut(document?.left_out ?? [], document?.bound_file),
    ...withheld(document?.withheld ?? []),
    ...rejected(document?.rejected),
    ...conflicts(document?.conflicts ?? []),
    h("dl", { className: "facts-list" }, ...facts(status, document)),
  );
  // Drawn anew every few seconds: whoever is about to press a button stays at it.
  if (focused) panel.querySelector(`[data-act="${focused}"]`)?.focus();
}

/** Each instance once: two that dial each other hold two connections. */
function others(peers) {
  const dialed = peers.filter(({ url }) => url !== undefined);
  const known = new Set(dialed.map(({ instance_id }) => instance_id));
  return [...dialed, ...peers.filter(({ url, instance_id }) => url === undefined && !known.has(instance_id))];
}

/** Says that there is no status to be had. */
export function showNoStatus(panel, summary) {
  summary.textContent = "";
  panel.replaceChildren(h("p", { className: "hint", textContent: "The instance does not answer. What you see is the last known document." }));
}

function line([tone, word], name, details, problem) {
  return h(
    "li", { "data-tone": tone },
    h("span", { className: "shape", "aria-hidden": true }),
    h("span", { className: "state-name" }, name),
    h("span", { className: "state-word", textContent: word }),
    (details || problem) && h("span", { className: "state-more" }, details, problem && h("span", { className: "problem", textContent: problem })),
  );
}

function peer({ url, address, state, link: come, problems = [], instance_id: instance, last_error: error, retry_in_ms: retry }) {
  let name = url ?? `from ${address}`;
  let page;
  try {
    const { host, protocol } = new URL(url);
    name = host;
    page = `${protocol === "wss:" ? "https" : "http"}://${host}/`;
  } catch {
    // Named by something that is no address.
  }
  const link = page ? h("a", { href: page, textContent: name, title: `Open the page of ${name}` }) : name;
  const details = instance ? `instance ${instance.slice(0, 8)}` : "";
  const message = typeof error === "string" ? error : error?.message;
  const wait = retry === undefined || state !== "waiting" ? "" : `, next try in ${duration(Math.ceil(Number(retry) / 1000))}`;
  let [tone, word] = (state === "connected" && LINKS[come]) || PEER_STATES[state] || ["busy", state];
  // Writes go over it all the same: what is wrong is the news.
  if (problems.length > 0 && tone !== "bad") [tone, word] = ["bad", problems[0].code.replaceAll("_", " ")];
  let wrong = state === "connected" ? problems.map((problem) => problem.message).join("; ") : message && `${message}${wait}`;
  if (instance) wrong = wrong?.replaceAll(instance, instance.slice(0, 8));
  return line([tone, word], link, details, wrong ? `${details ? " · " : ""}${wrong}` : "");
}

function source({ id, priority, state, error }) {
  return line(SOURCE_STATES[state] ?? ["busy", state], sourceName(id), `priority ${priority}`, error && ` · ${error.message ?? error}`);
}

/** What is in force and not in the bound file, because its format cannot hold it. */
function leftOut(list, file) {
  if (list.length === 0) return [];
  return [
    h("h3", { textContent: `Not in ${file ? fileName(file) : "the file"}` }),
    h("ul", { className: "states" }, list.map(({ path, reason }) => line(["busy", "left out"], path || "everything", reason))),
  ];
}

/** Paths that show what was in force before, and who wrote what is not. */
function withheld(list) {
  if (list.length === 0) return [];
  const author = ({ user, instance_id } = {}) => [user && ` · by ${user}`, instance_id && ` · at ${instance_id.slice(0, 8)}`].filter(Boolean).join("");
  return [
    h("h3", { textContent: "Withheld" }),
    h("ul", { className: "states" }, list.map(({ path, error, written }) => line(["bad", "withheld"], path || "all that is shared", error.message, author(written)))),
  ];
}

/** What is not in force because it is invalid; the last valid document stays. */
function rejected(found) {
  if (!found) return [];
  return [
    h("h3", { textContent: "Rejected" }),
    h("ul", { className: "states" }, found.errors.map((error) => line(["bad", "rejected"], error.path ?? found.cause, sourceName(found.cause), ` · ${error.message}`))),
  ];
}

/** Paths that were written at the same time in different ways; whoever writes one again settles it. */
function conflicts(list) {
  if (list.length === 0) return [];
  const value = (side) => (side.value === undefined ? "removed" : short(side.value, 40));
  return [
    h("h3", { textContent: "Simultaneous edits" }),
    h("ul", { className: "states" }, list.map(({ path, sides }) => {
      const lost = sides.filter((side) => !side.in_force).map(value);
      const kept = sides.filter((side) => side.in_force).map(value);
      const updates = sides.reduce((sum, side) => sum + Number(side.lost_updates ?? 0), 0);
      const cost = updates > 1 ? ` with ${updates} updates` : "";
      const details = `${kept.length > 0 ? `${kept.join()} is in force, ` : ""}${lost.join(" and ")} lost${cost}`;
      return line(["busy", count(sides.length, "side")], path, details);
    })),
  ];
}

function facts(status, document) {
  const pairs = [
    ["listens at", [status.listen].flat().join(", ")],
    ["bound file", document?.bound_file && fileName(document.bound_file), document?.bound_file],
    ["clients", status.connected_clients],
    ["up for", status.uptime_seconds === undefined ? undefined : duration(Number(status.uptime_seconds))],
    ["version", status.version],
  ];
  return pairs.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([term, value, whole = value]) =>
    h("div", {}, h("dt", { textContent: term }), h("dd", { textContent: String(value), title: String(whole) })));
}
