//! The check itself.

use jsonschema::{Keyword, PatternOptions, ValidationError, Validator};

use super::{Draft, told};
use crate::error::{Code, Error, Result};
use crate::limits::MAX_MATCHED_BYTES;
use crate::path::Path;
use crate::value::{Str, Value};

/// A whole document, ready to check others.
pub(in crate::schema) struct Whole {
    validator: Validator,
}

/// How often one pattern may go back in one text.
const MAX_BACKTRACKS: usize = 100_000;
/// How large one pattern may become.
const MAX_PATTERN: usize = 1 << 20;

impl Whole {
    pub const IS_THERE: bool = true;

    /// Whether the check knows a pattern that ours does not.
    pub fn is_pattern(pattern: &str) -> bool {
        let schema = serde_json::json!({ "pattern": pattern });
        options().build(&schema).is_ok()
    }

    /// Makes the check of a document that holds what only it knows.
    pub fn compile(document: &Value, draft: Option<Draft<'_>>, beyond: &[(Path, Str)]) -> Result<Whole> {
        let draft = match draft {
            Some(Draft::Four) => jsonschema::Draft::Draft4,
            Some(Draft::Six) => jsonschema::Draft::Draft6,
            Some(Draft::Seven) => jsonschema::Draft::Draft7,
            Some(Draft::Of2019) => jsonschema::Draft::Draft201909,
            Some(Draft::Of2020 | Draft::Other(_)) | None => jsonschema::Draft::Draft202012,
        };
        let options = options().with_draft(draft).with_keyword("pattern", |_, pattern, _| Bounded::boxed(pattern));
        let validator = options.build(&plain(document)?).map_err(|error| told::of_schema(&error, beyond))?;
        Ok(Whole { validator })
    }

    /// What is wrong with a document; nothing if it is valid. No message shows a value at a path that is hidden.
    pub fn problems(&self, document: &Value, hidden: &dyn Fn(&Path) -> bool, limit: usize) -> Vec<Error> {
        let Ok(plain) = plain(document) else {
            return vec![Error::new(Code::Invalid, "the document is nothing that JSON could hold")];
        };
        if self.validator.is_valid(&plain) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for error in self.validator.iter_errors(&plain).take(limit) {
            told::of_document(&error, document, hidden, &mut found);
        }
        found
    }
}

/// A pattern that no text is compared with which is too long.
struct Bounded(Validator);

impl Bounded {
    fn boxed<'a>(pattern: &'a serde_json::Value) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
        let schema = serde_json::json!({ "pattern": pattern });
        let validator = options().build(&schema).map_err(|error| error.to_owned())?;
        Ok(Box::new(Bounded(validator)))
    }
}

fn is_long(instance: &serde_json::Value) -> bool {
    instance.as_str().is_some_and(|text| text.len() > MAX_MATCHED_BYTES)
}

impl<'i> Keyword<'i> for Bounded {
    fn validate(&self, instance: &'i serde_json::Value) -> Result<(), ValidationError<'i>> {
        if is_long(instance) { Err(ValidationError::custom(told::TOO_LONG)) } else { self.0.validate(instance) }
    }

    fn is_valid(&self, instance: &'i serde_json::Value) -> bool {
        !is_long(instance) && self.0.is_valid(instance)
    }
}

fn options() -> jsonschema::ValidationOptions<'static> {
    Validator::options()
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .with_pattern_options(
            PatternOptions::fancy_regex()
                .backtrack_limit(MAX_BACKTRACKS)
                .size_limit(MAX_PATTERN)
                .dfa_size_limit(MAX_PATTERN),
        )
}

fn plain(value: &Value) -> Result<serde_json::Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::new(Code::Invalid, format!("the schema is nothing that JSON could hold: {error}")))
}
