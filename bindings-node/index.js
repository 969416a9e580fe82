// The Node half of the package: everything comes from the native addon.
export { version } from "./native/native.js";
