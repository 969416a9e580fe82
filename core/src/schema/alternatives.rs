//! `anyOf`, `oneOf` and `not`: whether a value fits, and why it does not.

use std::collections::BTreeSet;

use super::field::Field;
use super::validate::{Check, NONE_FITS, Report, fits_kind, shown};
use crate::error::{Code, Error};
use crate::path::Path;
use crate::value::Value;

/// How many alternatives tell why they do not fit, and how many problems each.
pub(super) const MAX_REASONS: usize = 8;
const MAX_PROBLEMS: usize = 2;
/// How long the name of an alternative may be.
const MAX_NAME: usize = 40;

impl Check<'_> {
    pub fn alternatives(&mut self, field: &Field, value: &Value, path: &Path, secret: bool) -> bool {
        let mut valid = true;
        if !field.any_of.is_empty() && !field.any_of.iter().any(|part| self.quietly(part, value, path)) {
            valid = false;
            self.no_alternative(&field.any_of, value, path, secret);
        }
        if !field.one_of.is_empty() {
            let fitting = field.one_of.iter().filter(|part| self.quietly(part, value, path)).count();
            if fitting == 0 {
                valid = false;
                self.no_alternative(&field.one_of, value, path, secret);
            } else if fitting > 1 {
                valid = false;
                let message = format!("the value fits {fitting} of the alternatives, exactly one is allowed");
                self.fail(Error::new(Code::Invalid, message).with_path(path.clone()));
            }
        }
        if let Some(part) = &field.not
            && self.quietly(part, value, path)
        {
            valid = false;
            let what = part.description.as_deref().map_or(String::new(), |text| format!(": {text}"));
            self.fail(
                Error::new(Code::Invalid, format!("the value is one that the schema excludes{what}"))
                    .with_path(path.clone()),
            );
        }
        valid
    }

    /// One alternative that could be meant says what is wrong with it; of several, each does in short; of none, their types
    /// are listed.
    fn no_alternative(&mut self, parts: &[Field], value: &Value, path: &Path, secret: bool) {
        if self.quiet {
            return;
        }
        let mut meant: Vec<&Field> = parts.iter().filter(|part| !self.is_of_another_kind(part, value)).collect();
        if meant.len() > 1 && meant.iter().any(|part| self.named(part, value) == Some(true)) {
            meant.retain(|part| self.named(part, value) != Some(false));
        }
        if let [only] = meant.as_slice() {
            let others = parts.iter().filter(|part| !std::ptr::eq(*part, *only));
            let kinds = self.kinds(others.filter(|part| self.is_of_another_kind(part, value)));
            let mut told = self.problems(only, value, path, secret);
            // What is wrong with this one is told where it is; why it is none of the others stands beside it.
            if let Some(first) = told.first_mut().filter(|_| !kinds.is_empty()) {
                let hint = first.hint().map_or(String::new(), |hint| format!("{hint}; "));
                let other = format!("{hint}or make `{path}` what else it may be: {}", kinds.join(", "));
                *first = first.clone().with_hint(other);
            }
            told.into_iter().for_each(|error| self.fail(error));
            return;
        }
        let types = self.kinds(parts.iter());
        let secret = secret || self.policies.iter().any(|policy| policy.is_secret(path));
        let hint = if meant.is_empty() && !types.is_empty() {
            format!("it may be: {}", types.join(", "))
        } else {
            let shown = || parts.iter().take(MAX_REASONS);
            let why: Vec<Vec<Error>> = shown().map(|part| self.problems(part, value, path, secret)).collect();
            let names: Vec<Option<&str>> = shown().map(|part| part.description.as_deref()).collect();
            reasons(&names, &why, parts.len())
        };
        let error = Error::new(Code::Invalid, format!("{}{NONE_FITS}", shown(value, secret)));
        self.fail(error.with_path(path.clone()).with_hint(hint));
    }

    /// The types that alternatives name.
    fn kinds<'f>(&self, parts: impl Iterator<Item = &'f Field>) -> Vec<String> {
        let aspects = parts.flat_map(|part| self.parts.aspects(part)).filter(|aspect| !aspect.kinds.is_empty());
        aspects.map(Field::type_text).collect::<BTreeSet<String>>().into_iter().collect()
    }

    fn is_of_another_kind(&self, part: &Field, value: &Value) -> bool {
        !self.parts.aspects(part).iter().all(|aspect| fits_kind(aspect, value))
    }

    /// Whether a key with a single choice, as in `kind: {const: sqlite}`, says that an alternative is meant, or is not.
    fn named(&self, part: &Field, value: &Value) -> Option<bool> {
        let mut said = None;
        for (key, child) in self.parts.declared(part) {
            let (Some([only]), Some(held)) = (child.choices.as_deref(), value.child(key)) else { continue };
            said = Some(said != Some(false) && only == held);
        }
        said
    }

    fn problems(&mut self, part: &Field, value: &Value, path: &Path, secret: bool) -> Vec<Error> {
        let mut inner = self.inner(false);
        inner.value(part, value, path, secret);
        let (steps, errors) = (inner.steps, inner.report.errors);
        self.steps = steps;
        errors
    }

    fn quietly(&mut self, part: &Field, value: &Value, path: &Path) -> bool {
        let mut inner = self.inner(true);
        let valid = inner.value(part, value, path, true);
        self.steps = inner.steps;
        valid
    }

    fn inner(&self, quiet: bool) -> Check<'_> {
        Check { parts: self.parts, policies: self.policies, report: Report::default(), steps: self.steps, quiet }
    }
}

/// Why each alternative does not fit, in one line.
pub(super) fn reasons(names: &[Option<&str>], why: &[Vec<Error>], count: usize) -> String {
    let lines = why.iter().enumerate().map(|(at, problems)| {
        let name = names.get(at).copied().flatten().filter(|name| name.chars().count() <= MAX_NAME);
        let name = name.map_or(String::new(), |name| format!(" ({name})"));
        let told: Vec<String> = problems.iter().take(MAX_PROBLEMS).map(ToString::to_string).collect();
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        format!("{}{name}: {}{more}", at + 1, told.join(", "))
    });
    let mut lines: Vec<String> = lines.collect();
    if count > why.len() {
        lines.push(format!("{} more do not fit", count - why.len()));
    }
    if lines.is_empty() {
        "see the schema".to_owned()
    } else {
        format!("make it fit one of them; {}", lines.join("; "))
    }
}
