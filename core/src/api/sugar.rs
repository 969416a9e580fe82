//! The methods of the Python and Node packages for what a running mesh is asked by name: printed, committed, and held to the
//! list by a test.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::operation::{Field, Operation, Reply, Type};
use super::operations::OPERATIONS;
use super::shapes::{Record, records};

const PRINTED: &str = "Printed from `core/src/api` by\n\
    `CONFMESH_PRINT=1 cargo test -p confmesh-tests --test house operations`; do not edit it.";

/// The rows whose method is printed: a call by name behind a method of that name.
fn called(open: impl Fn(&Operation) -> &'static [&'static str]) -> impl Iterator<Item = &'static Operation> {
    let is_method = move |row: &&Operation| {
        let [door] = open(row) else { return false };
        door.strip_prefix("Mesh.").is_some_and(|name| name == row.name || name == camel(row.name))
    };
    OPERATIONS.iter().copied().filter(|row| row.begin.is_some()).filter(is_method)
}

/// `in_force` as JavaScript spells it.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let mut letters = part.chars();
        text.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

fn split(row: &Operation) -> (Vec<&'static Field>, Vec<&'static Field>) {
    row.request.iter().partition(|field| field.required)
}

/// What a program gets.
fn bare(reply: Reply) -> Option<Type> {
    match reply {
        Reply::Value(kind) => Some(kind),
        Reply::Record(record) => Some(Type::Record(record)),
        Reply::Only(field) => Some(field.kind),
        Reply::Nothing | Reply::Told(_) | Reply::Text(_) | Reply::Stream(_) | Reply::Connection => None,
    }
}

fn records_in(kind: Type, found: &mut Vec<&'static Record>) {
    match kind {
        Type::Record(record) => found.push(record),
        Type::List(kind) | Type::OrNull(kind) => records_in(*kind, found),
        _ => {}
    }
}

/// The names of the types that replies have, in one language.
fn imports(
    rows: impl Iterator<Item = &'static Operation>,
    named: impl Fn(&Record) -> &'static str,
) -> Vec<&'static str> {
    let mut found = Vec::new();
    rows.filter_map(|row| bare(row.reply)).for_each(|kind| records_in(kind, &mut found));
    let names: BTreeSet<&str> =
        found.into_iter().filter(|record| !record.printed).map(named).filter(|name| !name.contains('[')).collect();
    names.into_iter().collect()
}

/// `bindings-python/python/confmesh/_operations.py`.
pub fn python_operations() -> String {
    let rows = || called(|row| row.doors.python.names());
    let mut types = imports(rows(), |record| record.types.0);
    if records().iter().any(|record| record.printed) {
        types.push("Problem");
    }
    let types = types.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
    let classes: String = printed_records().map(python_class).collect();
    let mut text = format!(
        "\"\"\"What a running mesh is asked by name. {PRINTED}\"\"\"\n\n\
         from __future__ import annotations\n\n\
         from typing import TYPE_CHECKING, Any, TypedDict\n\n\
         from ._options import checked\n\
         from ._pending import Pending\n\
         from ._reader import _Reader\n\n\
         if TYPE_CHECKING:\n    from ._types import {types}\n\n\n\
         {classes}\
         def _given(**arguments: Any) -> dict[str, Any]:\n    \
             return {{name: value for name, value in arguments.items() if value is not None and value is not False}}\n\n\n\
         class _Operations(_Reader):\n    \"\"\"A method for each.\"\"\"\n"
    );
    for row in rows() {
        let (needed, free) = split(row);
        let mut parameters: Vec<String> = vec!["self".to_owned()];
        parameters.extend(needed.iter().map(|field| format!("{}: {}", field.name, python_type(field.kind))));
        if !free.is_empty() {
            parameters.push("*".to_owned());
        }
        parameters.extend(free.iter().map(|field| match field.kind {
            Type::Flag => format!("{}: bool = False", field.name),
            Type::Any => format!("{}: Any = ...", field.name),
            kind => format!("{}: {} | None = None", field.name, python_type(kind)),
        }));
        let gives = bare(row.reply).map_or("None".to_owned(), python_type);
        let _ = write!(text, "\n    @checked\n    def {}({}) -> Pending[{gives}]:\n", row.name, parameters.join(", "));
        match row.more {
            "" => _ = writeln!(text, "        \"\"\"{}\"\"\"", row.about),
            more => _ = write!(text, "        \"\"\"{}\n\n        {more}\n        \"\"\"\n", row.about),
        }
        let mut arguments: Vec<String> = needed.iter().map(|field| format!("\"{0}\": {0}", field.name)).collect();
        let (any, told): (Vec<&Field>, Vec<&Field>) =
            free.into_iter().partition(|field| matches!(field.kind, Type::Any));
        if !told.is_empty() {
            let told: Vec<String> = told.iter().map(|field| format!("{0}={0}", field.name)).collect();
            arguments.push(format!("**_given({})", told.join(", ")));
        }
        let arguments = format!("{{{}}}", arguments.join(", "));
        if any.is_empty() {
            let _ = writeln!(text, "        return Pending(self._live.call(\"{}\", {arguments}))", row.name);
            continue;
        }
        let _ = writeln!(text, "        arguments: dict[str, Any] = {arguments}");
        for field in any {
            let _ = write!(text, "        if {0} is not ...:\n            arguments[\"{0}\"] = {0}\n", field.name);
        }
        let _ = writeln!(text, "        return Pending(self._live.call(\"{}\", arguments))", row.name);
    }
    text
}

