// The algebra over a native half, the WebAssembly module or the addon: both take and give JSON texts.
import { ConfmeshError, explained, fromText, issuesOf, options as known } from "./values.js";

const errors = (list) => list.map((fields) => new ConfmeshError(fields));
const names = (active) => (typeof active === "string" ? [active] : active);

/** Variables that are set: `process.env` as it is typed may hold others. */
const variables = (given) => Object.fromEntries(Object.entries(given).filter(([, text]) => text !== undefined));

const MERGING = ["rules", "schema", "profiles", "interpolate", "invalidVariables"];

/** The options of a merge as the native half reads them. */
const options = ({ rules = null, profiles = null, interpolate = null, invalidVariables = null }) =>
  ({ rules, profiles: profiles && names(profiles), variables: interpolate && variables(interpolate), invalidVariables });

/** Layers as the native half reads them: their texts go beside them, as they are, and leave empty ones behind. */
function handedOver(layers, toText) {
  const hasText = (layer) => typeof layer?.text === "string";
  if (!Array.isArray(layers) || layers.some((layer) => hasText(layer) && layer.text.isWellFormed?.() !== true)) {
    return [toText(layers), []];
  }
  const specs = layers.map((layer) => (hasText(layer) ? { ...layer, text: "" } : layer));
  return [toText(specs), layers.filter(hasText).map(({ text }) => text)];
}

/** What running configurations need of schemas. */
const running = new WeakMap();

/**
 * The patterns of a schema's checks, and what asks one by its number: `ask` about the text of a value, at once and in JSON, and
 * `later` about a value, whenever it has answered; `isChecking` while one runs. Nothing where something else than a schema is given.
 */
export const checking = (schema) => running.get(schema) ?? { patterns: [], isChecking: false, ask: () => undefined, later: async () => undefined };

/** What the answer of a check says: nothing, or what is wrong, as the native half reads it. */
function said(answer) {
  if (answer === undefined || answer === null || answer === true) return undefined;
  if (answer === false) return "the program refuses the value";
  if (Array.isArray(answer)) return answer.length > 0 ? issuesOf(answer) : undefined;
  return typeof answer === "string" ? answer : `a check returns nothing, a boolean, a text or a list of issues, not ${typeof answer}`;
}

const thrown = (error) => String(error?.message ?? error);

/** What a check says about a value. It never throws, as the native half stands in between. */
function asked(run, value) {
  try {
    const answer = run(value);
    if (typeof answer?.then !== "function") return said(answer);
    Promise.resolve(answer).catch(() => {});
    return "a check that is async cannot be waited for here";
  } catch (error) {
    return thrown(error);
  }
}

/** The same of a check that may be async. */
async function awaited(run, value) {
  try {
    return said(await run(value));
  } catch (error) {
    return thrown(error);
  }
}

