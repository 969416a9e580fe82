//! What the crate found, in the words of this one: where, what, and what to do about it.

use std::collections::BTreeSet;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Found};

use crate::error::{Code, Error};
use crate::format::{Format, parse};
use crate::path::Path;
use crate::schema::alternatives::{MAX_REASONS, reasons};
use crate::schema::field::{Bound, Field, Kind};
use crate::schema::validate::{NONE_FITS, doubled, no_pattern, shown, too_long_to_match, worded};
use crate::value::{Number, Str, Value};

/// What the check says of a text that no pattern is compared with.
pub(super) const TOO_LONG: &str = "too long to match";

/// What is wrong with the schema itself.
pub(super) fn of_schema(error: &ValidationError<'_>, beyond: &[(Path, Str)]) -> Error {
    let told = |message: String| Error::new(Code::Invalid, message);
    match error.kind() {
        Found::Referencing(why) => {
            let at = beyond.iter().find(|(_, keyword)| keyword.contains("ef")).map(|(at, _)| at.clone());
            told(format!("a reference of the schema cannot be followed: {why}"))
                .with_path(at.unwrap_or_else(Path::root))
                .with_hint("nothing is fetched: put what it names under `$defs`")
        }
        _ => {
            let at = Path::parse_pointer(error.instance_path().as_str()).unwrap_or_else(|_| Path::root());
            let keyword = at.last().cloned().unwrap_or_default();
            told(format!("`{keyword}` is nothing that a schema may say: {error}"))
                .with_path(at)
                .with_hint("see the description of the draft that `$schema` names")
        }
    }
}

/// Adds what is wrong with a document.
pub(super) fn of_document(
    error: &ValidationError<'_>,
    document: &Value,
    hidden: &dyn Fn(&Path) -> bool,
    found: &mut Vec<Error>,
) {
    let path = Path::parse_pointer(error.instance_path().as_str()).unwrap_or_else(|_| Path::root());
    let is_hidden = hidden(&path);
    let null = Value::Null;
    let value = document.at(&path).unwrap_or(&null);
    if let Some(field) = as_field(error.kind()) {
        let mut told = worded(&field, value, &path, is_hidden);
        if !told.is_empty() {
            found.append(&mut told);
            return;
        }
    }
    let problem = |what: String, hint: &str| Error::new(Code::Invalid, what).with_path(path.clone()).with_hint(hint);
    let text = || shown(value, is_hidden);
    let unknown = |keys: &[String], found: &mut Vec<Error>| {
        for key in keys {
            let error = Error::new(Code::Invalid, format!("unknown key `{key}`")).with_path(path.child(key));
            found.push(error.with_hint("remove the key; the schema says which keys may be here"));
        }
    };
    let told = match error.kind() {
        Found::Required { property } => {
            let at = path.child(property.as_str().unwrap_or(""));
            let hint = format!("set `{at}`");
            Error::new(Code::Invalid, "required key is missing").with_path(at).with_hint(hint)
        }
        Found::AdditionalProperties { unexpected } | Found::UnevaluatedProperties { unexpected } => {
            return unknown(unexpected, found);
        }
        Found::AnyOf { context } | Found::OneOfNotValid { context } => {
            let why: Vec<Vec<Error>> = context
                .iter()
                .take(MAX_REASONS)
                .map(|errors| {
                    let mut told = Vec::new();
                    errors.iter().take(MAX_REASONS).for_each(|error| of_document(error, document, hidden, &mut told));
                    told
                })
                .collect();
            let names = vec![None; why.len()];
            let hint = reasons(&names, &why, context.len());
            problem(format!("{}{NONE_FITS}", text()), &hint)
        }
        Found::OneOfMultipleValid { context } => {
            let fitting = context.iter().filter(|errors| errors.is_empty()).count().max(2);
            let what = format!("the value fits {fitting} of the alternatives, exactly one is allowed");
            problem(what, "leave out what makes it fit more than one")
        }
        Found::Pattern { pattern } => no_pattern(&text(), pattern, None).with_path(path.clone()),
        Found::BacktrackLimitExceeded { .. } | Found::RegexEngineFailure { .. } => {
            let what = format!("a pattern of the schema takes too long to compare with {}", text());
            Error::new(Code::TooLarge, what)
                .with_path(path.clone())
                .with_hint("write the pattern so that no part of it can match the same text in many ways")
        }
        Found::MultipleOf { multiple_of } => {
            problem(format!("{} is no multiple of {multiple_of}", text()), "use a multiple of that number")
        }
        Found::MinProperties { limit } => {
            let count = value.as_map().map_or(0, |map| map.iter().count());
            problem(format!("the map has {count} keys, at least {limit} are needed"), "add keys")
        }
        Found::MaxProperties { limit } => {
            let count = value.as_map().map_or(0, |map| map.iter().count());
            problem(format!("the map has {count} keys, at most {limit} are allowed"), "remove keys")
        }
        Found::AdditionalItems { limit } => {
            problem(format!("the list may have {limit} items at most"), "remove the items behind them")
        }
        Found::UnevaluatedItems { .. } => problem("the list has items that it may not have".into(), "remove them"),
        Found::Contains => problem(
            "too few or too many items of the list are what it has to contain".into(),
            "see `contains` in the schema",
        ),
        Found::PropertyNames { error } => {
            let key = error.instance().as_str().map(str::to_owned).unwrap_or_default();
            let mut why = Vec::new();
            // A key stands in the place of the value, and is no secret: the path shows it anyway.
            let name = Value::from(key.as_str());
            of_document(error, &name, &|_| false, &mut why);
            let why = why.first().map_or_else(String::new, |error| format!(": {}", error.message()));
            Error::new(Code::Invalid, format!("a key may not be called `{key}`{why}"))
                .with_path(path.child(&key))
                .with_hint("rename the key")
        }
        Found::UniqueItems => return doubled(value, &path, is_hidden, found),
        Found::Not { schema } => {
            let about = schema.get("description").and_then(|text| text.as_str());
            let about = about.map_or(String::new(), |text| format!(": {text}"));
            problem(format!("the value is one that the schema excludes{about}"), "change the value")
        }
        Found::FalseSchema => {
            // Under a `false` stands what should not be there at all.
            problem("nothing may be here".into(), "remove the key")
        }
        Found::Format { format } => {
            let what = format!("expected {}, found {}", example(format), text());
            problem(what, &format!("write {}", example(format)))
        }
        Found::Custom { message, .. } if message == TOO_LONG => {
            too_long_to_match(value.as_str().map_or(0, str::len)).with_path(path.clone())
        }
        // Only what the standard does not have reaches this; the crate's own text could show the value.
        kind => problem(format!("{} breaks `{}`", text(), kind.keyword()), "see that keyword in the schema"),
    };
    found.push(told);
}

