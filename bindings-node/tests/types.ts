// Compiled, never run: the declarations fit what a program writes.
import { version } from "confmesh";
import { ready, version as clientVersion } from "confmesh/client";

const texts: string[] = [version(), clientVersion()];
const loaded: Promise<void> = ready(new Uint8Array());
export { loaded, texts };