/** Every function of the algebra, over the functions of `native`. */
export function algebraOver(native, { calling, toText }) {
  const ask = (call) => fromText(calling(call));

  class Schema {
    #native;
    #checks;
    #definition;
    #ask;

    constructor(definition, given) {
      const { checks = {} } = known(given, ["checks"], "Schema");
      const patterns = Object.keys(checks);
      this.#checks = Object.values(checks);
      const strange = this.#checks.findIndex((check) => typeof check !== "function");
      if (strange >= 0) throw new ConfmeshError({ code: "usage", message: `the check of \`${patterns[strange]}\` is no function` });
      this.#definition = definition;
      const state = { patterns, isChecking: false };
      const guarded = (number) => (value) => {
        state.isChecking = true;
        try {
          return this.#checks[number](value);
        } finally {
          state.isChecking = false;
        }
      };
      state.ask = (number, text) => {
        const wrong = asked(guarded(number), fromText(text));
        return wrong === undefined ? undefined : JSON.stringify(wrong);
      };
      state.later = (number, value) => awaited(guarded(number), value);
      this.#ask = state.ask;
      running.set(this, state);
      this.#native = calling(() => new native.NativeSchema(toText(definition), toText(patterns)));
    }

    /** Where a schema is given, the half of it that merges; else the module. */
    static merging(schema, onModule, onSchema) {
      if (schema === undefined || schema === null) return ask(onModule);
      if (!(schema instanceof Schema)) {
        throw new ConfmeshError({ code: "usage", message: "`schema` is no schema", hint: "give a `new Schema(definition)`" });
      }
      return ask(() => onSchema(schema.#native, schema.#ask));
    }

    /** What it was made of, without its checks. */
    get definition() {
      return this.#definition;
    }

    validate(document) {
      return errors(ask(() => this.#native.validate(toText(document), this.#ask)));
    }

    validateText(text, format = "json", given = {}) {
      const { source = "" } = known(given, ["source"], "validateText");
      return errors(ask(() => this.#native.validateText(text, format, source, this.#ask)));
    }

    load(document) {
      return ask(() => this.#native.load(toText(document), this.#ask));
    }

    defaults(document = {}) {
      return ask(() => this.#native.defaults(toText(document)));
    }

    known(document) {
      return ask(() => this.#native.known(toText(document)));
    }

    coerce(prefix, given) {
      const { value, warnings } = ask(() => this.#native.coerce(prefix, toText(variables(given))));
      return { value, warnings: errors(warnings) };
    }

    toEnv(prefix, document) {
      return ask(() => this.#native.toEnv(prefix, toText(document)));
    }

    initial(format = "json") {
      return calling(() => this.#native.initial(format));
    }

    notes() {
      return errors(ask(() => this.#native.notes()));
    }

    reference(style = "human", given = {}) {
      const { category = null, envOnly = false, showSensitive = false, prefix = null } =
        known(given, ["category", "envOnly", "showSensitive", "prefix"], "reference");
      return calling(() => this.#native.reference(style, toText({ category, envOnly, showSensitive, prefix })));
    }
  }

  const { merging } = Schema;
  delete Schema.merging;

  function mergeAs(brief, layers, unchecked) {
    const given = known(unchecked, MERGING, "merge");
    const [specs, texts] = handedOver(layers, toText);
    const chosen = toText(options(given));
    return merging(given.schema, () => native.mergeText(specs, texts, chosen, brief), (schema, check) => schema.mergeText(specs, texts, chosen, brief, check));
  }

  return {
    Schema,
    merge: (layers, given) => mergeAs(true, layers, given),
    mergeWithProvenance(layers, given) {
      const merged = mergeAs(false, layers, given);
      return { ...merged, warnings: errors(merged.warnings) };
    },
    explain(layers, path, unchecked) {
      const given = known(unchecked, MERGING, "explain");
      const [specs, texts] = handedOver(layers, toText);
      const chosen = toText(options(given));
      return explained(merging(given.schema, () => native.explainText(specs, texts, path, chosen), (schema, check) => schema.explainText(specs, texts, path, chosen, check)));
    },
    interpolate(document, given = {}) {
      const done = ask(() => native.interpolateText(toText(document), toText(variables(given))));
      return { value: done.value, errors: errors(done.errors) };
    },
    profiles: (document, active) => ask(() => native.profilesText(toText(document), toText(names(active)))),
    resolve: (key, changes, strategy = "last_write_wins") => ask(() => native.resolveText(key, toText(changes), strategy)),
    viewDeltas: (deltas) => ask(() => native.viewDeltasText(toText(deltas))),
    sequence: Object.freeze({
      between: (old, now) => ask(() => native.sequenceBetween(toText(old), toText(now))),
      apply: (operation, value) => ask(() => native.sequenceApply(toText(operation), toText(value))),
      compose: (first, second) => ask(() => native.sequenceCompose(toText(first), toText(second))),
      invert: (operation, before) => ask(() => native.sequenceInvert(toText(operation), toText(before))),
      transform: (operation, over, side) => ask(() => native.sequenceTransform(toText(operation), toText(over), side)),
    }),
    dump: (value, format = "json") => calling(() => native.dumpText(toText(value), format)),
    rewrite: (text, format, target) => calling(() => native.rewriteText(text, format, toText(target))),
  };
}

/** Refuses options of a write where nothing is shared: nobody else could have written, and nobody reads who did, or why. */
export function withoutTerms(given, call) {
  const [name] = Object.keys(known(given, Object.keys(Object(given)), call));
  if (name === undefined) return;
  const hint = "a configuration of one process has no versions, locks or history: these are options of `Mesh`";
  throw new ConfmeshError({ code: "usage", message: `\`${call}\` of a configuration has no option \`${name}\``, hint });
}
