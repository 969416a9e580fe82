//! JSON Schema documents: the part that is listed on the module's page.

use std::collections::BTreeMap;

use super::field::{Bound, Field, Kind, Others};
use super::read::{count, flag, list, number, text, wrong};
use super::text_format::TextFormat;
use super::walk::ROOT;
use super::{Parts, Schema, nearest};
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Map, Str, Value};

/// What is read.
const KNOWN: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "format",
    "default",
    "description",
    "title",
    "deprecated",
    "writeOnly",
    "$ref",
    "$defs",
    "definitions",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];
/// What changes nothing that is valid.
const SKIPPED: &[&str] = &["$schema", "$id", "$comment", "examples", "readOnly", "contentEncoding", "contentMediaType"];
/// Formats of the standard that are notes for people here.
const UNCHECKED_FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "idn-email",
    "idn-hostname",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
    "password",
];

/// Reads a document.
pub(super) fn document(value: &Value) -> Result<Schema> {
    let mut definitions = BTreeMap::new();
    for place in ["$defs", "definitions"] {
        let Some(found) = value.child(place) else { continue };
        let at = Path::root().child(place);
        let Value::Map(map) = found else { return Err(wrong(found, "map", &at)) };
        for (name, schema) in map.iter() {
            definitions.insert(name.clone(), field(schema, &at.child(name))?);
        }
    }
    Ok(Schema(std::sync::Arc::new(Parts { root: field(value, &Path::root())?, definitions })))
}

fn field(value: &Value, path: &Path) -> Result<Field> {
    let map = match value {
        Value::Bool(true) => return Ok(Field::any()),
        Value::Bool(false) => return Ok(Field { never: true, ..Field::any() }),
        Value::Map(map) => map,
        other => {
            let message = format!("a schema is a map or a bool, not a {}", other.type_name());
            return Err(Error::new(Code::Invalid, message).with_path(path.clone()));
        }
    };
    refuse_unknown(map, path)?;
    let mut field = Field::any();
    for (key, value) in map.iter() {
        let at = path.child(key);
        match key.as_str() {
            "type" => field.kinds = kinds(value, &at)?,
            "properties" => {
                let Value::Map(fields) = value else { return Err(wrong(value, "map", &at)) };
                for (key, child) in fields.iter() {
                    field.fields.push((key.clone(), self::field(child, &at.child(key))?));
                }
            }
            "additionalProperties" => {
                field.others = match value {
                    Value::Bool(true) => Others::Any,
                    Value::Bool(false) => Others::Refused,
                    schema => Others::Of(Box::new(self::field(schema, &at)?)),
                }
            }
            "items" => field.items = Some(Box::new(self::field(value, &at)?)),
            "enum" => field.choices = Some(list(value, &at)?.to_vec()),
            "minimum" => narrow(&mut field.minimum, Bound { number: number(value, &at)?, exclusive: false }, true),
            "maximum" => narrow(&mut field.maximum, Bound { number: number(value, &at)?, exclusive: false }, false),
            "exclusiveMinimum" => {
                narrow(&mut field.minimum, Bound { number: number(value, &at)?, exclusive: true }, true);
            }
            "exclusiveMaximum" => {
                narrow(&mut field.maximum, Bound { number: number(value, &at)?, exclusive: true }, false);
            }
            "minLength" => field.min_length = Some(count(value, &at)?),
            "maxLength" => field.max_length = Some(count(value, &at)?),
            "minItems" => field.min_items = Some(count(value, &at)?),
            "maxItems" => field.max_items = Some(count(value, &at)?),
            "uniqueItems" => field.unique = flag(value, &at)?,
            "pattern" => field = field.pattern(&text(value, &at)?).map_err(|error| error.with_path(at))?,
            "format" => field.format = format(&text(value, &at)?, &at)?,
            "default" => field.default = Some(value.clone()),
            "description" => field.description = Some(text(value, &at)?),
            "title" => {
                let title = text(value, &at)?;
                field.description.get_or_insert(title);
            }
            "writeOnly" | "x-secret" => field.secret |= flag(value, &at)?,
            "x-env" => field.env = Some(text(value, &at)?),
            "x-category" => field.category = Some(text(value, &at)?),
            "deprecated" => {
                let advice = flag(value, &at)?.then(Str::default);
                field.deprecated = field.deprecated.take().or(advice);
            }
            "x-deprecated" => field.deprecated = Some(text(value, &at)?),
            "$ref" => field.reference = Some(reference(&text(value, &at)?, &at)?),
            "allOf" => field.all_of.extend(alternatives(value, &at)?),
            "anyOf" => field.any_of = alternatives(value, &at)?,
            "oneOf" => field.one_of = alternatives(value, &at)?,
            "not" => field.not = Some(Box::new(self::field(value, &at)?)),
            // What is not listed here is read below, at the root, or skipped.
            _ => {}
        }
    }
    if let Some(value) = map.get("const") {
        match &field.choices {
            Some(_) => field.all_of.push(Field::any().choices([value.clone()])),
            None => field.choices = Some(vec![value.clone()]),
        }
    }
    if let Some(required) = map.get("required") {
        require(&mut field, required, &path.child("required"))?;
    }
    Ok(field)
}

