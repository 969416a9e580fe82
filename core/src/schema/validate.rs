//! Validation: every problem of a document with its place and what to do about it.

use std::collections::BTreeSet;

use super::field::{Bound, Field, Kind, Others};
use super::{CustomCheck, Parts, Schema, coerce, custom, nearest, parse_bool};
use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::limits::MAX_MATCHED_BYTES;
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::Policy;
use crate::value::{Map, Number, Value};

/// How many problems are collected: a document that is wrong everywhere must not cost more than it tells.
const MAX_ERRORS: usize = 1_000;
/// How many comparisons one validation makes: `anyOf` within `anyOf` can otherwise ask for billions.
const MAX_STEPS: usize = 1_000_000;
/// How the message ends of a value that fits no alternative.
pub(super) const NONE_FITS: &str = " fits none of the alternatives";
/// How many characters of a value a message shows.
const SHOWN: usize = 60;

/// What a validation found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What makes the document invalid.
    pub errors: Vec<Error>,
    /// What should change but is valid: deprecated fields in use.
    pub warnings: Vec<Error>,
}

impl Schema {
    /// Validates a document: errors, and warnings for deprecated fields. No message shows a value that the schema or the
    /// policy calls secret. At most 1000 errors are collected.
    ///
    /// [`Code::Type`] is a value of the wrong type, [`Code::Invalid`] everything else.
    pub fn report(&self, value: &Value, policy: &Policy, locate: impl Fn(&Path) -> Option<Origin>) -> Report {
        self.report_with(value, policy, &[], locate)
    }

    /// [`Schema::report`] with checks of the program's own.
    pub fn report_with(
        &self,
        value: &Value,
        policy: &Policy,
        checks: &[CustomCheck<'_>],
        locate: impl Fn(&Path) -> Option<Origin>,
    ) -> Report {
        // What one part of the schema calls secret, no other part may show.
        let own = Policy::of(self.policy_rules()).unwrap_or_default();
        let policies = [&own, policy];
        let mut check = Check { parts: &self.0, policies, report: Report::default(), steps: MAX_STEPS, quiet: false };
        check.value(&self.0.root, value, &Path::root(), false);
        let is_exhausted = check.steps == 0;
        let mut report = check.report;
        if is_exhausted {
            let error = Error::new(Code::TooLarge, "the schema asks for too many comparisons to validate the document");
            report.errors.push(error.with_hint("nest `anyOf` and `oneOf` less deeply"));
        } else if let Some(whole) = &self.0.whole {
            let hidden = |path: &Path| policies.iter().any(|policy| policy.is_secret(path));
            self.settle(whole.problems(value, &hidden, MAX_ERRORS), value, &mut report);
        }
        custom::ask(checks, value, MAX_ERRORS, &mut report);
        let placed = |error: Error| match (error.origin(), error.path()) {
            (None, Some(path)) => {
                // What is missing stands nowhere: the map that lacks it does.
                let above = std::iter::successors(Some(path.clone()), Path::parent).filter_map(|above| locate(&above));
                let exact = { above }.find(|origin| origin.location.is_some() || origin.key.is_some());
                match exact.or_else(|| locate(path)) {
                    Some(origin) => error.with_origin(origin),
                    None => error,
                }
            }
            _ => error,
        };
        report.errors = report.errors.into_iter().map(&placed).collect();
        report.warnings = report.warnings.into_iter().map(&placed).collect();
        report
    }
}

impl Schema {
    /// What the check of the whole document found counts; ours tells it better where both met it.
    fn settle(&self, found: Vec<Error>, value: &Value, report: &mut Report) {
        if found.is_empty() {
            report.errors.clear();
            let checks = self.0.root.validators.iter().filter(|_| !self.0.without_checks);
            for validator in checks {
                report.errors.extend(validator(value).err().unwrap_or_default());
            }
            return;
        }
        for error in found {
            let path = error.path().cloned().unwrap_or_else(Path::root);
            let is_told = report.errors.iter().any(|known| {
                let (at, message) = (known.path().cloned().unwrap_or_else(Path::root), error.message());
                (at == path && known.message() == message) || (message.ends_with(NONE_FITS) && at.starts_with(&path))
            });
            if !is_told && report.errors.len() < MAX_ERRORS {
                report.errors.push(error);
            }
        }
    }
}

pub(super) struct Check<'s> {
    pub parts: &'s Parts,
    pub policies: [&'s Policy; 2],
    pub report: Report,
    pub steps: usize,
    /// Inside `anyOf`, `oneOf` and `not`: what fails there is no problem yet.
    pub quiet: bool,
}

impl Check<'_> {
    /// Whether the value is valid; what is wrong goes to the report.
    pub fn value(&mut self, field: &Field, value: &Value, path: &Path, secret: bool) -> bool {
        if self.steps == 0 || self.report.errors.len() >= MAX_ERRORS {
            return false;
        }
        self.steps -= 1;
        let secret = secret || field.secret;
        let before = self.report.errors.len();
        if let Some(advice) = &field.deprecated
            && !self.quiet
        {
            let warning = Error::new(Code::Invalid, "the key is deprecated").with_path(path.clone());
            self.report.warnings.push(if advice.is_empty() { warning } else { warning.with_hint(advice.as_str()) });
        }
        let mut valid = self.own_rules(field, value, path, secret);
        if let Some(target) = field.reference.as_deref().and_then(|name| self.parts.resolve(name)) {
            valid &= self.value(target, value, path, secret);
        }
        for part in &field.all_of {
            valid &= self.value(part, value, path, secret);
        }
        valid &= self.alternatives(field, value, path, secret);
        if valid && self.report.errors.len() == before && !self.parts.without_checks {
            for validator in &field.validators {
                let Err(errors) = validator(value) else { continue };
                valid = false;
                for error in errors {
                    let below = error.path().cloned().unwrap_or_else(Path::root);
                    self.fail(error.with_path(path.join(&below)));
                }
            }
        }
        valid
    }

