//! Errors as JavaScript gets them: the message is the JSON text of the fields, which `lib/native.js` makes an error of.

use std::panic::{AssertUnwindSafe, catch_unwind};

use confmesh::{Code, Error, Result};

use crate::convert::shown;

/// What JavaScript catches.
#[allow(clippy::needless_pass_by_value, reason = "shaped for `map_err`")]
pub fn thrown(error: Error) -> napi::Error {
    napi::Error::from_reason(shown(&error.to_value()))
}

/// Runs core code; a panic in it is thrown as an internal error.
pub fn run<T>(work: impl FnOnce() -> Result<T>) -> napi::Result<T> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let defect =
        || Error::new(Code::Internal, "confmesh panicked").with_hint("report this with what standard error says");
    outcome.unwrap_or_else(|_| Err(defect())).map_err(thrown)
}
