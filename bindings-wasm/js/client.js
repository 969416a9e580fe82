// The client over WebAssembly, for browsers. In Node, client.node.js loads the module first.
export { ConfigWebSocketClient } from "./socket.js";
export { bindElements } from "./elements.js";
export { ConfmeshError, joinPath, matches, parsePath, ready, version } from "./functions.js";