/// Records whose types are printed; all that they hold has to be there.
fn printed_records() -> impl Iterator<Item = &'static Record> {
    records().into_iter().filter(|record| record.printed)
}

fn python_class(record: &Record) -> String {
    let fields = record.fields.iter().map(|field| format!("    {}: {}\n", field.name, python_type(field.kind)));
    format!(
        "class {}(TypedDict):\n    \"\"\"{}\"\"\"\n\n{}\n\n",
        record.types.0,
        record.about,
        fields.collect::<String>()
    )
}

fn node_interface(record: &Record) -> String {
    let fields = record.fields.iter().map(|field| {
        format!("  /** {}. */\n  {}: {};\n", sentence(field.about), field.name, node_type(field.kind, false))
    });
    format!("/** {} */\nexport interface {} {{\n{}}}\n\n", record.about, record.types.1, fields.collect::<String>())
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn python_type(kind: Type) -> String {
    match kind {
        Type::Any => "Any".to_owned(),
        Type::Flag => "bool".to_owned(),
        Type::Count => "int".to_owned(),
        Type::Number => "float".to_owned(),
        Type::Text | Type::OneOf(_) | Type::Path | Type::Pattern => "str".to_owned(),
        Type::Id => "str | int".to_owned(),
        Type::Map => "dict[str, Any]".to_owned(),
        Type::List(kind) => format!("list[{}]", python_type(*kind)),
        Type::Record(record) => record.types.0.to_owned(),
        Type::OrNull(kind) => format!("{} | None", python_type(*kind)),
    }
}

/// `bindings-node/lib/operations.js`.
pub fn node_operations() -> String {
    let printed = PRINTED.replace('\n', "\n// ");
    let mut text = format!(
        "// What a running mesh is asked by name. {printed}\n\
         import {{ options, spelt }} from \"../wasm/values.js\";\n\n\
         /** `Reader` with a method for each. */\n\
         export const withOperations = (Reader) => class extends Reader {{\n"
    );
    for (at, row) in called(|row| row.doors.node.names()).enumerate() {
        let (needed, free) = split(row);
        let mut parameters: Vec<String> = needed.iter().map(|field| camel(field.name)).collect();
        parameters.extend((!free.is_empty()).then(|| "given".to_owned()));
        let name = camel(row.name);
        let gap = if at == 0 { "" } else { "\n" };
        let _ = writeln!(text, "{gap}  async {name}({}) {{", parameters.join(", "));
        if !free.is_empty() {
            let names: Vec<String> = free.iter().map(|field| camel(field.name)).collect();
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            let _ = writeln!(
                text,
                "    const {{ {} }} = options(given, [{}], \"{name}\");",
                names.join(", "),
                quoted.join(", ")
            );
        }
        let arguments = needed.iter().chain(&free).map(|field| match (field.name, camel(field.name)) {
            (field_name, spelt) if matches!(field.kind, Type::OrNull(_)) => format!("{field_name}: {spelt} ?? null"),
            (field_name, spelt) if field_name == spelt => spelt,
            (field_name, spelt) => format!("{field_name}: {spelt}"),
        });
        let arguments: Vec<String> = arguments.collect();
        let arguments = if arguments.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", arguments.join(", ")) };
        let call = format!("await this._call(\"{}\", {arguments})", row.name);
        let _ = match bare(row.reply) {
            None => writeln!(text, "    {call};\n  }}"),
            Some(kind) => writeln!(text, "    return {};\n  }}", spelling(kind, &format!("({call})")).unwrap_or(call)),
        };
    }
    text.push_str("};\n");
    text
}

/// The expression that spells a reply as JavaScript does, where it has to be.
fn spelling(kind: Type, given: &str) -> Option<String> {
    match kind {
        Type::List(kind) => Some(format!("{given}.map((one) => {})", spelling(*kind, "one")?)),
        Type::Record(record) if record.camel => {
            let nested = record.fields.iter().filter_map(|field| {
                let part = spelling(field.kind, &format!("one.{}", field.name))?;
                Some(format!(", {}: {part}", camel(field.name)))
            });
            let nested: String = nested.collect();
            let given = given.strip_prefix('(').and_then(|given| given.strip_suffix(')')).unwrap_or(given);
            Some(if nested.is_empty() {
                format!("spelt({given})")
            } else {
                format!("({{ ...spelt({given}){nested} }})")
            })
        }
        _ => None,
    }
}

/// `bindings-node/operations.d.ts`.
pub fn node_types() -> String {
    let rows = || called(|row| row.doors.node.names());
    let printed = PRINTED.replace('\n', "\n// ");
    let mut text = format!(
        "// What a running mesh is asked by name. {printed}\n\
         import type {{ {} }} from \"./index.js\";\n\n\
         {}/** A method for each. */\nexport interface Operations {{\n",
        imports(rows(), |record| record.types.1).into_iter().chain(["Problem", "Value"]).collect::<Vec<_>>().join(", "),
        printed_records().map(node_interface).collect::<String>()
    );
    for row in rows() {
        let more = if row.more.is_empty() { String::new() } else { format!(" {}", row.more) };
        let (needed, free) = split(row);
        let mut parameters: Vec<String> =
            needed.iter().map(|field| format!("{}: {}", camel(field.name), node_type(field.kind, true))).collect();
        if !free.is_empty() {
            let free = free.iter().map(|field| format!("{}?: {}", camel(field.name), node_type(field.kind, true)));
            parameters.push(format!("options?: {{ {} }}", free.collect::<Vec<_>>().join("; ")));
        }
        let gives = bare(row.reply).map_or("void".to_owned(), |kind| node_type(kind, false));
        let _ = write!(
            text,
            "  /** {}{more} */\n  {}({}): Promise<{gives}>;\n",
            row.about,
            camel(row.name),
            parameters.join(", ")
        );
    }
    text.push_str("}\n");
    text
}

fn node_type(kind: Type, is_given: bool) -> String {
    match kind {
        Type::Any if is_given => "unknown".to_owned(),
        Type::Any => "Value".to_owned(),
        Type::Flag => "boolean".to_owned(),
        Type::Count if is_given => "number | bigint".to_owned(),
        Type::Count | Type::Number => "number".to_owned(),
        Type::Text | Type::OneOf(_) | Type::Path | Type::Pattern => "string".to_owned(),
        Type::Id => "string | number | bigint".to_owned(),
        Type::Map => "{ [key: string]: Value }".to_owned(),
        Type::List(kind) => format!("{}[]", node_type(*kind, is_given)),
        Type::Record(record) => record.types.1.to_owned(),
        Type::OrNull(kind) => format!("{} | null", node_type(*kind, is_given)),
    }
}
