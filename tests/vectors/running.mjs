// Running configurations of the corpus: from files and variables of the process, and from layers of a page.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const sorted = (warnings) => warnings.map(({ path }) => path ?? "").sort();
const state = (config, error) => ({ value: config.toObject(), warned: sorted(config.warnings), ...(error && { error }) });

/** Does what the program does in a step; the code of what was thrown, if anything was. */
function doing(act) {
  try {
    act();
  } catch (error) {
    if (error.code === undefined) throw error;
    return error.code;
  }
}

const write = (config, step) =>
  Object.hasOwn(step, "set") ? config.set(step.set, step.value) : config.unset(step.unset);

/** With the addon: real files, real variables, and a state as soon as it is the expected one. */
export async function playFiles({ canonical, open, Schema }, input) {
  const { files, schema, rules, active, env, references = false, invalid_variables: invalidVariables, steps = [] } = input;
  const named = typeof references === "object" ? references : {};
  const variables = { ...env?.variables, ...named };
  const folder = mkdtempSync(join(tmpdir(), "confmesh-"));
  Object.assign(process.env, variables);
  let config;
  try {
    for (const { name, text } of files) writeFileSync(join(folder, name), text);
    config = open(files.map(({ name }) => join(folder, name)), {
      rules: rules ?? null, schema: schema && new Schema(schema), profiles: active, envPrefix: env?.prefix,
      interpolate: typeof references === "object" ? Object.keys(references) : references,
      ...(invalidVariables && { invalidVariables }),
    });
    const settled = async (wanted, ask) => {
      const end = Date.now() + 20_000;
      for (;;) {
        const found = state(config, await ask());
        if (canonical(found) === canonical(wanted) || Date.now() > end) return found;
        await sleep(2);
      }
    };
    const stale = async (name) => {
      const { sources } = (await config.status()).documents[0];
      return sources.find((source) => source.id.endsWith(name) && source.state === "stale")?.error.code;
    };
    const wanted = input.expect ?? [];
    const states = [await settled(wanted[0] ?? {}, () => undefined)];
    for (const [at, step] of steps.entries()) {
      if (Object.hasOwn(step, "write")) {
        // In one piece: half of it would be a state of its own.
        writeFileSync(join(folder, "new"), step.text);
        renameSync(join(folder, "new"), join(folder, step.write));
        states.push(await settled(wanted[at + 1], () => stale(step.write)));
      } else {
        const error = doing(() => write(config, step));
        states.push(state(config, error));
      }
    }
    return canonical(states);
  } finally {
    config?.close();
    for (const name of Object.keys(variables)) delete process.env[name];
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In a page: layers in the place of files, the later ones with the better priority. */
export async function playLayers({ canonical, open, Schema }, input) {
  const { files, schema, rules, active, env, references = false, invalid_variables: invalidVariables, steps = [] } = input;
  const layer = (name, text) => ({
    id: name, text, format: name.slice(name.lastIndexOf(".") + 1), priority: 100 - files.findIndex((file) => file.name === name),
  });
  const config = open([...files.map(({ name, text }) => layer(name, text)), ...(env ? [{ env }] : [])], {
    rules: rules ?? null, schema: schema && new Schema(schema), profiles: active ?? null, interpolate: references || null,
    ...(invalidVariables && { invalidVariables }),
  });
  const states = [state(config)];
  for (const step of steps) {
    const act = () => (Object.hasOwn(step, "write") ? config.setLayer(layer(step.write, step.text)) : write(config, step));
    const error = doing(act);
    states.push(state(config, error));
  }
  return canonical(states);
}
