//! What stands in the place of the check in builds without it.

use super::Draft;
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Str, Value};

/// Nothing: what would need it is refused.
pub(in crate::schema) struct Whole;

impl Whole {
    /// Whether this build has the check.
    pub const IS_THERE: bool = false;

    pub fn is_pattern(_: &str) -> bool {
        false
    }

    /// Refuses the document by the first keywords that only the check knows.
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
