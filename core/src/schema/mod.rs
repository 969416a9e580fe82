//! Types of values: how text from the environment becomes a typed value.

mod coerce;

pub use coerce::{coerce_like, parse_bool};
