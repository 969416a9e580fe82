//! Imports go down the floors only; rooms on one floor do not know each other unless listed here.

use std::collections::BTreeMap;

use super::paths::{named_below, without_comments_and_literals};
use super::repository::core_sources;
use super::{Offence, report};

/// The rooms of `core/src`, floor by floor; below the gate a room is `native/<name>`.
const FLOORS: &[&[&str]] = &[
    &["value", "path", "pattern", "id", "origin", "limits", "error", "testing"],
    &["clock", "format", "canonical", "policy", "backoff", "identity", "entropy"],
    &["diff", "schema", "merge", "poll", "source", "guard", "hook", "bus", "notice", "monitor"],
    &["conflict", "sequence", "secret"],
    &["replica", "lock", "history"],
    &["protocol"],
    &["engine", "metrics", "document"],
    &["driver", "api"],
    &[
        "native::net",
        "native::notify",
        "native::file",
        "native::io_error",
        "native::group",
        "native::source",
        "native::watch",
        "native::transport",
        "native::store",
        "native::guard",
    ],
    &["native::http", "native::mesh"],
    &["native::cli"],
];

/// Edges between rooms of one floor. The words of floor 0 describe each other and are free.
const SIDEWAYS: &[(&str, &str)] = &[
    ("merge", "diff"),
    ("merge", "schema"),
    ("source", "merge"),
    ("source", "poll"),
    ("source", "schema"),
    ("guard", "schema"),
    ("conflict", "sequence"),
    ("engine", "metrics"),
    ("native::mesh", "native::http"),
];

/// The floor of the adapters. They know bytes and values, not the engine: so the floors up to `ADAPTERS_SEE`, `secret`,
/// and what they share among themselves.
const ADAPTERS: usize = 8;
const ADAPTERS_SEE: usize = 2;
const ADAPTERS_SHARE: &[&str] = &["native::net", "native::file", "native::group", "native::io_error", "native::guard"];

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// The room that a path below `crate::` leads to; names that `lib.rs` re-exports lead to where they come from.
fn room_of(segments: &[String], facade: &BTreeMap<String, String>) -> String {
    let [first, rest @ ..] = segments else { return String::new() };
    match facade.get(first) {
        Some(room) => room.clone(),
        None if first == "native" => rest.first().map_or(first.clone(), |below| format!("{first}::{below}")),
        None => first.clone(),
    }
}

/// What `lib.rs` re-exports, by name, with the room that it comes from.
fn facade(lib: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for statement in without_comments_and_literals(lib).split(';') {
        let Some((_, tree)) = statement.split_once("pub use ") else { continue };
        let tree = format!("crate::{}", tree.trim_start().trim_start_matches("crate::"));
        for named in named_below("crate", &tree) {
            if let [_, .., last] = named.segments.as_slice() {
                names.insert(last.clone(), room_of(&named.segments, &BTreeMap::new()));
            }
        }
    }
    names
}

/// Why `from` may not use `to`, if so.
fn rule_against(from: &str, to: &str) -> Option<String> {
    if from == to || to.is_empty() {
        return None;
    }
    let Some(floor) = floor_of(from) else {
        return Some(format!("room `{from}` stands on no floor: add it to the table of the floors test"));
    };
    let Some(target) = floor_of(to) else {
        return Some(format!("`crate::{to}` stands on no floor: add it to the table of the floors test"));
    };
    let is_declared = SIDEWAYS.contains(&(from, to)) || ADAPTERS_SHARE.contains(&to);
    if target > floor {
        Some(format!("`{from}` (floor {floor}) uses `{to}` (floor {target}): imports go down the floors only"))
    } else if target == floor && floor > 0 && !is_declared {
        Some(format!("`{from}` uses `{to}` on its own floor {floor}: that edge is not declared"))
    } else if floor == ADAPTERS && (ADAPTERS_SEE + 1..ADAPTERS).contains(&target) && to != "secret" {
        Some(format!(
            "adapter `{from}` uses `{to}` (floor {target}): adapters know floors 0 to {ADAPTERS_SEE} and `secret`"
        ))
    } else {
        None
    }
}

