//! What stands in the place of the check in builds without it.

use std::marker::PhantomData;

use super::{Draft, Target};
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Str, Value};

/// References to places of the document: names and addresses are for the check of the whole document.
pub(in crate::schema) struct Outline<'v>(PhantomData<&'v Value>);

impl Outline<'_> {
    pub fn of(_: &Value) -> Outline<'_> {
        Outline(PhantomData)
    }

    pub fn first_part(&self) -> Option<Path> {
        None
    }

    pub fn target(&self, text: &str, _: &Path) -> Target {
        match text.strip_prefix('#').and_then(|pointer| Path::parse_pointer(pointer).ok()) {
            Some(place) => Target::Place(place),
            None if text.contains("json-schema.org/") => Target::Standard,
            None => Target::Elsewhere,
        }
    }
}

/// Nothing: what would need it is refused.
pub(in crate::schema) struct Whole;

impl Whole {
    /// Whether this build has the check.
    pub const IS_THERE: bool = false;

    pub fn is_pattern(_: &str) -> bool {
        false
    }

    /// Refuses the document by the keywords that only the check knows.
    pub fn compile(_: &Value, _: Option<Draft<'_>>, beyond: &[(Path, Str)]) -> Result<Whole> {
        let refused = beyond.iter().map(|(at, keyword)| {
            Error::new(Code::Invalid, format!("the keyword `{keyword}` is not supported in this build"))
                .with_path(at.clone())
                .with_hint("skipping it would accept what the schema refuses; the native builds check it")
        });
        Err(Error::all(refused)
            .unwrap_or_else(|| Error::new(Code::Invalid, "the schema is not supported in this build")))
    }

    pub fn problems(&self, _: &Value, _: &dyn Fn(&Path) -> bool, _: usize) -> Vec<Error> {
        Vec::new()
    }
}
