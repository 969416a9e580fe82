//! The records that replies are made of. What makes each of them stands beside its type (`to_value`), once; a test holds real
//! answers, and the types of every language, to what is said here.

mod backup;
mod locks;
mod versions;

pub use backup::{BACKUP, RESTORED};
pub use locks::{LOCK_AUTHORITY, LOCK_HELD, LOCK_SHOWN, LOCKS_SHOWN};
pub use versions::{COMPARISON, ROLLBACK, SHOWN_VERSION, VERSION};

use super::operation::{Field, Reply, Type};
use super::operations::OPERATIONS;
use crate::value::Value;

/// A map with known keys.
#[derive(Debug)]
pub struct Record {
    /// Its name.
    pub name: &'static str,
    /// The name of its type in Python and in Node, where a program has one for it.
    pub types: (&'static str, &'static str),
    /// Whether Node spells its keys as JavaScript does; else they are as they are everywhere.
    pub camel: bool,
    /// Whether its type in Python and Node is printed from here; else it is written there, with more to say, and compared.
    pub printed: bool,
    /// What it is, in one sentence.
    pub about: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

pub(super) const fn record(name: &'static str, about: &'static str, fields: &'static [Field]) -> Record {
    Record { name, types: (name, name), camel: false, printed: false, about, fields }
}

pub(super) const fn needs(name: &'static str, kind: Type, about: &'static str) -> Field {
    Field::new(name, kind, about)
}

const fn may(name: &'static str, kind: Type, about: &'static str) -> Field {
    Field::new(name, kind, about).optional()
}

/// Where something stands.
pub static ORIGIN: Record = record(
    "Origin",
    "Where a value or an error comes from.",
    &[
        needs("source", Type::Text, "the source's id"),
        may("line", Type::Count, "the line, from 1"),
        may("column", Type::Count, "the column, from 1"),
        may("key", Type::Text, "the variable, or the key of the source"),
    ],
);

/// An error.
pub static PROBLEM: Record = record(
    "Problem",
    "What went wrong, where, and what can be done about it.",
    &[
        needs("code", Type::Text, "stable, for programs"),
        needs("message", Type::Text, "what went wrong, without place and hint"),
        may("hint", Type::Text, "what the user can do"),
        may("path", Type::Path, "the path in the document"),
        may("origin", Type::Record(&ORIGIN), "where the bad input came from"),
        may("related", Type::List(&Type::Record(&PROBLEM)), "errors that belong to this one"),
    ],
);

/// An error as an HTTP answer.
pub static HTTP_PROBLEM: Record = record(
    "HttpProblem",
    "An error as problem details (RFC 9457).",
    &[
        needs("type", Type::Text, "`urn:confmesh:error:` and the code"),
        needs("title", Type::Text, "the words of the status"),
        needs("status", Type::Count, "the status"),
        needs("detail", Type::Text, "the error as one line"),
        needs("error", Type::Record(&PROBLEM), "the error"),
    ],
);

/// What is not in force.
pub static WITHHELD: Record = record(
    "Withheld",
    "A path that shows what was in force before: what was written there would make the document invalid here.",
    &[
        needs("path", Type::Path, "the path; empty where all that is shared is held back"),
        may("value", Type::Any, "what was written, secrets masked; missing where the path was removed"),
        needs("error", Type::Record(&PROBLEM), "what is wrong with it"),
    ],
);

/// What a bound file cannot hold.
pub static LEFT_OUT: Record = record(
    "LeftOut",
    "A path that the instance's bound file cannot hold: it is in force, and stays out of that file.",
    &[
        needs("path", Type::Path, "the path"),
        needs("format", Type::Text, "the format of the file"),
        needs("reason", Type::Text, "what that format cannot hold"),
    ],
);

/// What a write did.
pub static RECEIPT: Record = Record {
    camel: true,
    ..record(
        "Receipt",
        "What a write did, once it is on the disk.",
        &[
            needs("revision", Type::Count, "the number of the document that shows it, counted by this instance"),
            needs("digest", Type::Text, "the digest of that document, as its ETag has it"),
            needs("changed", Type::List(&Type::Path), "the paths that changed"),
            needs("in_force", Type::Flag, "whether this instance shows all of it"),
            may("version", Type::Text, "the version of the path that was written"),
            may("shadowed_by", Type::Text, "the source that hides the new value"),
            may("withheld", Type::List(&Type::Record(&WITHHELD)), "what of it would make the document invalid here"),
            may("left_out", Type::List(&Type::Record(&LEFT_OUT)), "what of it the bound file cannot hold"),
        ],
    )
};

/// A side of a conflict.
pub static CONFLICT_SIDE: Record = Record {
    camel: true,
    ..record(
        "ConflictSide",
        "One side of a conflict; without `value` it removed the path.",
        &[
            needs("in_force", Type::Flag, "whether it shows"),
            needs("timestamp", Type::Text, "when it was written"),
            needs("author", Type::Text, "the replica that wrote it"),
            needs("version", Type::Text, "the author and the number of the write"),
            may("value", Type::Any, "what was written, secrets masked"),
            may("instance_id", Type::Text, "whose replica that is"),
            may("user", Type::Text, "in whose name"),
            may("fence", Type::Text, "the token of the lock that was held"),
            may("lost_updates", Type::Count, "how many conditional writes are lost with it"),
            may("or_more", Type::Flag, "whether there may be more of them"),
        ],
    )
};

/// A conflict.
pub static CONFLICT: Record = Record {
    types: ("WriteConflict", "Conflict"),
    camel: true,
    ..record(
        "Conflict",
        "A path that was written at the same time in different ways.",
        &[
            needs("id", Type::Text, "its name, until another side arrives"),
            needs("document", Type::Text, "the document"),
            needs("path", Type::Path, "the path"),
            needs("strategy", Type::Text, "the rule"),
            needs("status", Type::OneOf(&["pending_manual_resolution", "decided", "closed"]), "how it stands"),
            needs("created_at", Type::Text, "when its last side was written"),
            needs("assigned_to", Type::OrNull(&Type::Text), "who is to decide it"),
            needs("sides", Type::List(&Type::Record(&CONFLICT_SIDE)), "what each side wrote"),
            may("shown", Type::Any, "what the document holds meanwhile"),
            may("lost_updates", Type::Count, "how many conditional writes are lost in it, and in no other"),
            may("or_more", Type::Flag, "whether there may be more of them"),
        ],
    )
};

/// An entry of the audit trail.
pub static AUDIT_ENTRY: Record = Record {
    types: ("dict[str, Any]", "AuditEntry"),
    ..record(
        "AuditEntry",
        "How a conflict ended, or what came from elsewhere and became of it; the other fields depend on the event.",
        &[
            needs(
                "event",
                Type::OneOf(&["conflict_resolved", "save_merged", "remote_applied", "remote_rejected", "lock_forced"]),
                "what happened",
            ),
            needs("timestamp", Type::Text, "when"),
            may("document", Type::Text, "to which document"),
        ],
    )
};

/// A write.
pub static WRITTEN: Record = record(
    "Written",
    "A shared write that made what is at a path.",
    &[
        needs("path", Type::Path, "the path that it wrote"),
        needs("timestamp", Type::Text, "when it was written"),
        needs("author", Type::Text, "the replica that wrote it"),
        needs("version", Type::Text, "the author and the number of the write"),
        may("instance_id", Type::Text, "whose replica that is"),
        may("user", Type::Text, "in whose name"),
    ],
);

/// A replica that history waits for.
pub static MEMBER: Record = record(
    "Member",
    "A replica that has to be reached before the history of the document is dropped.",
    &[
        needs("replica", Type::Text, "the name under which it writes"),
        needs("own", Type::Flag, "whether it is this instance's"),
        needs("connected", Type::Flag, "whether it is connected"),
        needs("blocks", Type::Flag, "whether history waits for it, as seen from here"),
        may("instance_id", Type::Text, "whose replica it is"),
        may("acknowledged", Type::Text, "when it last said what it has"),
    ],
);

/// What was kept.
pub static KEPT: Record = record(
    "Kept",
    "What an instance held before another document took its place, with its text.",
    &[
        needs("id", Type::Count, "its number"),
        needs("at", Type::Text, "since when it is kept"),
        needs("why", Type::OneOf(&["joined", "moved", "given-up"]), "what took its place"),
        may("genesis", Type::Text, "the birth of the document that it was"),
        may("left", Type::Count, "how many writes have authors that are not here"),
        may("file", Type::Text, "the copy beside the bound file"),
        needs("format", Type::Text, "the format of the text"),
        needs("text", Type::Text, "the text"),
    ],
);

/// What a repair would do.
pub static REPAIR_PLAN: Record = record(
    "RepairPlan",
    "What a repair would remove.",
    &[
        needs("genesis", Type::Text, "the birth of the document"),
        needs("authors", Type::Count, "how many authors it knows"),
        needs("idle", Type::Count, "how many of them hold no write"),
        needs("idle_authors", Type::List(&Type::Map), "the first of those, with author, writes and why"),
        needs("members", Type::List(&Type::Map), "members that are not connected"),
        needs("orphaned", Type::Flag, "whether no member is left"),
        needs("undecided", Type::List(&Type::Path), "conflicts that somebody has to decide before"),
        needs("behind", Type::List(&Type::Text), "connected instances that do not have everything yet"),
    ],
);

/// What a repair did.
pub static REPAIRED: Record = record(
    "Repaired",
    "What a repair removed.",
    &[
        needs("genesis", Type::Text, "the birth of the document that goes on in its place"),
        needs("authors_removed", Type::Count, "how many authors are gone"),
        needs("members_removed", Type::Count, "how many members are gone"),
    ],
);

/// What giving a document up costs.
pub static ADOPTION: Record = record(
    "Adoption",
    "A document that is given up for another one.",
    &[
        needs("genesis", Type::Text, "the birth of the other one"),
        needs("lost", Type::List(&Type::Map), "what is here and would be gone or have another value, secrets masked"),
        needs("done", Type::Flag, "whether it is done"),
    ],
);

/// A check of health.
pub static CHECK: Record = record(
    "Check",
    "One thing that health looks at.",
    &[
        needs("name", Type::Text, "its name"),
        needs("status", Type::OneOf(&["ok", "degraded", "failed"]), "what was found"),
        may("reasons", Type::List(&Type::Record(&PROBLEM)), "why it does not pass"),
    ],
);

/// Health.
pub static HEALTH: Record = record(
    "Health",
    "Whether requests may be sent to an instance, and what someone should look at.",
    &[
        needs("status", Type::OneOf(&["healthy", "degraded", "not_ready"]), "the worst of the checks"),
        needs("checks", Type::List(&Type::Record(&CHECK)), "the checks, in a fixed order"),
        may("instance_id", Type::Text, "who it is, over HTTP"),
        may("connected_clients", Type::Count, "how many guests follow it, over HTTP"),
        may("timestamp", Type::Text, "when it was asked, over HTTP"),
        may("version", Type::Text, "the version of confmesh, over HTTP"),
    ],
);

/// Another instance.
pub static PEER_STATUS: Record = record(
    "PeerStatus",
    "Another instance, as seen from this one.",
    &[
        needs("direction", Type::OneOf(&["dialed", "accepted"]), "who made the connection"),
        needs("address", Type::Text, "where it is"),
        needs("state", Type::OneOf(&["connected", "connecting", "waiting"]), "how the connection is"),
        may("url", Type::Text, "the address that is dialed"),
        may(
            "link",
            Type::OneOf(&["in_step", "behind", "joining", "greeting", "other_document", "refused", "itself"]),
            "what the two have come to",
        ),
        may("problems", Type::List(&Type::Record(&PROBLEM)), "what is wrong between them, until it is over"),
        may("connected_since", Type::Text, "since when"),
        may("instance_id", Type::Text, "who it is"),
        may("last_error", Type::Record(&PROBLEM), "why there is no connection"),
        may("retry_in_ms", Type::Count, "how long is waited between attempts"),
        may("clock_offset_ms", Type::Number, "how its clock stands to the clock here"),
        may("stamps_ahead_ms", Type::Count, "how far its writes are stamped ahead"),
    ],
);

/// A source.
pub static SOURCE_STATUS: Record = record(
    "SourceStatus",
    "A source, and whether its newest content is in force.",
    &[
        needs("id", Type::Text, "its id"),
        needs("priority", Type::Number, "its priority; the lower number wins"),
        needs("state", Type::OneOf(&["fresh", "missing", "stale"]), "how it is"),
        may("error", Type::Record(&PROBLEM), "what is wrong with it"),
        may("stale_ms", Type::Count, "for how long"),
        may("optional", Type::Flag, "whether it may be missing; as what follows, of those that are polled"),
        may("served_from", Type::OneOf(&["source", "disk"]), "where what is in force of it comes from"),
        may("loaded", Type::Text, "when that was loaded"),
        may("age_ms", Type::Count, "how old that is: since the last good answer, or since it was loaded"),
        may("stale_after_ms", Type::Count, "how old that may become until nobody should rely on it"),
        may("next_poll_ms", Type::Count, "when it is asked next"),
        may("failures", Type::Count, "how many answers in a row were none"),
        may("interval_ms", Type::Count, "how often it is asked"),
        may("circuit", Type::OneOf(&["closed", "open", "half_open"]), "whether it is asked, or only probed"),
        may("keep_error", Type::Record(&PROBLEM), "why its last good document is not on the disk"),
    ],
);

/// What waits for checks.
pub static CHECKING: Record = record(
    "Checking",
    "What waits for the checks of the program.",
    &[
        needs("for_ms", Type::Count, "how long the oldest question has had no answer"),
        needs("within_ms", Type::Count, "how long an answer may take"),
        needs("writes", Type::Count, "how many writes wait"),
        needs("late", Type::Count, "how many questions have had no answer for longer than that"),
        may("cause", Type::Text, "what brought what is not in force yet"),
    ],
);

/// A document.
pub static DOCUMENT_STATUS: Record = record(
    "DocumentStatus",
    "How a document is doing.",
    &[
        needs("name", Type::Text, "its name"),
        needs("revision", Type::Count, "its number, counted by this instance"),
        needs("hash", Type::Text, "its content hash"),
        needs("founded", Type::Flag, "whether it has a shared layer that began somewhere"),
        needs("genesis", Type::OrNull(&Type::Text), "its birth"),
        needs("view_hash", Type::OrNull(&Type::Text), "the hash of the shared layer: equal on instances that agree"),
        needs("keys", Type::Count, "how many leaves it has"),
        needs("secrets", Type::List(&Type::Path), "what is secret in it"),
        needs("sources", Type::List(&Type::Record(&SOURCE_STATUS)), "its sources"),
        needs("conflicts", Type::List(&Type::Map), "what was written at the same time in different ways"),
        may("rejected", Type::Map, "what is not in force because it is invalid"),
        may("withheld", Type::List(&Type::Map), "what others wrote that is not in force here"),
        may("checking", Type::Record(&CHECKING), "what waits for the checks of the program"),
        may("settling", Type::Map, "how the dropping of its history stands"),
        may("bound_file", Type::Text, "the file that mirrors it"),
        may("stamps_ahead_ms", Type::Count, "how far writes of this instance are stamped ahead"),
        may("age", Type::OneOf(&["young", "old"]), "whether it gives way to another document by itself"),
        may("apart", Type::List(&Type::Map), "connected instances with another document"),
        may("kept", Type::List(&Type::Map), "what was here before other documents took its place"),
        may("left_out", Type::List(&Type::Record(&LEFT_OUT)), "what the bound file cannot hold"),
        may("warnings", Type::List(&Type::Record(&PROBLEM)), "what is odd about the sources or the store"),
        may("save_conflicts", Type::List(&Type::Map), "where a save and others said different things"),
    ],
);

/// Values for programs that are no instances.
pub static VALUE_STATUS: Record = record(
    "ValueStatus",
    "What became of single values for programs at a broker.",
    &[
        needs("prefix", Type::Text, "how topics, or the channel, begin"),
        needs("connected", Type::Flag, "whether the connection for them stands"),
        needs("published", Type::Count, "how many were published"),
        needs("taken", Type::Count, "how many of programs were written"),
        needs("refused", Type::Count, "how many of programs were refused"),
        may("last_error", Type::Record(&PROBLEM), "why they are not carried"),
    ],
);

/// A bus.
pub static BUS_STATUS: Record = record(
    "BusStatus",
    "A broker at which instances meet.",
    &[
        needs("url", Type::Text, "where it is, without passwords"),
        needs("state", Type::OneOf(&["connected", "connecting", "waiting"]), "whether it is reached"),
        needs("instances", Type::Count, "how many other instances were heard there lately"),
        needs("links", Type::Count, "how many of them are spoken to just now, to catch up"),
        needs("missed_frames", Type::Count, "how many frames for all did not arrive"),
        needs("refused_frames", Type::Count, "how many frames were none of an instance"),
        may("connected_since", Type::Text, "since when it is reached"),
        may("last_error", Type::Record(&PROBLEM), "why it is not reached"),
        may("retry_in_ms", Type::Count, "how long is waited until it is tried again"),
        may(
            "values",
            Type::Record(&VALUE_STATUS),
            "values for programs that are no instances, where they are asked for",
        ),
    ],
);

/// An instance.
pub static STATUS: Record = record(
    "Status",
    "How an instance is doing.",
    &[
        needs("instance_id", Type::Text, "who it is"),
        needs("version", Type::Text, "the version of confmesh"),
        needs("uptime_seconds", Type::Count, "for how long it runs"),
        needs("health", Type::Record(&HEALTH), "its health"),
        needs("listen", Type::List(&Type::Text), "the addresses that it listens on"),
        needs("peers", Type::List(&Type::Record(&PEER_STATUS)), "the other instances"),
        needs("connected_clients", Type::Count, "how many guests follow it"),
        needs("documents", Type::List(&Type::Record(&DOCUMENT_STATUS)), "its documents"),
        may("buses", Type::List(&Type::Record(&BUS_STATUS)), "the buses that it is on"),
        may("out_of_step_ms", Type::Count, "for how long it is in step with none of the others"),
        may("auth", Type::Map, "how the authentication file stands: principals, digest, what is wrong with it"),
        may(
            "notify",
            Type::List(&Type::Map),
            "how each receiver of notices is doing: what waits, was delivered, was dropped",
        ),
        may(
            "rate_limit",
            Type::Map,
            "how many requests a caller may make in a minute, and how many are refused now and were",
        ),
    ],
);

/// The account of a path.
pub static EXPLANATION: Record = record(
    "Explanation",
    "Why a path has its value.",
    &[
        needs("path", Type::Path, "the path"),
        may("value", Type::Any, "the value in force, secrets masked"),
        needs("rule", Type::Text, "the strategy that governs the path"),
        may("pattern", Type::Pattern, "the pattern of the rule that says so"),
        needs("source", Type::Text, "the source as one text"),
        needs("sources", Type::List(&Type::Text), "the layers that the value is made of"),
        may("winner", Type::Map, "the highest of them, with its place"),
        needs("others", Type::List(&Type::Map), "every other layer that holds the path, highest first"),
        may("absence", Type::Map, "why nothing is there"),
        may("withheld", Type::Record(&WITHHELD), "what was written there and is not in force"),
        may("written", Type::List(&Type::Record(&WRITTEN)), "the shared writes that made it, the newest first"),
    ],
);

/// A value and its version.
pub static VERSIONED: Record = record(
    "Versioned",
    "A value and its version, of one moment.",
    &[
        may("value", Type::Any, "the value, where one is"),
        needs("version", Type::Text, "the version of the path: what `if_version` takes"),
    ],
);

/// What a subscriber is told.
pub static EVENT: Record = record(
    "Event",
    "What changed, or that some of it was left out because the reader was too slow.",
    &[
        needs("event_type", Type::OneOf(&["config_changed", "lagged"]), "what happened"),
        may("document", Type::Text, "the document"),
        may("revision", Type::Count, "its number after it"),
        may("digest", Type::Text, "its digest after it, as its ETag has it"),
        may("changes", Type::List(&Type::Map), "the changes: path, op, old and new"),
        may("origin", Type::Text, "what brought it: a source's id, `shared`, `file`"),
        may("missed", Type::Count, "how many events were left out"),
    ],
);

/// Something that an operator should know.
pub static REPORT: Record = record(
    "Report",
    "Something that an operator should know.",
    &[
        needs("level", Type::OneOf(&["info", "warning", "error"]), "how serious"),
        needs("message", Type::Text, "what the log says, as one line"),
        may("source", Type::Text, "the source that it is about"),
        may("state", Type::OneOf(&["fresh", "missing", "stale"]), "how that source is now"),
        may("error", Type::Record(&PROBLEM), "what went wrong"),
    ],
);

/// Every record that a reply holds, by name.
pub fn records() -> Vec<&'static Record> {
    let mut found: Vec<&'static Record> = vec![&HTTP_PROBLEM, &PROBLEM, &ORIGIN];
    for row in OPERATIONS {
        match row.reply {
            Reply::Record(record) | Reply::Stream(record) => gather(Type::Record(record), &mut found),
            Reply::Only(field) | Reply::Told(field) => gather(field.kind, &mut found),
            Reply::Value(kind) => gather(kind, &mut found),
            Reply::Nothing | Reply::Text(_) | Reply::Connection => {}
        }
    }
    found.sort_by_key(|record| record.name);
    found
}

