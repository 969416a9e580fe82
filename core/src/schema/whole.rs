//! The check of a whole JSON Schema document: every keyword of its draft, by the `jsonschema` crate.
//!
//! The crate computes and nothing else: without its resolvers it neither fetches nor opens anything, and what it answers
//! depends on schema and document alone. So it stands above the gate. It is large, so builds for browsers leave it out and
//! refuse by name what only it knows.

#[cfg(not(all(feature = "json-schema", not(target_family = "wasm"))))]
mod absent;
#[cfg(all(feature = "json-schema", not(target_family = "wasm")))]
mod check;
#[cfg(all(feature = "json-schema", not(target_family = "wasm")))]
mod outline;
#[cfg(all(feature = "json-schema", not(target_family = "wasm")))]
mod told;

#[cfg(not(all(feature = "json-schema", not(target_family = "wasm"))))]
pub(super) use absent::{Outline, Whole};
#[cfg(all(feature = "json-schema", not(target_family = "wasm")))]
pub(super) use check::Whole;
#[cfg(all(feature = "json-schema", not(target_family = "wasm")))]
pub(super) use outline::Outline;

use crate::path::Path;
use crate::value::Value;

/// What a reference leads to.
pub(super) enum Target {
    /// A place of the document.
    Place(Path),
    /// The description of a draft itself, which the check of the whole document knows.
    Standard,
    /// Another document.
    Elsewhere,
}

/// The version of the standard that a document follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draft<'v> {
    Four,
    Six,
    Seven,
    Of2019,
    Of2020,
    /// One that is described elsewhere.
    Other(&'v str),
}

impl Draft<'_> {
    /// The version that a document names.
    pub fn of(document: &Value) -> Option<Draft<'_>> {
        let uri = document.child("$schema").and_then(Value::as_str)?;
        let name = uri.trim_end_matches('#').split_once("://").map_or(uri, |(_, name)| name);
        Some(match name {
            "json-schema.org/draft-04/schema" => Draft::Four,
            "json-schema.org/draft-06/schema" => Draft::Six,
            "json-schema.org/draft-07/schema" | "json-schema.org/schema" => Draft::Seven,
            "json-schema.org/draft/2019-09/schema" => Draft::Of2019,
            "json-schema.org/draft/2020-12/schema" => Draft::Of2020,
            _ => Draft::Other(uri),
        })
    }

    /// Whether what stands beside a `$ref` counts for nothing.
    pub fn reads_references_alone(self) -> bool {
        matches!(self, Draft::Four | Draft::Six | Draft::Seven)
    }
}