/// What a text of a format looks like, to follow "expected".
fn example(format: &str) -> String {
    match format {
        "date-time" => "a date and time such as `2026-11-30T21:00:00Z`".to_owned(),
        "date" => "a date such as `2026-11-30`".to_owned(),
        "time" => "a time such as `21:00:00Z`".to_owned(),
        "duration" => "a duration such as `P3DT12H`".to_owned(),
        "regex" => "a regular expression".to_owned(),
        "json-pointer" => "a JSON pointer such as `/a/0`".to_owned(),
        other => format!("text of the format `{other}`"),
    }
}

/// The same rule as a field of our own, so that it is told in the same words.
fn as_field(found: &Found) -> Option<Field> {
    let bound = |limit: &serde_json::Value, exclusive| number(limit).map(|number| Bound { number, exclusive });
    let whole = |limit: u64| usize::try_from(limit).ok();
    let mut field = Field::any();
    match found {
        Found::Type { kind } => {
            let names: Vec<String> = match kind {
                TypeKind::Single(kind) => vec![kind.to_string()],
                TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect(),
            };
            let kinds: BTreeSet<Kind> = names.iter().filter_map(|name| Kind::from_name(name)).collect();
            field.kinds = kinds.into_iter().collect();
        }
        Found::Minimum { limit } => field.minimum = Some(bound(limit, false)?),
        Found::Maximum { limit } => field.maximum = Some(bound(limit, false)?),
        Found::ExclusiveMinimum { limit } => field.minimum = Some(bound(limit, true)?),
        Found::ExclusiveMaximum { limit } => field.maximum = Some(bound(limit, true)?),
        Found::MinLength { limit } => field.min_length = Some(whole(*limit)?),
        Found::MaxLength { limit } => field.max_length = Some(whole(*limit)?),
        Found::MinItems { limit } => field.min_items = Some(whole(*limit)?),
        Found::MaxItems { limit } => field.max_items = Some(whole(*limit)?),
        Found::Enum { options } => {
            field.choices = Some(options.as_array()?.iter().map(ours).collect::<Option<_>>()?);
        }
        Found::Constant { expected_value } => field.choices = Some(vec![ours(expected_value)?]),
        Found::Format { format } => {
            let known = crate::schema::TextFormat::ALL.iter().find(|known| known.as_str() == format)?;
            field.format = Some(*known);
        }
        _ => return None,
    }
    Some(field)
}

fn ours(value: &serde_json::Value) -> Option<Value> {
    parse(&value.to_string(), Format::Json).ok()
}

fn number(value: &serde_json::Value) -> Option<Number> {
    if let Value::Number(number) = ours(value)? { Some(number) } else { None }
}
