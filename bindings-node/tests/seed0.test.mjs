// The first example that the project started from, as a Node program writes it.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { open } from "confmesh";

test("environment beats overrides beat the file, also after an edit", async () => {
  const folder = mkdtempSync(join(tmpdir(), "confmesh-"));
  const [file, overrides] = [join(folder, "config.json"), join(folder, "overrides.json")];
  const first = { feature_enabled: false, rate_limit: 100, timeout_ms: 5000, api_version: "v1" };
  writeFileSync(file, JSON.stringify(first, null, 2));
  writeFileSync(overrides, JSON.stringify({ rate_limit: 200, timeout_ms: 10000 }, null, 2));
  process.env.MYAPP_FEATURE_ENABLED = "true";
  process.env.MYAPP_API_VERSION = "v2";

  const config = open([file, overrides], { envPrefix: "MYAPP" });
  const want = { feature_enabled: true, rate_limit: 200, timeout_ms: 10000, api_version: "v2" };
  assert.deepEqual(config.toObject(), want);
  const { provenance } = config;
  assert.deepEqual([provenance.feature_enabled, provenance.api_version], ["env:MYAPP", "env:MYAPP"]);
  assert.match(provenance.rate_limit, /^file:.*overrides\.json$/);

  const changes = config.subscribe("rate_limit");
  const edited = { rate_limit: 500, timeout_ms: 15000, feature_enabled: false };
  writeFileSync(overrides, JSON.stringify(edited, null, 2));
  for await (const { old, new: now } of changes) {
    assert.deepEqual([old, now], [200, 500]);
    break;
  }
  assert.deepEqual(config.toObject(), { ...want, rate_limit: 500, timeout_ms: 15000 });
  assert.deepEqual(config.provenance, provenance);
  config.close();
});
