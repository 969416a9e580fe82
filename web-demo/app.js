import { ready, version } from "./client.js";

await ready();
document.querySelector("#version").textContent = version();
