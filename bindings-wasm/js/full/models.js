// Documents as models of the program: anything that implements Standard Schema, as zod, valibot and arktype do.
import { ConfmeshError, issuesOf } from "./values.js";

const usage = (message, hint) => new ConfmeshError({ code: "usage", message, hint });

/** What a model says of itself. */
function standard(model) {
  const found = model?.["~standard"];
  if (typeof found?.validate === "function") return found;
  throw usage("the model is no schema of a library that this knows", "give one that implements Standard Schema, as those of zod, valibot and arktype do");
}

/** The value as the model has it, or what does not fit. */
function conform(model, value) {
  const found = standard(model).validate(value);
  if (typeof found?.then === "function") {
    Promise.resolve(found).catch(() => {});
    throw usage("the model answers later, and a document is read at once", "leave what is async out of it, or check that in a `Schema` of `Mesh`");
  }
  return found;
}

/** What is wrong, without the text that it is about: libraries show it, and it may be a secret. */
function issuesAbout(value, issues) {
  return issuesOf(issues).map(({ message, path = [] }) => {
    const found = typeof path === "string" ? undefined : path.reduce((above, step) => above?.[step], value);
    const isText = typeof found === "string" && found !== "";
    const forms = isText ? [JSON.stringify(found), `'${found}'`, ...(found.length >= 8 ? [found] : [])] : [];
    return { message: forms.reduce((told, form) => told.replaceAll(form, "a string"), message), path };
  });
}

/** What the model says in JSON Schema of what it takes, if it can: types of variables, defaults. */
function definitionOf(model) {
  const { jsonSchema } = standard(model);
  if (typeof jsonSchema?.input !== "function") return { fields: {} };
  try {
    return structuredClone(jsonSchema.input({ target: "draft-2020-12" }));
  } catch {
    return { fields: {} }; // what JSON Schema cannot say: the model checks it all the same
  }
}

/** Takes out what stands at a path. */
function without(definition, segments) {
  const last = segments.pop();
  const above = segments.reduce((value, step) => value?.[step], definition);
  return last !== undefined && above !== null && typeof above === "object" && delete above[last];
}

const pointerOf = (segments) => segments.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/** What models need, over the `parsePath` of a native half. */
export function modelsOver(parsePath) {
  /** The options of `open`, with the schema and check of the model among them in its place. */
  function modelled({ model, ...given }, Schema) {
    if (model === undefined || model === null) return given;
    if (given.schema instanceof Schema) {
      throw usage("a model brings checks of its own, and so does a `Schema`", "give the definition alone as `schema`, or leave one of them out");
    }
    const definition = given.schema ?? definitionOf(model);
    const check = (document) => issuesAbout(document, conform(model, document).issues ?? []);
    while (true) {
      try {
        return { ...given, schema: new Schema(definition, { checks: { "": check } }) };
      } catch (error) {
        // A keyword that only the model knows: its check decides.
        const isGivenUp = given.schema || !error.path || !without(definition, parsePath(error.path).segments);
        if (isGivenUp) throw error;
      }
    }
  }

  /** Where the value at a path comes from; where nothing is, what is around it. */
  function originOf(reader, segments) {
    for (let length = segments.length; length >= 0; length--) {
      const pointer = pointerOf(segments.slice(0, length));
      try {
        const { winner } = reader.explain(pointer);
        if (winner) return winner.origin;
      } catch (error) {
        if (error.code !== "not_found") throw error;
      }
    }
    return undefined;
  }

  /** What stands at a path of a running configuration, as a model; what does not fit is told with path and place. */
  function extracted(reader, model, path) {
    const given = reader.get(path);
    const { value, issues } = conform(model, given);
    if (!issues) return value;
    const above = parsePath(path).segments;
    const errors = issuesAbout(given, issues).map(({ message, path: below }) => {
      const segments = [...above, ...(typeof below === "string" ? parsePath(below).segments : below)];
      const pointer = pointerOf(segments);
      return { code: "invalid", message, path: pointer && parsePath(pointer).dotted, origin: originOf(reader, segments) };
    });
    const [first = { code: "invalid", message: "the model refuses the document" }, ...related] = errors;
    throw new ConfmeshError({ ...first, related });
  }

  /** The document of one revision as the model that a configuration was opened with. */
  class Modelled {
    #model;
    #shown;

    constructor(model) {
      this.#model = model ?? undefined;
    }

    of(reader) {
      if (this.#model === undefined) {
        throw usage("this was opened without a model", "give `model`, or call `extract(model)`");
      }
      const { revision } = reader;
      if (this.#shown?.revision !== revision) this.#shown = { revision, value: extracted(reader, this.#model, "") };
      return this.#shown.value;
    }
  }

  return { extracted, modelled, Modelled };
}
