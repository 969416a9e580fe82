//! The compact form of schemas.

use super::field::{Bound, Field, Kind, Others};
use super::nearest;
use super::text_format::TextFormat;
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Number, Str, Value};

const KEYS: &[&str] = &[
    "type",
    "default",
    "required",
    "min",
    "max",
    "choices",
    "pattern",
    "min_length",
    "max_length",
    "min_items",
    "max_items",
    "unique",
    "items",
    "values",
    "fields",
    "strict",
    "secret",
    "env",
    "description",
    "category",
    "deprecated",
    "format",
];

/// Reads a field: the name of a type, or a map.
pub(super) fn field(value: &Value, path: &Path) -> Result<Field> {
    let map = match value {
        Value::String(name) => return types(Field::any(), value, path).map_err(|error| name_hint(error, name)),
        Value::Map(map) => map,
        other => {
            let message = format!("a field is the name of a type or a map, not a {}", other.type_name());
            return Err(Error::new(Code::Invalid, message).with_path(path.clone()));
        }
    };
    let mut field = Field::any();
    if let Some(value) = map.get("type") {
        field = types(field, value, &path.child("type"))?;
    }
    let (mut least, mut most) = (None, None);
    for (key, value) in map.iter() {
        let at = path.child(key);
        match key.as_str() {
            "type" => {}
            "default" => field.default = Some(value.clone()),
            "required" => field.required = flag(value, &at)?,
            "secret" => field.secret = flag(value, &at)?,
            "unique" => field.unique = flag(value, &at)?,
            "strict" => {
                if flag(value, &at)? {
                    field.others = Others::Refused;
                }
            }
            "min" => least = Some((number(value, &at)?, at)),
            "max" => most = Some((number(value, &at)?, at)),
            "choices" => field.choices = Some(list(value, &at)?.to_vec()),
            "pattern" => field = field.pattern(&text(value, &at)?).map_err(|error| error.with_path(at))?,
            "min_length" => field.min_length = Some(count(value, &at)?),
            "max_length" => field.max_length = Some(count(value, &at)?),
            "min_items" => field.min_items = Some(count(value, &at)?),
            "max_items" => field.max_items = Some(count(value, &at)?),
            "items" => field.items = Some(Box::new(self::field(value, &at)?)),
            "values" => field.others = Others::Of(Box::new(self::field(value, &at)?)),
            "fields" => {
                let Value::Map(fields) = value else { return Err(wrong(value, "map", &at)) };
                for (key, child) in fields.iter() {
                    field.fields.push((key.clone(), self::field(child, &at.child(key))?));
                }
            }
            "env" => field.env = Some(text(value, &at)?),
            "description" => field.description = Some(text(value, &at)?),
            "category" => field.category = Some(text(value, &at)?),
            "deprecated" => {
                field.deprecated = match value {
                    Value::Bool(true) => Some(Str::default()),
                    Value::Bool(false) => None,
                    value => Some(text(value, &at)?),
                }
            }
            "format" => field = with_format(field, &text(value, &at)?, &at)?,
            other => {
                let hint = match nearest(other, KEYS.iter().copied()) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => format!("a field may have {}", KEYS.join(", ")),
                };
                return Err(Error::new(Code::Invalid, format!("a field has no `{other}`"))
                    .with_path(at)
                    .with_hint(hint));
            }
        }
    }
    let implied = match () {
        () if !field.fields.is_empty() || matches!(field.others, Others::Of(_)) || map.contains_key("fields") => {
            Some(Kind::Map)
        }
        () if field.items.is_some() => Some(Kind::List),
        () => None,
    };
    match implied {
        Some(kind) if field.kinds.is_empty() => field.kinds.push(kind),
        Some(kind) if !field.kinds.contains(&kind) => {
            let message = format!("the field says what a {} holds but is none", kind.as_str());
            return Err(Error::new(Code::Invalid, message).with_path(path.clone()).with_hint("change its `type`"));
        }
        _ => {}
    }
    apply_limits(&mut field, [least, most])?;
    Ok(field)
}

