// Other documents of the same name, and what the instance held before one took the place of another.
import { count, h } from "./dom.js";
import { fileName } from "./words.js";

const WHY = {
  joined: "the file as it was before this instance joined",
  moved: "what was here before its document gave way to another one",
  "given-up": "the document that was given up",
};

/** Two documents that were both in use: what settles it, whichever of them stays. */
export function apart(list, peers) {
  if (list.length === 0) return [];
  const here = location.origin;
  return [
    h("h3", { textContent: "Another document" }),
    h("ul", { className: "states" }, list.map(({ instance_id: instance, genesis }) => {
      const there = peers.find((peer) => peer.instance_id === instance && peer.url)?.url;
      const name = instance ? `instance ${instance.slice(0, 8)}` : "a peer";
      return h(
        "li", { "data-tone": "bad" },
        h("span", { className: "shape", "aria-hidden": true }),
        h("span", { className: "state-name", title: `its document was born as ${genesis}`, textContent: name }),
        h("span", { className: "state-word", textContent: "apart" }),
        h("div", { className: "state-more" },
          h("p", {}, "Both documents have been in use, so neither gives way by itself. Decide which one stays; without ", h("code", { textContent: "--yes" }), " each command shows first what would be lost."),
          command("If the one here stays, run", `confmesh join --adopt ${here} --url ${there ? web(there) : "URL-OF-THE-OTHER"}`),
          command("If the other one stays, run", `confmesh join --adopt ${there ? web(there) : "URL-OF-THE-OTHER"} --url ${here}`)),
      );
    })),
  ];
}

/** Peers are named as they are dialed; commands ask the same listener. */
function web(url) {
  try {
    const { host, protocol } = new URL(url);
    return `${protocol === "wss:" ? "https" : "http"}://${host}`;
  } catch {
    return url;
  }
}

function command(words, text) {
  return h("p", { className: "command" }, `${words} `, h("code", { textContent: text }));
}

/** What is kept until somebody says that it is not needed; its text may hold secrets, so the command shows it. */
export function kept(list, confirm) {
  if (list.length === 0) return [];
  return [
    h("h3", { textContent: "Kept from before" }),
    h("ul", { className: "states" }, list.map(({ id, at, why, file, left }) => {
      const what = WHY[why] ?? why;
      const drop = () => {
        const copy = file ? ` The copy ${fileName(file)} stays where it is.` : " There is no other copy of it.";
        if (globalThis.confirm(`Number ${id}, ${what}, is not needed any more?${copy}`)) confirm(id);
      };
      return h(
        "li", { "data-tone": "busy" },
        h("span", { className: "shape", "aria-hidden": true }),
        h("span", { className: "state-name" }, `${id}: ${what}`),
        h("button", { type: "button", className: "link", "data-act": `confirm-${id}`, "aria-label": `Number ${id} is not needed any more`, textContent: "Not needed", onclick: drop }),
        h("div", { className: "state-more" },
          h("time", { dateTime: at, textContent: new Date(at).toLocaleString() }),
          file && h("span", {}, " · also as ", h("code", { textContent: fileName(file), title: file })),
          left && h("span", { textContent: ` · ${count(left, "write")} in it by instances that are not here` }),
          command("Read it with", `confmesh kept ${id} --url ${location.origin}`)),
      );
    })),
  ];
}
