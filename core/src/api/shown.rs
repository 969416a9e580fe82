//! What of a reply a principal may be told: what speaks of a place that is not granted is left out of it.

use std::sync::Arc;

use super::operation::Operation;
use crate::engine::Snapshot;
use crate::error::{Code, Error, Result};
use crate::guard::{Grant, Verb};
use crate::path::Path;
use crate::value::{Map, Value};

/// Fields that hold a path.
const PATH_FIELDS: &[&str] = &["path", "config_key"];
/// Fields that hold lists of paths, with the field that counts them.
const PATH_LISTS: &[(&str, &str)] =
    &[("changed", ""), ("paths", "writes"), ("removed", "removed_count"), ("secrets", ""), ("undecided", "")];
/// Rows whose replies are made for who asks.
const MADE_FOR_WHO_ASKS: &[&str] = &[
    "versions",
    "show_version",
    "compare_versions",
    "rollback",
    "locks",
    "locks_on",
    "lock",
    "renew_lock",
    "release_lock",
    "force_release_lock",
    "take_lock_authority",
];
/// Fields of a status that speak of the whole document.
const OF_THE_WHOLE: &[&str] = &["kept", "rejected"];

/// A reply as a principal may see it. `snapshot` is the document that it is about.
///
/// # Errors
/// [`Code::Forbidden`] for what cannot be shown in part.
pub fn shown(row: &Operation, grant: &Grant, snapshot: &Arc<Snapshot>, reply: Value) -> Result<Value> {
    if grant.sees_all(snapshot.policy()) || MADE_FOR_WHO_ASKS.contains(&row.name) {
        return Ok(reply);
    }
    if row.name == "kept" {
        // It is the text of a whole document, with its secrets.
        let verb = if grant.reads_secrets() { Verb::Read } else { Verb::ReadSecrets };
        grant.check_at(verb, &snapshot.document, &Path::root())?;
    }
    let reply = if row.name == "status" { status(grant, snapshot, reply) } else { reply };
    if grant.covers(&Path::root()) {
        return Ok(reply); // secrets are masked where replies are made
    }
    filtered(grant, &reply).ok_or_else(|| {
        Error::new(Code::NotFound, "nothing is there that may be shown").with_hint("ask for a path that you may read")
    })
}

/// A status whose numbers and hashes are those of what is seen.
fn status(grant: &Grant, snapshot: &Arc<Snapshot>, reply: Value) -> Value {
    let view = snapshot.seen_by(grant);
    let mut keys: u64 = 0;
    view.value.for_each_leaf(&mut |_, _| keys += 1);
    let documents = reply.child("documents").and_then(Value::as_list).into_iter().flatten().map(|document| {
        let fields = document.as_map().into_iter().flat_map(|map| map.iter());
        let is_shown = |name: &str| grant.covers(&Path::root()) || !OF_THE_WHOLE.contains(&name);
        let fields = fields.filter(|(name, _)| is_shown(name)).map(|(name, value)| {
            let value = match name.as_str() {
                "hash" => view.hash().to_string().into(),
                "view_hash" => Value::Null,
                "keys" => keys.into(),
                _ => value.clone(),
            };
            (name.clone(), value)
        });
        Value::Map(fields.collect())
    });
    let documents: Vec<Value> = documents.collect();
    reply.with(&Path::root().child("documents"), documents.into())
}

/// A value without what speaks of other places; none where it speaks of one itself.
fn filtered(grant: &Grant, value: &Value) -> Option<Value> {
    match value {
        Value::List(items) => Some(items.iter().filter_map(|item| filtered(grant, item)).collect::<Vec<_>>().into()),
        Value::Map(map) => {
            if PATH_FIELDS.iter().any(|name| map.get(name).is_some_and(|path| !is_granted(grant, path))) {
                return is_error(map).then(hidden);
            }
            if is_error(map) && map.get("path").is_none() {
                return Some(hidden());
            }
            lists(grant, map)
        }
        other => Some(other.clone()),
    }
}

fn lists(grant: &Grant, map: &Map) -> Option<Value> {
    let mut fields: Vec<(crate::value::Str, Value)> = Vec::new();
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for (name, value) in map.iter() {
        let counted = PATH_LISTS.iter().find(|(list, _)| *list == name.as_str()).map(|(_, count)| *count);
        let paths = value.as_list().filter(|items| items.iter().all(|item| item.as_str().is_some()));
        let (Some(count), Some(paths)) = (counted, paths) else {
            fields.extend(filtered(grant, value).map(|value| (name.clone(), value)));
            continue;
        };
        let kept: Vec<Value> = paths.iter().filter(|path| is_granted(grant, path)).cloned().collect();
        if kept.is_empty() && !paths.is_empty() && !count.is_empty() {
            return None;
        }
        counts.push((count, u64::try_from(kept.len()).unwrap_or(u64::MAX)));
        fields.push((name.clone(), kept.into()));
    }
    for (name, value) in &mut fields {
        if let Some((_, count)) = counts.iter().find(|(counted, _)| *counted == name.as_str()) {
            *value = (*count).into();
        }
    }
    Some(Value::Map(fields.into_iter().collect()))
}

