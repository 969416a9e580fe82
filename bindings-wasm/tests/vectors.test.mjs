// Every case of the corpus through the optimised modules and the JavaScript around them.
import { runCorpus } from "../../tests/vectors/runner.mjs";
import { playLayers } from "../../tests/vectors/running.mjs";
import * as algebra from "../pkg/full/algebra.node.js";
import { open } from "../pkg/full/config.js";
import { Replica } from "../pkg/replica/replica.node.js";

// Formats that the browser build leaves out for size.
runCorpus({ ...algebra, open, Replica }, { play: playLayers, leftOut: ["yaml", "toml", "json5", "properties"] });