/// Checks one file of `core/src`; `file` is its path below that folder.
fn check(file: &str, source: &str, facade: &BTreeMap<String, String>) -> Vec<Offence> {
    let module = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
    let parts = module.split("::").map(str::to_owned).collect::<Vec<_>>();
    // The facade shows every floor, the command is above them, and `native/mod.rs` only lists its rooms.
    if ["lib", "main", "native"].contains(&module.as_str()) {
        return Vec::new();
    }
    let from = room_of(&parts, &BTreeMap::new());
    let code = without_comments_and_literals(source);
    let mut named = named_below("crate", &code);
    // `super::` at the edge of a file can lead out of the room as well.
    for (at, line) in code.lines().enumerate().filter(|(_, line)| line.starts_with("use ") || line.starts_with("pub "))
    {
        let ups = line.matches("super::").count();
        let Some(base) = parts.len().checked_sub(ups).filter(|_| ups > 0).and_then(|kept| parts.get(..kept)) else {
            continue;
        };
        for mut found in named_below(["super"; 8].get(..ups).unwrap_or_default().join("::").as_str(), line) {
            found.segments = [base.to_vec(), found.segments].concat();
            found.line += at;
            named.push(found);
        }
    }
    named
        .into_iter()
        .filter(|found| !found.segments.last().is_some_and(|last| last.ends_with('!')))
        .filter_map(|found| {
            let rule = rule_against(&from, &room_of(&found.segments, facade))?;
            Some(Offence { file: format!("core/src/{file}"), line: found.line, rule })
        })
        .collect()
}

#[test]
fn imports_go_down_the_floors_only() {
    let sources = core_sources();
    let lib = sources.iter().find(|(file, _)| file == "lib.rs").unwrap();
    let facade = facade(&lib.1);
    assert!(facade.contains_key("Value"), "the facade of lib.rs was not read: {facade:?}");
    let checked = sources.iter().flat_map(|(file, source)| check(file, source, &facade)).collect::<Vec<_>>();
    report(&checked);
}

#[test]
fn a_room_appears_once_in_the_table() {
    let mut rooms = FLOORS.concat();
    rooms.sort_unstable();
    let count = rooms.len();
    rooms.dedup();
    assert_eq!(rooms.len(), count);
    for (from, to) in SIDEWAYS {
        assert_eq!(floor_of(from), floor_of(to), "{from} and {to} do not stand on one floor");
    }
}

#[test]
fn bad_edges_are_found_with_their_line_and_rule() {
    let facade = facade("pub use engine::{Engine, Event};\npub use value::Value;");
    for (file, source, line, rule) in [
        ("merge/mod.rs", "\nuse crate::engine::Engine;", 2, "imports go down the floors only"),
        ("merge/layer.rs", "use crate::{\n    Engine,\n};", 1, "imports go down the floors only"),
        ("diff/mod.rs", "fn f() {\n    crate::merge::merge();\n}", 2, "not declared"),
        ("canonical.rs", "use super::policy::Rule;", 1, "not declared"),
        ("schema/mod.rs", "use crate::attic::Box;", 1, "stands on no floor"),
        ("attic.rs", "use crate::value::Value;", 1, "stands on no floor"),
        ("native/store/mod.rs", "use crate::engine::Engine;", 1, "adapters know"),
        ("native/store/mod.rs", "use crate::native::watch::Watcher;", 1, "not declared"),
        ("native/watch/mod.rs", "use super::super::native::mesh::Mesh;", 1, "imports go down the floors only"),
    ] {
        let found = check(file, source, &facade);
        assert_eq!(found.len(), 1, "{file}: {source}: {found:?}");
        let offence = found.first().unwrap();
        assert_eq!((offence.file.as_str(), offence.line), (format!("core/src/{file}").as_str(), line));
        assert!(offence.rule.contains(rule), "{}", offence.rule);
    }
}

#[test]
fn good_edges_pass() {
    let facade = facade("pub use engine::{Engine, Event};\npub use value::Value;");
    for (file, source) in [
        ("merge/mod.rs", "use crate::{Value, diff::diff, policy::Policy};"),
        ("merge/layer.rs", "use super::explain::Explanation;\nuse crate::merge::Layer;"),
        ("error.rs", "use crate::path::Path;"),
        ("native/store/mod.rs", "use crate::{native::net::Tls, secret::Sealed, value::Value};"),
        ("native/transport/redis.rs", "use super::Transport;\nuse crate::native::transport::memory::Memory;"),
        ("native/mesh/mod.rs", "use crate::{engine::Engine, native::http, native::store::Store};"),
        ("value/mod.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n}"),
    ] {
        assert_eq!(check(file, source, &facade), [], "{file}");
    }
}
