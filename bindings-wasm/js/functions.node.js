// The pure functions in Node, where client.node.js loads the module.
import "./client.node.js";

export * from "./functions.js";
