// Every case of the corpus through the addon, as the packed package offers it.
import { pathToFileURL } from "node:url";
import * as confmesh from "confmesh";

const { runCorpus } = await import(pathToFileURL(`${process.env.CONFMESH_VECTORS}/runner.mjs`));
const { playFiles } = await import(pathToFileURL(`${process.env.CONFMESH_VECTORS}/running.mjs`));
runCorpus(confmesh, { play: playFiles });
