// Wires the page: one live client, and what is shown of it.
import { ConfigWebSocketClient, parsePath } from "./client.js";
import { ready } from "./functions.js";
import * as api from "./api.js";
import { announce, count, short } from "./dom.js";
import { showExplanation, showProblem } from "./explain.js";
import { ChangeLog } from "./log.js";
import { showNoStatus, showStatus } from "./mesh.js";
import { Secrets } from "./secrets.js";
import { pathOf, Tree } from "./tree.js";
import { isShared, sourceName } from "./words.js";

const at = (id) => document.getElementById(id);
const STATUS_MS = 3_000;

await ready();
const token = await api.signedIn({ dialog: at("sign-in"), form: at("sign-in-form"), input: at("token"), problem: at("sign-in-problem") });
const client = new ConfigWebSocketClient(new URL("sync", document.baseURI), { token, initialDelay: 250, maxDelay: 3_000 });
const secrets = new Secrets();
const tree = new Tree(at("tree"), { select: explainSelected, set, remove, isSecret: (path) => secrets.touches(path) });
const log = new ChangeLog({ list: at("log"), empty: at("log-empty"), clear: at("log-clear"), select: (path) => tree.select(path) });
/** What takes the last edits back, newest last. */
const undone = [];

// --- the document ------------------------------------------------------------------------------------------------------

let changed = [];
let isDrawing = false;

/** Draws once per turn, however many keys changed. */
function draw() {
  if (isDrawing) return;
  isDrawing = true;
  queueMicrotask(() => {
    isDrawing = false;
    // Nothing is shown before it is known what must not be.
    if (!secrets.areKnown) return;
    const value = client.getConfig() ?? {};
    tree.show(value, changed);
    changed = [];
    const size = Object.keys(value).length;
    at("summary").textContent = count(size, "key") + (client.pendingWrites > 0 ? `, ${count(client.pendingWrites, "edit")} not confirmed` : "");
    at("empty").hidden = size > 0 || !client.isLive;
    at("hash").disabled = false;
    at("hash").title = `${client.hash}: equal documents have equal hashes`;
    at("hash").querySelector("code").textContent = (client.hash ?? "").replace("sha256:", "").slice(0, 8);
  });
}

client.on("config_changed", ({ key, oldValue, newValue, cause }) => {
  // The first document is no change.
  if (!everLive) return;
  changed.push(key);
  if (oldValue === undefined) secrets.doubt(key);
  draw();
  if (!isFeedOpen()) log.add({ path: key, old: secrets.shown(key, oldValue), value: secrets.shown(key, newValue), cause });
  refreshSoon();
});

const feed = api.changeFeed(({ changes = [], origin, cause }) => {
  for (const { path, old, new: value } of changes) log.add({ path, old, value, cause: origin ?? cause });
  refreshSoon();
});
const isFeedOpen = () => feed.readyState === EventSource.OPEN;

// --- the connection ----------------------------------------------------------------------------------------------------

let everLive = false;

function showState(state, text) {
  at("state").dataset.state = state;
  at("state-text").textContent = text;
  at("retry").hidden = state !== "lost";
}

client.on("connected", () => {
  everLive = true;
  showState("live", "Live");
  document.title = "confmesh";
  at("tree").removeAttribute("aria-busy");
  at("add").disabled = false;
  draw();
  refreshSoon();
});
client.on("disconnected", () => {
  showState("lost", "Reconnecting");
  document.title = "(offline) confmesh";
  at("tree").setAttribute("aria-busy", "true");
  refreshSoon();
});
client.on("error", (error, state) => {
  if (state?.retryIn !== undefined) showState("lost", everLive ? "Reconnecting: edits are kept" : "Reconnecting");
  else showRootNote("error", error);
});
at("retry").addEventListener("click", () => client.connect());
addEventListener("online", () => client.connect());

// --- edits -------------------------------------------------------------------------------------------------------------

/** Lists are written whole: the value to write and where, for a new or missing (`undefined`) value at `segments`. */
function written(segments, value) {
  const root = client.getConfig() ?? {};
  let parent = root;
  for (const [depth, segment] of segments.entries()) {
    if (Array.isArray(parent)) {
      const list = segments.slice(0, depth);
      let holder = parent;
      for (const inner of segments.slice(depth, -1)) holder = holder[inner];
      const last = segments.at(-1);
      if (!Array.isArray(holder)) {
        if (value === undefined) delete holder[last];
        else Object.defineProperty(holder, last, { value, enumerable: true, configurable: true, writable: true });
      } else if (value === undefined) holder.splice(Number(last), 1);
      else if (/^\d+$/.test(last) && Number(last) < holder.length) holder[Number(last)] = value;
      else holder.push(value);
      return { segments: list, value: parent };
    }
    parent = parent?.[segment];
  }
  return { segments, value };
}

/** What the shared layer holds at a path now; what shows there, if the instance does not say. */
async function sharedBefore(path) {
  const shown = client.getConfig(path);
  // An account tells no secret.
  if (!client.isLive || shown === undefined || secrets.touches(path)) return shown;
  try {
    const { winner, others = [] } = await api.explain(path);
    return [winner, ...others].find((candidate) => isShared(candidate?.source))?.value;
  } catch {
    return shown;
  }
}