    pub fn fail(&mut self, error: Error) {
        if self.report.errors.len() < MAX_ERRORS {
            self.report.errors.push(error);
        }
    }

    fn own_rules(&mut self, field: &Field, value: &Value, path: &Path, secret: bool) -> bool {
        let before = self.report.errors.len();
        let problem = |what: String, hint: Option<String>| {
            let error = Error::new(Code::Invalid, what).with_path(path.clone());
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        };
        if field.never {
            self.fail(problem("nothing may be here".into(), Some("remove the key".into())));
            return false;
        }
        let hidden = secret || self.quiet || self.policies.iter().any(|policy| policy.is_secret(path));
        if !fits_kind(field, value) {
            self.fail(wrong_kind(field, value, hidden).with_path(path.clone()));
            return false;
        }
        let text = || shown(value, hidden);
        if let Some(choices) = &field.choices
            && !choices.contains(value)
        {
            let names: Vec<String> = choices.iter().map(|choice| shown(choice, false)).collect();
            let close = value.as_str().filter(|_| !hidden).and_then(|text| {
                nearest(text, choices.iter().filter_map(Value::as_str)).map(|close| format!("did you mean `{close}`?"))
            });
            let what = match names.as_slice() {
                [only] => format!("{} is not {only}", text()),
                _ => format!("{} is not one of {}", text(), names.join(", ")),
            };
            self.fail(problem(what, close.or_else(|| Some("use one of the listed values".into()))));
        }
        match value {
            Value::Number(number) => {
                let hint = || range_hint(field.minimum, field.maximum);
                if let Some(bound) = field.minimum.filter(|bound| below(*number, *bound)) {
                    self.fail(problem(format!("{} is below the minimum {}", text(), end(bound)), hint()));
                }
                if let Some(bound) = field.maximum.filter(|bound| above(*number, *bound)) {
                    self.fail(problem(format!("{} is above the maximum {}", text(), end(bound)), hint()));
                }
            }
            Value::String(string) => {
                let length = string.chars().count();
                if let Some(least) = field.min_length.filter(|least| length < *least) {
                    let what = format!("the text has {length} characters, at least {least} are needed");
                    self.fail(problem(what, Some("write a longer text".into())));
                }
                if let Some(most) = field.max_length.filter(|most| length > *most) {
                    let what = format!("the text has {length} characters, at most {most} are allowed");
                    self.fail(problem(what, Some("write a shorter text".into())));
                }
                match &field.pattern {
                    Some(_) if string.len() > MAX_MATCHED_BYTES => {
                        self.fail(too_long_to_match(string.len()).with_path(path.clone()));
                    }
                    Some((pattern, regex)) if !regex.is_match(string) => {
                        self.fail(no_pattern(&text(), pattern, field.description.as_deref()).with_path(path.clone()));
                    }
                    _ => {}
                }
            }
            Value::List(list) => {
                let (length, some) = (list.len(), |n: usize| if n == 1 { "item" } else { "items" });
                if let Some(least) = field.min_items.filter(|least| length < *least) {
                    let what = format!("the list has {length} {}, at least {least} are needed", some(length));
                    self.fail(problem(what, Some("add items".into())));
                }
                if let Some(most) = field.max_items.filter(|most| length > *most) {
                    let what = format!("the list has {length} {}, at most {most} are allowed", some(length));
                    self.fail(problem(what, Some("remove items".into())));
                }
                if field.unique {
                    let mut found = Vec::new();
                    doubled(value, path, hidden, &mut found);
                    found.into_iter().for_each(|error| self.fail(error));
                }
                if let Some(items) = &field.items {
                    for (at, item) in list.iter().enumerate() {
                        self.value(items, item, &path.child(&at.to_string()), secret);
                    }
                }
            }
            Value::Map(map) => self.keys(field, map, path, secret),
            Value::Null | Value::Bool(_) => {}
        }
        if let Some(format) = field.format.filter(|format| !format.accepts(value)) {
            self.fail(problem(
                format!("expected {}, found {}", format.example(), text()),
                Some(format!("write {}", format.example())),
            ));
        }
        self.report.errors.len() == before
    }

