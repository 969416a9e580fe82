// Elements, and how values read.
import { canonical } from "./functions.js";

/** An element with properties, `data-*` and `aria-*` by name, and children; text is never taken for markup. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (/^(aria-|data-|role$|for$)/.test(name)) element.setAttribute(name, String(value));
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** What type a value has, as people say it. */
export function typeOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  switch (typeof value) {
    case "object": return "map";
    case "boolean": return "bool";
    case "string": return "text";
    case "bigint": return "int";
    default: return Number.isInteger(value) ? "int" : "float";
  }
}

/** A value in one line of at most `most` characters. */
export function short(value, most = 80) {
  if (value === undefined) return "–";
  const text = canonical(value);
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** A value as JSON that people edit: two spaces, big integers in full. */
export function pretty(value, indent = "") {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    if (value.every((item) => item === null || typeof item !== "object") && canonical(value).length <= 60) return canonical(value).replaceAll('","', '", "');
    return `[\n${value.map((item) => inner + pretty(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (value !== null && typeof value === "object") {
    const keys = Object.keys(value);
    if (keys.length === 0) return "{}";
    return `{\n${keys.map((key) => `${inner}${JSON.stringify(key)}: ${pretty(value[key], inner)}`).join(",\n")}\n${indent}}`;
  }
  return canonical(value);
}

/** Says something to screen readers. */
export function announce(text) {
  document.querySelector("#announcer").textContent = text;
}

/** A count with its noun. */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** A duration in words that fit a line. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