fn is_granted(grant: &Grant, path: &Value) -> bool {
    path.as_str().and_then(|path| Path::parse(path).ok()).is_some_and(|path| grant.covers(&path))
}

fn is_error(map: &Map) -> bool {
    map.get("code").is_some() && map.get("message").is_some()
}

/// What stands in the place of an error that may name what is not granted.
fn hidden() -> Value {
    let message = "something is wrong where you may not read";
    Error::new(Code::Invalid, message).with_hint("ask somebody who may read the whole document").to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::engine::{DocumentOptions, Engine, EngineConfig};
    use crate::format::{Format, parse};
    use crate::guard::{Proof, Table, token_hash};
    use crate::id::{DocumentName, InstanceId};

    fn grant(role: &str) -> Arc<Grant> {
        let hash = token_hash("t");
        let text = format!(
            "[[principal]]\nname = \"a\"\ntoken_sha256 = \"{hash}\"\nroles = [\"{role}\"]\npaths = [\"app.*\"]\n"
        );
        let table = Table::from_value(&parse(&text, Format::Toml).unwrap()).unwrap();
        table.grant(&Proof::of_token("t"), 0).unwrap()
    }

    fn snapshot() -> Arc<Snapshot> {
        let config = EngineConfig::new(InstanceId::parse(&"1".repeat(32)).unwrap(), [7; 32]);
        let mut engine = Engine::new(config, []).unwrap();
        let (name, now) = (DocumentName::default_name(), crate::clock::Now { wall_ms: 1, mono_ms: 1 });
        engine.open(name.clone(), DocumentOptions::default(), now);
        let value = parse(r#"{"app": {"x": 1}, "hidden": {"y": 2}}"#, Format::Json).unwrap();
        engine.replace(&name, value, None, now);
        engine.snapshot(&name).unwrap()
    }

    /// What a limited reader gets of a reply.
    fn seen(row: &str, reply: &str) -> String {
        let row = crate::api::find(row).unwrap();
        canonical(&shown(row, &grant("reader"), &snapshot(), parse(reply, Format::Json).unwrap()).unwrap())
    }

    #[test]
    fn what_speaks_of_other_places_is_left_out_of_lists_and_counts() {
        let conflicts = r#"[{"id":"1","path":"app.x","sides":[{"value":1}]},{"id":"2","path":"hidden.y","sides":[{"value":2}]},{"id":"3","path":"app","shown":{"x":1}}]"#;
        assert_eq!(seen("conflicts", conflicts), r#"[{"id":"1","path":"app.x","sides":[{"value":1}]}]"#);
        let audit = r#"[{"event":"remote_applied","paths":["app.x","hidden.y"],"writes":2},{"event":"remote_applied","paths":["hidden.y"],"writes":1},
            {"event":"conflict_resolved","config_key":"hidden.y","resolved_value":2},
            {"event":"save_merged","conflicts":[{"path":"hidden.y","saved":1}],"removed":["app.x","hidden.z"],"removed_count":2},
            {"event":"remote_rejected","error":{"code":"invalid","message":"2 is wrong (hidden)","path":"hidden.y"},"count":1}]"#;
        let audit = seen("audit", audit);
        assert!(!audit.contains("hidden"), "{audit}");
        assert!(audit.contains(r#""paths":["app.x"],"writes":1"#) && audit.contains(r#""removed_count":1"#), "{audit}");
        let status = r#"{"documents":[{"name":"default","hash":"h","view_hash":"v","keys":9,"secrets":["app.s","hidden.s"],
            "kept":[{"id":1,"file":"hidden"}],"rejected":{"cause":"hidden"},"withheld":[{"path":"hidden.y","value":3}],
            "warnings":[{"code":"type","message":"hidden.y clashes"},{"code":"type","message":"x clashes","path":"app.x"}]}],
            "health":{"checks":[{"name":"valid","reasons":[{"code":"invalid","message":"hidden.y is wrong"}]}]}}"#;
        let status = seen("status", status);
        assert!(!status.contains("hidden") && !status.contains("\"h\"") && !status.contains("\"v\""), "{status}");
        assert!(status.contains("\"keys\":1") && status.contains("x clashes") && status.contains("app.s"), "{status}");
    }

    #[test]
    fn what_cannot_be_shown_in_part_is_refused_and_whoever_sees_all_gets_all() {
        let kept = crate::api::find("kept").unwrap();
        let refused = shown(kept, &grant("secret-reader"), &snapshot(), Value::empty_map()).unwrap_err();
        assert_eq!(refused.code(), Code::Forbidden);
    }
}
