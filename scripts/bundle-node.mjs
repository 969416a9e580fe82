// Writes bindings-node/cjs/: what Node runs of the package, one file an entry with its source map, for `require` and for `import`.
// Both load the same file, so that there is one class of each name. Run by build-node.sh, which builds the addon first.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../bindings-node/", import.meta.url));
const esbuild = createRequire(new URL("node-tools/package.json", import.meta.url))("esbuild");
const out = join(root, "cjs");
rmSync(out, { recursive: true, force: true });
mkdirSync(out);
const write = (name, text) => writeFileSync(join(out, name), text);

for (const [name, entry] of [["index", "lib/entry.cjs"], ["client", "wasm/client.node.js"]]) {
  await esbuild.build({
    absWorkingDir: root, entryPoints: [entry], outfile: join(out, `${name}.cjs`), bundle: true, platform: "node", format: "cjs",
    target: "node20.19", external: ["../native/native.cjs"], sourcemap: true, sourcesContent: true, keepNames: true, logLevel: "warning",
    // Modules are found beside the scripts that the bundle is made of.
    define: { "import.meta.url": "__confmesh_url" },
    banner: { js: 'const __confmesh_url = require("node:url").pathToFileURL(require("node:path").join(__dirname, "../wasm/x.js")).href;' },
  });
}
const REPLICA = ["ready", "Replica", "version", "ConfmeshError"];
write("replica.cjs", `"use strict";\nconst { ${REPLICA.join(", ")} } = require("./index.cjs");\nmodule.exports = { ${REPLICA.join(", ")} };\n`);

const require = createRequire(join(out, "x.cjs"));
for (const name of ["index", "client", "replica"]) {
  const names = Object.keys(require(`./${name}.cjs`)).sort();
  write(`${name}.mjs`, `import confmesh from "./${name}.cjs";\n\nexport const {\n  ${names.join(",\n  ")},\n} = confmesh;\n`);
}
// TypeScript takes a declaration for that of a CommonJS module by its ending.
for (const name of readdirSync(root).filter((name) => name.endsWith(".d.ts"))) {
  const text = readFileSync(join(root, name), "utf8");
  write(name.replace(/\.d\.ts$/, ".d.cts"), text.replace(/(from|import\()\s*"\.\/(\w+)\.js"/g, '$1 "./$2.cjs"').replace(/import\( "/g, 'import("'));
}