    fn keys(&mut self, field: &Field, map: &Map, path: &Path, secret: bool) {
        let missing = field.fields.iter().filter(|(key, child)| child.required && !map.contains_key(key));
        for (key, child) in missing {
            let at = path.child(key);
            let variable = child.env.as_ref().map_or(String::new(), |name| format!(" or the variable `{name}`"));
            let about = child.description.as_ref().map_or(String::new(), |text| format!(": {text}"));
            let hint = format!("set `{at}`{variable} to a value of type {}{about}", child.type_text());
            self.fail(Error::new(Code::Invalid, "required key is missing").with_path(at).with_hint(hint));
        }
        for (key, value) in map.iter() {
            let at = path.child(key);
            match (field.child(key), &field.others) {
                (Some(child), _) => {
                    self.value(child, value, &at, secret);
                }
                (None, Others::Of(values)) => {
                    self.value(values, value, &at, secret);
                }
                (None, Others::Refused) => {
                    let known = || field.fields.iter().map(|(name, _)| name.as_str());
                    let hint = match nearest(key, known()) {
                        Some(close) => format!("did you mean `{close}`?"),
                        None if field.fields.is_empty() => "remove the key".to_owned(),
                        None => format!("the known keys are {}", listed(known())),
                    };
                    self.fail(Error::new(Code::Invalid, format!("unknown key `{key}`")).with_path(at).with_hint(hint));
                }
                (None, Others::Any) => {}
            }
        }
    }
}

/// What a text tells that no pattern is compared with.
pub(super) fn too_long_to_match(bytes: usize) -> Error {
    let message = format!("the text has {bytes} bytes, and patterns are compared with {MAX_MATCHED_BYTES} at most");
    Error::new(Code::TooLarge, message).with_hint("write a shorter text, or leave the pattern out of the schema")
}

/// What a text tells that does not match.
pub(super) fn no_pattern(text: &str, pattern: &str, about: Option<&str>) -> Error {
    Error::new(Code::Invalid, format!("{text} does not match the pattern `{pattern}`"))
        .with_hint(about.unwrap_or("change the text so that it matches"))
}

/// Every item of a list that stands in it before already.
pub(super) fn doubled(list: &Value, path: &Path, hidden: bool, found: &mut Vec<Error>) {
    let mut seen = BTreeSet::new();
    let items = list.as_list().into_iter().flat_map(|list| list.iter().enumerate());
    for (at, item) in items.filter(|(_, item)| !seen.insert(canonical(item))) {
        let error = Error::new(Code::Invalid, format!("{} stands twice in the list", shown(item, hidden)));
        found.push(error.with_path(path.child(&at.to_string())).with_hint("keep one of the two"));
    }
}

