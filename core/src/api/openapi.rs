//! The list as OpenAPI 3.1, for whoever asks over HTTP.

use std::collections::BTreeMap;

use super::operation::{Field, Operation, Place, Reply, Type};
use super::operations::OPERATIONS;
use super::shapes::{HTTP_PROBLEM, Record, records};
use crate::value::{Str, Value};

fn map<K: Into<Str>>(fields: impl IntoIterator<Item = (K, Value)>) -> Value {
    Value::Map(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn texts(texts: &[&str]) -> Value {
    texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>().into()
}

/// What `GET /openapi.json` answers.
pub fn openapi() -> Value {
    // Rows that share a route are one operation there: what they do depends on what is sent.
    let mut paths: BTreeMap<&str, BTreeMap<String, Vec<&Operation>>> = BTreeMap::new();
    for operation in OPERATIONS {
        for (method, route) in operation.routes() {
            paths.entry(route).or_default().entry(method.to_ascii_lowercase()).or_default().push(operation);
        }
    }
    let paths = paths.into_iter().map(|(route, methods)| {
        let methods = methods.into_iter().map(|(method, rows)| {
            let described = described(route, &method, &rows);
            (method, described)
        });
        (route, map(methods))
    });
    let schemas = records().into_iter().map(|record| (record.name, record_schema(record)));
    let info = [
        ("title", Value::from("confmesh")),
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("description", "One document, shared by instances; every value in it can be explained.".into()),
    ];
    map([
        ("openapi", Value::from("3.1.0")),
        ("info", map(info)),
        ("paths", map(paths)),
        ("components", map([("schemas", map(schemas))])),
    ])
}

fn described(route: &str, method: &str, rows: &[&Operation]) -> Value {
    let summary: Vec<&str> = rows.iter().map(|row| row.about).collect();
    let more: Vec<&str> = rows.iter().map(|row| row.more).filter(|more| !more.is_empty()).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
    // Ids are unique, and one row may have several routes.
    let is_first = rows.first().and_then(|row| row.routes().next()).is_some_and(|first| first.1 == route);
    let id = if is_first { names.join("_or_") } else { format!("{method}{}", route.replace('/', "_")) };
    let mut fields = vec![
        ("operationId", Value::from(id)),
        ("summary", summary.join(" ").into()),
        ("parameters", parameters(route, rows).into()),
        ("responses", responses(rows)),
        ("x-operations", texts(&names)),
        ("x-right", rows.first().map_or("nothing", |row| row.right.as_str()).into()),
    ];
    fields.extend((!more.is_empty()).then(|| ("description", more.join(" ").into())));
    fields.extend(body(rows).map(|body| ("requestBody", body)));
    map(fields)
}

fn parameters(route: &str, rows: &[&Operation]) -> Vec<Value> {
    let mut found = Vec::new();
    let mut parameter = |name: &str, place: &str, required: bool, about: &str, schema: Value| {
        found.push(map([
            ("name", Value::from(name)),
            ("in", place.into()),
            ("required", required.into()),
            ("description", about.into()),
            ("schema", schema),
        ]));
    };
    if route.contains("{name}") {
        parameter("name", "path", true, "the document's name", map([("type", Value::from("string"))]));
    }
    let mut known: Vec<&str> = Vec::new();
    for field in rows.iter().flat_map(|row| row.request) {
        let place = match field.place {
            Place::Url => "path",
            Place::Query => "query",
            Place::Header => "header",
            Place::Body | Place::WholeBody(_) | Place::Elsewhere => continue,
        };
        if known.contains(&field.name) {
            continue;
        }
        known.push(field.name);
        let required = rows.iter().all(|row| row.field(field.name).is_some_and(|field| field.required));
        parameter(field.name, place, required, field.about, schema(field.kind));
    }
    found
}

fn body(rows: &[&Operation]) -> Option<Value> {
    let mut content: Vec<(&str, Value)> = Vec::new();
    for row in rows {
        let whole = row.request.iter().find_map(|field| match field.place {
            Place::WholeBody(media) => Some((media, schema(field.kind))),
            _ => None,
        });
        let parts: Vec<&Field> = row.request.iter().filter(|field| field.place == Place::Body).collect();
        let (media, schema) = match whole {
            Some(whole) => whole,
            None if parts.is_empty() => continue,
            None => ("application/json", object(&parts)),
        };
        match content.iter_mut().find(|(known, _)| *known == media) {
            // A value of any type, or a map: the wider one.
            Some((_, known)) => *known = map::<&str>([]),
            None => content.push((media, schema)),
        }
    }
    let content = content.into_iter().map(|(media, schema)| (media, map([("schema", schema)])));
    let content: Vec<_> = content.collect();
    (!content.is_empty()).then(|| map([("required", true.into()), ("content", map(content))]))
}

fn responses(rows: &[&Operation]) -> Value {
    let (status, words, content) = match rows.first().map_or(Reply::Nothing, |row| row.reply) {
        Reply::Connection => ("101", "the connection is a WebSocket from here on", None),
        Reply::Nothing => ("200", "it is done", Some(("application/json", map::<&str>([])))),
        Reply::Value(kind) => ("200", "the value", Some(("application/json", schema(kind)))),
        Reply::Record(record) => ("200", record.about, Some(("application/json", reference(record)))),
        Reply::Only(field) | Reply::Told(field) => ("200", field.about, Some(("application/json", object(&[field])))),
        Reply::Text(media) => ("200", "the text", Some((media, map([("type", Value::from("string"))])))),
        Reply::Stream(record) => (
            "200",
            "one `data:` line for each, until the reader ends it",
            Some(("text/event-stream", reference(record))),
        ),
    };
    let mut answer = vec![("description", Value::from(words))];
    answer.extend(content.map(|(media, schema)| ("content", map([(media, map([("schema", schema)]))]))));
    let problem = map([
        ("description", Value::from("what was wrong")),
        ("content", map([("application/problem+json", map([("schema", reference(&HTTP_PROBLEM))]))])),
    ]);
    map([(status, map(answer)), ("default", problem)])
}

fn reference(record: &Record) -> Value {
    map([("$ref", Value::from(format!("#/components/schemas/{}", record.name)))])
}

fn record_schema(record: &Record) -> Value {
    let fields: Vec<&Field> = record.fields.iter().collect();
    object(&fields).with(&crate::Path::root().child("description"), record.about.into())
}

fn object(fields: &[&Field]) -> Value {
    let properties = fields.iter().map(|field| {
        let about = crate::Path::root().child("description");
        (field.name, schema(field.kind).with(&about, field.about.into()))
    });
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    map([("type", Value::from("object")), ("properties", map(properties)), ("required", texts(&required))])
}

/// A type as JSON Schema (2020-12).
fn schema(kind: Type) -> Value {
    let of = |name: &str| map([("type", Value::from(name))]);
    match kind {
        Type::Any => map::<&str>([]),
        Type::Flag => of("boolean"),
        Type::Count => map([("type", Value::from("integer")), ("minimum", 0.into())]),
        Type::Number => of("number"),
        Type::Text | Type::Path | Type::Pattern => of("string"),
        Type::Id => map([("type", vec!["string".into(), "integer".into()].into())]),
        Type::OneOf(words) => map([("type", Value::from("string")), ("enum", texts(words))]),
        Type::Map => of("object"),
        Type::List(kind) => map([("type", Value::from("array")), ("items", schema(*kind))]),
        Type::Record(record) => reference(record),
        Type::OrNull(kind) => map([("anyOf", vec![schema(*kind), of("null")].into())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_that_is_named_is_described_and_every_id_is_unique() {
        let text = crate::canonical::canonical(&openapi());
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(records().iter().any(|record| record.name == name), "{name}");
        }
        let mut ids: Vec<&str> =
            text.split("\"operationId\":\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
        let count = ids.len();
        assert!(count > 20, "{count}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
