// Every case of the corpus through the optimised module and the JavaScript around it.
import { runCorpus } from "../../tests/vectors/runner.mjs";
import * as confmesh from "../pkg/full/algebra.node.js";

// Formats that the browser build leaves out for size.
runCorpus(confmesh, { leftOut: ["yaml", "toml"] });
