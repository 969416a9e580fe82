// An Express service whose settings follow `app.yaml` while it runs: `node server.mjs`.
import express from "express";
import { open } from "confmesh";
import { z } from "zod";

const Settings = z.object({ greeting: z.string().default("hello"), rate_limit: z.number().int().min(1).default(100) });

// GREETER_RATE_LIMIT=5 wins over the file. What the model refuses never comes into force, and is told with file and line.
const config = open("app.yaml", { envPrefix: "GREETER", model: Settings });
config.subscribe("rate_limit", ({ old, new: now, cause }) => console.error(`rate limit ${old} -> ${now} (${cause})`));

const app = express();

// The settings of one moment: a request that holds them sees no edit halfway.
app.use((request, response, next) => {
  request.settings = config.model;
  next();
});

app.get("/", (request, response) => {
  response.json(request.settings);
});

// Which file, variable or line a setting comes from.
app.get("/why/:path", (request, response) => {
  response.type("text").send(String(config.explain(request.params.path)));
});

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.once("SIGTERM", () => {
  config.close();
  server.close();
  server.closeAllConnections();
});