fn refuse_unknown(map: &Map, path: &Path) -> Result<()> {
    let unknown =
        |key: &&Str| !KNOWN.contains(&key.as_str()) && !SKIPPED.contains(&key.as_str()) && !key.starts_with("x-");
    let mut errors = map.keys().filter(unknown).map(|key| {
        let hint = match nearest(key, KNOWN.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => {
                "skipping it would accept what the schema refuses; the keywords are listed in the documentation".into()
            }
        };
        Error::new(Code::Invalid, format!("the keyword `{key}` is not supported"))
            .with_path(path.child(key))
            .with_hint(hint)
    });
    let Some(first) = errors.next() else { return Ok(()) };
    Err(errors.fold(first, Error::with_related))
}

fn kinds(value: &Value, path: &Path) -> Result<Vec<Kind>> {
    let names = match value {
        Value::List(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    let kinds = names.iter().map(|name| {
        let name = text(name, path)?;
        let of_standard = ["null", "boolean", "integer", "number", "string", "array", "object"];
        Kind::from_name(&name).filter(|_| of_standard.contains(&name.as_str())).ok_or_else(|| {
            let short = Kind::from_name(&name)
                .and_then(|kind| of_standard.into_iter().find(|name| Kind::from_name(name) == Some(kind)));
            let hint = match short.or_else(|| nearest(&name, of_standard)) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("the types are {}", of_standard.join(", ")),
            };
            Error::new(Code::Invalid, format!("unknown type `{name}`")).with_path(path.clone()).with_hint(hint)
        })
    });
    kinds.collect()
}

fn narrow(slot: &mut Option<Bound>, new: Bound, is_least: bool) {
    let keeps = slot.is_some_and(|old| {
        let (a, b) = (old.number.as_f64(), new.number.as_f64());
        if a == b { old.exclusive } else { (a > b) == is_least }
    });
    if !keeps {
        *slot = Some(new);
    }
}

fn format(name: &str, path: &Path) -> Result<Option<TextFormat>> {
    if UNCHECKED_FORMATS.contains(&name) {
        return Ok(None);
    }
    TextFormat::ALL.iter().find(|format| format.as_str() == name).map(|format| Some(*format)).ok_or_else(|| {
        let names: Vec<&str> = TextFormat::ALL.iter().map(|format| format.as_str()).collect();
        Error::new(Code::Invalid, format!("unknown format `{name}`"))
            .with_path(path.clone())
            .with_hint(format!("the formats are {}", names.join(", ")))
    })
}

fn reference(text: &str, path: &Path) -> Result<Str> {
    let name = match text {
        "#" => return Ok(Str::from(ROOT)),
        text => text.strip_prefix("#/$defs/").or_else(|| text.strip_prefix("#/definitions/")),
    };
    match name.filter(|name| !name.is_empty() && !name.contains('/')) {
        Some(name) => Ok(Str::from(name.replace("~1", "/").replace("~0", "~"))),
        None => Err(Error::new(Code::Invalid, format!("the reference `{text}` cannot be followed"))
            .with_path(path.clone())
            .with_hint("references lead to `#`, `#/$defs/<name>` or `#/definitions/<name>` of the same document")),
    }
}

fn alternatives(value: &Value, path: &Path) -> Result<Vec<Field>> {
    let items = list(value, path)?;
    if items.is_empty() {
        return Err(Error::new(Code::Invalid, "the list of schemas is empty").with_path(path.clone()));
    }
    items.iter().enumerate().map(|(at, item)| field(item, &path.child(&at.to_string()))).collect()
}

/// Marks the keys that must be there. One that is not declared follows the rule for undeclared keys.
fn require(field: &mut Field, value: &Value, path: &Path) -> Result<()> {
    for name in list(value, path)? {
        let name = text(name, path)?;
        if let Some((_, child)) = field.fields.iter_mut().find(|(key, _)| *key == name) {
            child.required = true;
            continue;
        }
        let child = match &field.others {
            Others::Any => Field::any(),
            Others::Of(values) => (**values).clone(),
            Others::Refused => Field { never: true, ..Field::any() },
        };
        field.fields.push((name, child.required()));
    }
    Ok(())
}
