// One class of errors for all modules.
export * from "../values.js";
