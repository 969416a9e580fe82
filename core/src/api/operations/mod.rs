//! The list. An operation is one file here, or a row in the file of its subject, and its name below.

mod backup;
mod conflicts;
mod console;
mod fields;
mod functions;
mod history;
mod instance;
mod locks;
mod members;
mod read;
mod reload;
mod replica;
mod schema;
mod webhook;
mod write;

use super::operation::Operation;
pub(super) use fields::no_document;

/// Every operation, grouped by subject.
pub static OPERATIONS: &[&Operation] = &[
    // The document of an instance.
    &read::GET,
    &read::READ,
    &read::EXPLAIN,
    &read::WRITTEN,
    &read::PROVENANCE,
    &read::WARNINGS,
    &read::REVISION,
    &read::DOCUMENT_HASH,
    &read::SUBSCRIBE,
    &write::SET,
    &write::UNSET,
    &write::REPLACE,
    &write::PATCH_DOCUMENT,
    &write::MERGE_PATCH_DOCUMENT,
    &write::SET_LAYER,
    // Its past.
    &history::VERSIONS,
    &history::SHOW_VERSION,
    &history::COMPARE_VERSIONS,
    &history::ROLLBACK,
    // Who may write.
    &locks::LOCKS,
    &locks::LOCKS_ON,
    &locks::LOCK,
    &locks::RENEW_LOCK,
    &locks::RELEASE_LOCK,
    &locks::FORCE_RELEASE_LOCK,
    &locks::TAKE_LOCK_AUTHORITY,
    // Conflicts, and how they ended.
    &conflicts::CONFLICTS,
    &conflicts::ASSIGN,
    &conflicts::RESOLVE,
    &conflicts::AUDIT,
    // The instances that share it.
    &members::MEMBERS,
    &members::EXPEL,
    &members::FORCE_SYNC,
    &members::JOIN,
    &members::ADOPT,
    &members::KEPT,
    &members::CONFIRM_KEPT,
    &members::REPAIR_PLAN,
    &members::REPAIR,
    // The instance itself.
    &instance::OPEN,
    &instance::START,
    &instance::CLOSE,
    &instance::CONNECT,
    &reload::RELOAD,
    &webhook::WEBHOOK,
    &webhook::WATCH_VARIABLES,
    &webhook::NEW_KEY,
    &webhook::DOCTOR,
    &console::CONFIG,
    &console::COMPLETIONS,
    &console::MAN,
    &instance::STATUS,
    &instance::HEALTH,
    &instance::METRICS,
    &instance::LIVE,
    &instance::READY,
    &instance::REPORTS,
    &instance::ADDRESSES,
    &instance::PENDING_WRITES,
    &instance::PAGE,
    &instance::DESCRIBE,
    &backup::BACKUP,
    &backup::RESTORE,
    &instance::REBUILD,
    &instance::TOKEN,
    &instance::DEMO,
    &instance::VERSION,
    &instance::LOAD_MODULE,
    // Functions of their arguments.
    &functions::MERGE,
    &functions::MERGE_WITH_PROVENANCE,
    &functions::EXPLAIN_LAYERS,
    &functions::INTERPOLATE,
    &functions::PROFILES,
    &functions::DIFF,
    &functions::CHANGES,
    &functions::PATCH,
    &functions::MERGE_PATCH,
    &functions::MERGE_PATCH_BETWEEN,
    &functions::THREE_WAY,
    &functions::PARSE,
    &functions::DUMP,
    &functions::REWRITE,
    &functions::TIDY,
    &functions::CANONICAL,
    &functions::HASH,
    &functions::PARSE_PATH,
    &functions::JOIN_PATH,
    &functions::MATCHES,
    &functions::RESOLVE_CHANGES,
    &functions::VIEW_DELTAS,
    &functions::SEQUENCE_BETWEEN,
    &functions::SEQUENCE_APPLY,
    &functions::SEQUENCE_COMPOSE,
    &functions::SEQUENCE_INVERT,
    &functions::SEQUENCE_TRANSFORM,
    // Schemas.
    &schema::VALIDATE,
    &schema::VALIDATE_TEXT,
    &schema::LOAD,
    &schema::DEFAULTS,
    &schema::KNOWN,
    &schema::COERCE,
    &schema::TO_ENV,
    &schema::INITIAL,
    &schema::REFERENCE,
    &schema::NOTES,
    &schema::DEFINITION,
    // Replicas in a program's own hands.
    &replica::LOAD,
    &replica::FORK,
    &replica::IDENTITY,
    &replica::VALUE_AT,
    &replica::SET,
    &replica::UNSET,
    &replica::RESOLVE,
    &replica::VERSION,
    &replica::DELTA,
    &replica::APPLY,
    &replica::SAVE,
    &replica::CONFLICTS,
    &replica::SETTLE,
];