/// `min` and `max` bound numbers, and the length of texts and lists.
fn apply_limits(field: &mut Field, limits: [Option<(Number, Path)>; 2]) -> Result<()> {
    let is_numeric =
        field.kinds.is_empty() || field.kinds.iter().any(|kind| matches!(kind, Kind::Integer | Kind::Float));
    for (limit, is_least) in limits.into_iter().zip([true, false]) {
        let Some((number, at)) = limit else { continue };
        if is_numeric {
            let bound = Some(Bound { number, exclusive: false });
            *(if is_least { &mut field.minimum } else { &mut field.maximum }) = bound;
            continue;
        }
        let count = Some(count(&number.into(), &at)?);
        let slot = match (field.kinds.contains(&Kind::List), is_least) {
            (true, true) => &mut field.min_items,
            (true, false) => &mut field.max_items,
            (false, true) => &mut field.min_length,
            (false, false) => &mut field.max_length,
        };
        *slot = count;
    }
    Ok(())
}

fn types(mut field: Field, value: &Value, path: &Path) -> Result<Field> {
    let names: Vec<Str> = match value {
        Value::String(name) => vec![name.clone()],
        Value::List(names) => names.iter().map(|name| text(name, path)).collect::<Result<_>>()?,
        other => return Err(wrong(other, "name of a type", path)),
    };
    for name in &names {
        if name == "any" && names.len() == 1 {
            continue;
        }
        match (Kind::from_name(name), TextFormat::ALL.iter().find(|format| name == format.as_str())) {
            (Some(kind), _) => field.kinds.push(kind),
            (None, Some(format)) if names.len() == 1 => field = field.format(*format),
            _ => {
                let error = Error::new(Code::Invalid, format!("unknown type `{name}`")).with_path(path.clone());
                return Err(name_hint(error, name));
            }
        }
    }
    Ok(field)
}

fn name_hint(error: Error, name: &str) -> Error {
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    let known: Vec<&str> = kinds.chain(TextFormat::ALL.iter().map(|format| format.as_str())).chain(["any"]).collect();
    match nearest(name, known.iter().copied()) {
        Some(close) => error.with_hint(format!("did you mean `{close}`?")),
        None => error.with_hint(format!("the types are {}", known.join(", "))),
    }
}

fn with_format(field: Field, name: &str, path: &Path) -> Result<Field> {
    let format = TextFormat::ALL.iter().find(|format| format.as_str() == name).ok_or_else(|| {
        let names: Vec<&str> = TextFormat::ALL.iter().map(|format| format.as_str()).collect();
        Error::new(Code::Invalid, format!("unknown format `{name}`"))
            .with_path(path.clone())
            .with_hint(format!("the formats are {}", names.join(", ")))
    })?;
    Ok(field.format(*format))
}

/// An error about a keyword's value.
pub(super) fn wrong(value: &Value, want: &str, path: &Path) -> Error {
    let key = path.last().map_or("schema", |key| key);
    let article = if want.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    Error::new(Code::Invalid, format!("`{key}` is {article} {want}, not a {}", value.type_name()))
        .with_path(path.clone())
}

pub(super) fn flag(value: &Value, path: &Path) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(value, "bool", path))
}

pub(super) fn text(value: &Value, path: &Path) -> Result<Str> {
    if let Value::String(text) = value { Ok(text.clone()) } else { Err(wrong(value, "string", path)) }
}

pub(super) fn number(value: &Value, path: &Path) -> Result<Number> {
    if let Value::Number(number) = value { Ok(*number) } else { Err(wrong(value, "number", path)) }
}

pub(super) fn count(value: &Value, path: &Path) -> Result<usize> {
    value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| wrong(value, "whole number from 0", path))
}

pub(super) fn list<'v>(value: &'v Value, path: &Path) -> Result<&'v [Value]> {
    value.as_list().map(|list| list.as_slice()).ok_or_else(|| wrong(value, "list", path))
}