/// What breaks the rules of one field, what is in the value left out.
#[cfg(all(feature = "json-schema", not(target_family = "wasm")))]
pub(super) fn worded(field: &Field, value: &Value, path: &Path, hidden: bool) -> Vec<Error> {
    let (parts, policy) = (Parts::of(Field::any()), Policy::default());
    let policies = [&policy, &policy];
    let mut check = Check { parts: &parts, policies, report: Report::default(), steps: 1, quiet: false };
    check.own_rules(field, value, path, hidden);
    check.report.errors
}

pub(super) fn fits_kind(field: &Field, value: &Value) -> bool {
    field.kinds.is_empty() || field.kinds.iter().any(|kind| kind.holds(value))
}

fn wrong_kind(field: &Field, value: &Value, hidden: bool) -> Error {
    let found = match value {
        Value::Null => "null".to_owned(),
        _ if hidden || matches!(value, Value::List(_) | Value::Map(_)) => value.type_name().to_owned(),
        _ => format!("{} {}", value.type_name(), shown(value, false)),
    };
    let error = Error::new(Code::Type, format!("expected {}, found {found}", field.type_text()));
    let text = value.as_str().unwrap_or("");
    let number = coerce::number(text.trim());
    let quoted = field.kinds.iter().any(|kind| match kind {
        Kind::Bool => parse_bool(text).is_some() && number.is_none(),
        Kind::Integer => number.is_some_and(|number| number.is_integer()),
        Kind::Float => number.is_some(),
        _ => false,
    });
    let hint = match field.kinds.first() {
        _ if quoted && field.kinds.contains(&Kind::Bool) && number.is_none() => {
            "write `true` or `false` without quotes"
        }
        _ if quoted => "remove the quotes",
        Some(Kind::Null) => "write `null`",
        Some(Kind::Bool) => "write `true` or `false`",
        Some(Kind::Integer) => "write a whole number",
        Some(Kind::Float) => "write a number",
        Some(Kind::String) => "write the text in quotes",
        Some(Kind::List) => "write a list",
        Some(Kind::Map) | None => "write a map of keys and values",
    };
    error.with_hint(hint)
}

/// The value as a message shows it: never a secret, never long.
pub(super) fn shown(value: &Value, hidden: bool) -> String {
    if hidden {
        return "the value".to_owned();
    }
    let text = canonical(value);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or("")),
        None => text,
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.get(..20) {
        Some(first) if names.len() > 20 => format!("{} and {} more", first.join(", "), names.len() - 20),
        _ => names.join(", "),
    }
}

fn compare(a: Number, b: Number) -> std::cmp::Ordering {
    let exact = |number: Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().total_cmp(&b.as_f64()),
    }
}

fn below(number: Number, bound: Bound) -> bool {
    let order = compare(number, bound.number);
    order.is_lt() || (bound.exclusive && order.is_eq())
}

fn above(number: Number, bound: Bound) -> bool {
    let order = compare(number, bound.number);
    order.is_gt() || (bound.exclusive && order.is_eq())
}

fn end(bound: Bound) -> String {
    if bound.exclusive { format!("{} (which is excluded)", bound.number) } else { bound.number.to_string() }
}

fn range_hint(minimum: Option<Bound>, maximum: Option<Bound>) -> Option<String> {
    range(minimum, maximum).map(|range| format!("use a number {range}"))
}

/// A range as people write it: `from 1 to 300`.
pub(super) fn range(minimum: Option<Bound>, maximum: Option<Bound>) -> Option<String> {
    let word = |bound: Bound, inclusive: &str, exclusive: &str| {
        format!("{} {}", if bound.exclusive { exclusive } else { inclusive }, bound.number)
    };
    match (minimum, maximum) {
        (Some(a), Some(b)) if !a.exclusive && !b.exclusive => Some(format!("from {} to {}", a.number, b.number)),
        (Some(a), Some(b)) => Some(format!("{} and {}", word(a, "from", "above"), word(b, "up to", "below"))),
        (Some(a), None) => Some(word(a, "from", "above")),
        (None, Some(b)) => Some(word(b, "up to", "below")),
        (None, None) => None,
    }
}
