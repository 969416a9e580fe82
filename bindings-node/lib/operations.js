// What a running mesh is asked by name. Printed from `core/src/api` by
// `CONFMESH_PRINT=1 cargo test -p confmesh-tests --test house operations`; do not edit it.
import { options, spelt } from "../wasm/values.js";

/** `Reader` with a method for each. */
export const withOperations = (Reader) => class extends Reader {
  async read(path) {
    return await this._call("read", { path });
  }

  async written(path) {
    return await this._call("written", { path });
  }

  async versions(given) {
    const { path, limit, before } = options(given, ["path", "limit", "before"], "versions");
    return await this._call("versions", { path, limit, before });
  }

  async showVersion(id) {
    return await this._call("show_version", { id });
  }

  async compareVersions(before, given) {
    const { after } = options(given, ["after"], "compareVersions");
    return await this._call("compare_versions", { before, after });
  }

  async rollback(version, given) {
    const { pattern, dryRun, message, ifHash, user, force, fence } = options(given, ["pattern", "dryRun", "message", "ifHash", "user", "force", "fence"], "rollback");
    return await this._call("rollback", { version, pattern, dry_run: dryRun, message, if_hash: ifHash, user, force, fence });
  }

  async locks() {
    return await this._call("locks", {});
  }

  async locksOn(key) {
    return await this._call("locks_on", { key });
  }

  async lock(key, given) {
    const { ttlMs, waitMs, holder, session } = options(given, ["ttlMs", "waitMs", "holder", "session"], "lock");
    return await this._call("lock", { key, ttl_ms: ttlMs, wait_ms: waitMs, holder, session });
  }

  async renewLock(key, token, session, given) {
    const { ttlMs } = options(given, ["ttlMs"], "renewLock");
    return await this._call("renew_lock", { key, token, session, ttl_ms: ttlMs });
  }

  async releaseLock(key, token, session) {
    return await this._call("release_lock", { key, token, session });
  }

  async forceReleaseLock(key, reason) {
    return await this._call("force_release_lock", { key, reason });
  }

  async takeLockAuthority() {
    return await this._call("take_lock_authority", {});
  }

  async conflicts(given) {
    const { all } = options(given, ["all"], "conflicts");
    return (await this._call("conflicts", { all })).map((one) => ({ ...spelt(one), sides: one.sides.map((one) => spelt(one)) }));
  }

  async assign(id, user) {
    return spelt(await this._call("assign", { id, user: user ?? null }));
  }

  async resolve(id, given) {
    const { take, value, keep, remove, user, message, force, fence } = options(given, ["take", "value", "keep", "remove", "user", "message", "force", "fence"], "resolve");
    return spelt(await this._call("resolve", { id, take, value, keep, remove, user, message, force, fence }));
  }

  async audit() {
    return await this._call("audit", {});
  }

  async members() {
    return await this._call("members", {});
  }

  async expel(replica) {
    return await this._call("expel", { replica });
  }

  async forceSync() {
    return await this._call("force_sync", {});
  }

  async kept() {
    return await this._call("kept", {});
  }

  async confirmKept(id) {
    await this._call("confirm_kept", { id });
  }

  async repairPlan() {
    return await this._call("repair_plan", {});
  }

  async repair() {
    return await this._call("repair", {});
  }

  async reload() {
    return await this._call("reload", {});
  }

  async health() {
    return await this._call("health", {});
  }

  async metrics() {
    return await this._call("metrics", {});
  }

  async backup() {
    return await this._call("backup", {});
  }
};