fn gather(kind: Type, found: &mut Vec<&'static Record>) {
    match kind {
        Type::List(kind) | Type::OrNull(kind) => gather(*kind, found),
        Type::Record(record) if !found.iter().any(|known| known.name == record.name) => {
            found.push(record);
            record.fields.iter().for_each(|field| gather(field.kind, found));
        }
        _ => {}
    }
}

/// Where a value is not of its type, with the path to it; none where all is as it is said to be.
pub fn mismatch(kind: Type, value: &Value) -> Option<String> {
    let wrong = |what: &str| Some(format!("is no {what}"));
    match (kind, value) {
        (Type::Any, _) | (Type::OrNull(_), Value::Null) => None,
        (Type::OrNull(kind), value) => mismatch(*kind, value),
        (Type::Flag, value) => value.as_bool().is_none().then(|| "is no boolean".to_owned()),
        (Type::Count, value) => value.as_u64().is_none().then(|| "is no whole number".to_owned()),
        (Type::Number, value) => (!matches!(value, Value::Number(_))).then(|| "is no number".to_owned()),
        (Type::OneOf(words), value) => match value.as_str() {
            Some(text) if words.contains(&text) => None,
            _ => Some(format!("is none of {}", words.join(", "))),
        },
        (Type::Id, value) if value.as_u64().is_some() => None,
        (Type::Text | Type::Id | Type::Path | Type::Pattern, value) => {
            value.as_str().is_none().then(|| "is no text".to_owned())
        }
        (Type::Map, Value::Map(_)) => None,
        (Type::Map, _) => wrong("map"),
        (Type::List(kind), Value::List(items)) => {
            let found = items.iter().enumerate().find_map(|(at, item)| Some((at, mismatch(*kind, item)?)));
            found.map(|(at, what)| format!("[{at}] {what}"))
        }
        (Type::List(_), _) => wrong("list"),
        (Type::Record(record), Value::Map(fields)) => {
            let missing = record.fields.iter().find(|field| field.required && fields.get(field.name).is_none());
            if let Some(field) = missing {
                return Some(format!("{} lacks `{}`", record.name, field.name));
            }
            // What an audit entry holds besides depends on its event.
            let is_open = std::ptr::eq(record, &raw const AUDIT_ENTRY);
            fields.iter().find_map(|(key, value)| match record.fields.iter().find(|field| field.name == key.as_str()) {
                Some(field) => mismatch(field.kind, value).map(|what| format!("{}.{key} {what}", record.name)),
                None if is_open => None,
                None => Some(format!("{} has `{key}`, which nobody knows", record.name)),
            })
        }
        (Type::Record(_), _) => wrong("map"),
    }
}
