// Compiled, never run: a CommonJS program has the declarations, too.
import confmesh = require("confmesh");
import client = require("confmesh/client");
import replica = require("confmesh/replica");

const version: string = confmesh.version();
const follower: client.ConfigWebSocketClient | undefined = undefined;
const schema: confmesh.Schema = new confmesh.Schema({ fields: {} });
export = { version, follower, schema, Replica: replica.Replica };
