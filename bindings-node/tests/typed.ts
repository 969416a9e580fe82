// Compiled, never run: what a program says of its document is what it gets.
import { Config, Mesh, open, openAsync, Schema } from "confmesh";
import type { At, DocumentOf, StandardSchema, Value } from "confmesh";
import * as v from "valibot";
import { z } from "zod";

/** Fails to compile unless both types are the same one. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A>(value: A): <B>(...is: Same<A, B> extends true ? [] : [never]) => void;

interface Settings {
  name: string;
  database: { host: string; port?: number };
  tags: string[];
  limits: Record<string, number>;
}

export function of_a_type(config: Config<Settings>, somewhere: string): void {
  same(config.get("name"))<string>();
  same(config.get("database.host"))<string>();
  same(config.get("database.port"))<number | undefined>();
  same(config.get("database.port", 5432))<number>();
  same(config.get("database"))<{ host: string; port?: number }>();
  same(config.get("tags.0"))<string | undefined>();
  same(config.get("limits.cpu"))<number | undefined>();
  same(config.get("nothing"))<undefined>();
  same(config.get())<Settings>();
  same(config.get(somewhere))<Value | undefined>();
  same(config.get<boolean>(somewhere))<boolean | undefined>();
  same(config.get<boolean>(somewhere, true))<boolean>();
  same(config.get("limits.a\\.b"))<Value | undefined>();
  same(config.toObject().tags)<string[]>();
}

export async function opened(url: URL): Promise<void> {
  same(open<Settings>("app.json"))<Config<Settings>>();
  same(open("app.json").get("x"))<Value | undefined>();
  same(open("app.json").get<string>("x"))<string | undefined>();
  same(await openAsync<Settings>([url]))<Config<Settings>>();
  same((await Mesh.start<Settings>({ bind: url })).get("name"))<string>();
}

// A literal says the type: the compact form and JSON Schema.
export function of_a_literal(): void {
  const config = open("app.yaml", {
    schema: {
      fields: {
        port: { type: "port", default: 8080 },
        host: "hostname",
        mode: { type: "string", choices: ["fast", "safe"], required: true },
        tags: { type: "list", items: "string" },
        limits: { values: "integer" },
        database: { fields: { debug: "bool" }, required: true },
      },
    },
  });
  same(config.get("port"))<number>();
  same(config.get("host"))<string | undefined>();
  same(config.get("mode"))<"fast" | "safe">();
  same(config.get("tags"))<string[] | undefined>();
  same(config.get("tags.3"))<string | undefined>();
  same(config.get("limits.cpu"))<number | undefined>();
  same(config.get("database.debug", false))<boolean>();
  same(config.get("datebase"))<undefined>();

  const schema = new Schema({
    type: "object",
    properties: { port: { type: "integer" }, when: { type: ["string", "null"] }, deep: { type: "object", properties: { on: { type: "boolean" } }, required: ["on"] } },
    required: ["port", "deep"],
  });
  const other = open("app.json", { schema });
  same(other.get("port"))<number>();
  same(other.get("when"))<string | null | undefined>();
  same(other.get("deep.on"))<boolean>();
  same(schema.load({}))<{ port: number; deep: { on: boolean }; when?: string | null }>();
}

// A schema of a library says it too.
export async function of_a_model(): Promise<void> {
  const model = z.object({ name: z.string(), database: z.object({ port: z.coerce.number().default(5432) }) });
  const config = open(["app.json"], { model, envPrefix: "APP" });
  same(config.model)<{ name: string; database: { port: number } }>();
  same(config.get("name"))<string>();
  same(config.extract(model.shape.database, "database"))<{ port: number }>();
  const other = v.object({ port: v.pipe(v.string(), v.transform(Number)) });
  same((await openAsync("app.json", { model: other })).model.port)<number>();
  same((await Mesh.start({ model: other })).get("port"))<string>();
  same(config.extract(other, "x"))<{ port: number }>();
  const own: StandardSchema<string, number> = { "~standard": { version: 1, vendor: "own", validate: (value) => ({ value: Number(value) }) } };
  same(config.extract(own, "x"))<number>();
  // @ts-expect-error no schema
  config.extract({ parse: () => 1 });
  // @ts-expect-error a misspelt option beside a model
  open("app.json", { model, envprefix: "APP" });
}

export type Shown = [At<Settings, "database.host">, DocumentOf<{ fields: { a: "integer" } }>];
