//! The list as a page for people: the table of parity, what each operation takes and gives, and why a door is shut.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::operation::{Door, Operation, Reply, Type};
use super::operations::OPERATIONS;

const HEAD: &str = "\
# Operations

Printed from `core/src/api` by `CONFMESH_PRINT=1 cargo test -p confmesh-tests --test house operations`; do not edit it.

Every operation with its doors. A dash is explained at the end. Over HTTP the same list is `GET /openapi.json` (OpenAPI 3.1).

";

/// The page.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| operation | right | Rust | HTTP | command | Python | Node | browser | guest |\n");
    page.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for row in OPERATIONS {
        let doors = row.doors.each().map(|(_, door)| match door {
            Door::Open(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join("<br>"),
            Door::Shut(_) => "–".to_owned(),
        });
        let _ = writeln!(page, "| {} | {} | {} |", row.name, row.right.as_str(), doors.join(" | "));
    }
    page.push_str("\n## What they take and give\n\nWhat may be left out stands in brackets.\n\n");
    for row in OPERATIONS {
        let _ = writeln!(page, "- **{}**({}) → {}: {}", row.name, takes(row), gives(row.reply), sentence(row));
    }
    page.push_str("\n## Why a door is shut\n\n");
    let mut reasons: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for row in OPERATIONS {
        for (name, door) in row.doors.each() {
            if let Door::Shut(why) = door {
                reasons.entry(why).or_default().entry(name).or_default().push(row.name);
            }
        }
    }
    for (why, doors) in reasons {
        let doors = doors.into_iter().map(|(door, rows)| format!("{door}: {}", rows.join(", ")));
        let _ = writeln!(page, "- {why} ({})", doors.collect::<Vec<_>>().join("; "));
    }
    page
}

fn sentence(row: &Operation) -> String {
    if row.more.is_empty() { row.about.to_owned() } else { format!("{} {}", row.about, row.more) }
}

fn takes(row: &Operation) -> String {
    let fields = row.request.iter().map(|field| {
        let text = format!("{}: {}", field.name, kind(field.kind));
        if field.required { text } else { format!("[{text}]") }
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn gives(reply: Reply) -> String {
    match reply {
        Reply::Nothing => "nothing".to_owned(),
        Reply::Value(of) => kind(of),
        Reply::Record(record) => record.name.to_owned(),
        Reply::Only(field) | Reply::Told(field) => format!("{{{}: {}}}", field.name, kind(field.kind)),
        Reply::Text(media) => media.to_owned(),
        Reply::Stream(record) => format!("a stream of {}", record.name),
        Reply::Connection => "a connection".to_owned(),
    }
}

fn kind(kind_of: Type) -> String {
    match kind_of {
        Type::Any => "any".to_owned(),
        Type::Flag => "flag".to_owned(),
        Type::Count | Type::Number => "number".to_owned(),
        Type::Text => "text".to_owned(),
        Type::Id => "text or number".to_owned(),
        Type::OneOf(words) => words.join(" or "),
        Type::Path => "path".to_owned(),
        Type::Pattern => "pattern".to_owned(),
        Type::Map => "map".to_owned(),
        Type::List(of) => format!("list of {}", kind(*of)),
        Type::Record(record) => record.name.to_owned(),
        Type::OrNull(of) => format!("{} or null", kind(*of)),
    }
}
