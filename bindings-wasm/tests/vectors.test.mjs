// Every case of the corpus through the optimised modules and the JavaScript around them.
import { runCorpus } from "../../tests/vectors/runner.mjs";
import * as algebra from "../pkg/full/algebra.node.js";
import { Replica } from "../pkg/replica/replica.node.js";

// Formats that the browser build leaves out for size.
runCorpus({ ...algebra, Replica }, { leftOut: ["yaml", "toml", "json5", "properties"] });
