// One class of errors for both modules.
export * from "../values.js";
