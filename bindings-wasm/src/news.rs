//! What the engine reports, as values for JavaScript.

use confmesh::clock::Now;
use confmesh::diff::leaves;
use confmesh::engine::{Event, Level, RequestId, SourceState};
use confmesh::{Error, Path, Pattern, Value};

use crate::convert::object;

/// What happened as a value with a `type`: `changed`, `written`, `connection`, `notice`, `audit`, `settled` or `source`. Of changes only the
/// leaves that match a pattern are named.
pub fn event_value(event: Event, patterns: &[Pattern]) -> Value {
    match event {
        Event::Changed(change) => {
            let wanted = |path: &Path| patterns.iter().any(|pattern| pattern.matches(path));
            let changes = leaves(&change.changes);
            let changes: Vec<Value> =
                changes.iter().filter(|leaf| wanted(&leaf.path)).map(|leaf| leaf.to_value()).collect();
            object([
                ("type", "changed".into()),
                ("revision", change.snapshot.revision.into()),
                ("cause", change.cause.into()),
                ("changes", changes.into()),
            ])
        }
        Event::Written { request, result: Ok(receipt) } => {
            let about = [("type".into(), "written".into()), ("request".into(), request.0.into())];
            let receipt = receipt.to_value();
            let fields = receipt.as_map().into_iter().flat_map(|map| map.iter());
            Value::Map(fields.map(|(name, value)| (name.clone(), value.clone())).chain(about).collect())
        }
        Event::Written { request, result: Err(error) } => {
            object([("type", "written".into()), ("request", request.0.into()), ("error", error.to_value())])
        }
        Event::Connection { live, .. } => object([("type", "connection".into()), ("live", live.into())]),
        Event::Notice { level, error } => notice(level, &error),
        Event::Source { state: SourceState::Stale(error), .. } => notice(Level::Warning, &error),
        Event::Audit(audit) => object([("type", "audit".into()), ("entry", audit.to_value())]),
        Event::Called(_) => object([("type", "called".into())]), // only hosts are asked
        Event::Lock { .. } => object([("type", "lock".into())]), // nothing here asks for one
        Event::Settled { .. } => object([("type", "settled".into())]),
        Event::Source { .. } => object([("type", "source".into())]),
    }
}

fn notice(level: Level, error: &Error) -> Value {
    let level = match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    object([("type", "notice".into()), ("level", level.into()), ("error", error.to_value())])
}

/// Two readings of JavaScript's clocks.
pub fn now(wall_ms: f64, mono_ms: f64) -> Now {
    Now { wall_ms: wall_ms as u64, mono_ms: mono_ms as u64 }
}

/// A request's number as JavaScript has it.
pub fn number(request: RequestId) -> f64 {
    request.0 as f64
}