async function write(segments, value, { remembers = true } = {}) {
  const path = pathOf(segments);
  tree.note(path);
  showRootNote();
  const before = remembers ? await sharedBefore(path) : undefined;
  const words = value === undefined ? "removed" : secrets.touches(path) ? "set" : `set to ${short(value, 40)}`;
  try {
    const asked = value === undefined ? client.unsetConfig(path) : client.setConfig(path, value);
    draw();
    const { shadowedBy, withheld } = await asked;
    if (remembers) remember({ segments, before });
    if (shadowedBy) {
      const doing = value === undefined ? "Removed from the shared layer," : "Saved in the shared layer,";
      tellAt(path, { kind: "shadowed", title: doing, text: `but ${sourceName(shadowedBy)} still wins here.` });
    }
    if (withheld) {
      const { message, hint } = withheld[0].error;
      tellAt(path, { kind: "error", title: "Saved for all, not in force here:", text: sentence(message), hint: hint && sentence(hint) });
    }
    announce(`${path} ${words}${withheld ? ", not in force here" : ""}${shadowedBy ? `, but ${shadowedBy} still wins` : ""}`);
  } catch (error) {
    if (error.code === "closed") return;
    const title = value === undefined ? "Not removed:" : "Not saved:";
    tellAt(path, { kind: "error", title, text: sentence(error.message), hint: error.hint && sentence(error.hint) });
  } finally {
    draw();
    refreshSoon();
  }
}

function set(segments, value) {
  const target = written(segments, value);
  return write(target.segments, target.value);
}

function remove(segments) {
  const target = written(segments, undefined);
  return write(target.segments, target.value);
}

/** Puts words at a row, or above the document where the row is gone. */
function tellAt(path, note) {
  if (client.configText(path) === undefined) showRootNote(note.kind, { message: `${path}: ${note.title} ${note.text}`, hint: note.hint });
  else tree.note(path, note);
}

function showRootNote(kind, error) {
  const place = at("root-note");
  place.className = `root-note ${kind ?? ""}`;
  place.textContent = error ? `${error.message}${error.hint ? ` ${sentence(error.hint)}` : ""}` : "";
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function remember(edit) {
  undone.push(edit);
  if (undone.length > 100) undone.shift();
  showUndo();
}

function showUndo() {
  const last = undone.at(-1);
  at("undo").disabled = !last;
  at("undo").title = last ? `Take back the last edit of ${pathOf(last.segments)}` : "";
}

function undo() {
  const last = undone.pop();
  showUndo();
  if (last) write(last.segments, last.before, { remembers: false });
}

at("undo").addEventListener("click", undo);
at("add").addEventListener("click", () => tree.add());
addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea");
  if (!isTyping && (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
    event.preventDefault();
    undo();
  }
});

at("hash").addEventListener("click", async () => {
  const word = at("hash").querySelector(".copy-word");
  try {
    await navigator.clipboard.writeText(client.hash);
    word.textContent = "copied";
    announce("The content hash was copied");
  } catch {
    word.textContent = "not allowed";
  }
  setTimeout(() => (word.textContent = "copy"), 1_500);
});

// --- what the instance tells besides the document ----------------------------------------------------------------------

async function explainSelected(path) {
  const panel = at("explain");
  if (client.getConfig(path) === undefined) return showProblem(panel, path, { message: "This key is not set any more." });
  try {
    const explanation = await api.explain(path);
    if (tree.selected === path) showExplanation(panel, path, explanation);
  } catch (error) {
    if (tree.selected === path) showProblem(panel, path, error.code ? error : { message: "The instance does not answer." });
  }
}

async function confirmKept(id) {
  try {
    await api.confirmKept(id);
    announce(`Number ${id} is not kept any more`);
  } catch (error) {
    showRootNote("error", error);
  } finally {
    refreshSoon(0);
  }
}

let timer;
let refreshing = false;

/** Asks for what is around the document: soon, and then every few seconds while somebody looks. */
function refreshSoon(delay = 80) {
  clearTimeout(timer);
  timer = setTimeout(refresh, delay);
}

async function refresh() {
  if (refreshing || document.hidden) return refreshSoon(STATUS_MS);
  refreshing = true;
  const answer = secrets.ask();
  try {
    const [status, sources] = await Promise.all([api.status(), api.sources().catch(() => new Map())]);
    at("instance").textContent = status.instance_id.slice(0, 8);
    at("instance").title = status.instance_id;
    const shown = status.documents?.find(({ name }) => /(^|\/)default$/.test(name));
    at("revision").textContent = String(shown?.revision ?? "–");
    if (answer(shown?.secrets)) draw();
    showStatus(at("mesh"), at("mesh-summary"), status, confirmKept);
    tree.setSources(sources);
    if (tree.selected !== undefined) await explainSelected(tree.selected);
  } catch {
    showNoStatus(at("mesh"), at("mesh-summary"));
  } finally {
    refreshing = false;
    refreshSoon(STATUS_MS);
  }
}

document.addEventListener("visibilitychange", () => document.hidden || refreshSoon());

// A link may name a key: `#app.rate_limit`.
client.connect().then(() => {
  const path = decodeURIComponent(location.hash.slice(1));
  try {
    if (path && client.getConfig(path) !== undefined) tree.select(pathOf(parsePath(path).segments));
  } catch {
    // No path.
  }
});
refreshSoon(0);
