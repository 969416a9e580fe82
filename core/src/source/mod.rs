//! Where layers come from, as people write it: `https://config.example/app.json;interval=10s;optional`.
//!
//! Options stand behind the place, each after a `;`; one that is meant as it stands is written `\;`, which it has to be where the
//! name of an option follows, and in the value of an option.
//!
//! ```
//! use confmesh::poll::Every;
//! use confmesh::source::{Place, SourceSpec};
//! let spec = SourceSpec::parse("https://config.example/app;interval=10s;format=yaml;optional")?;
//! assert_eq!(spec.place, Place::Http("https://config.example/app".into()));
//! assert_eq!((spec.options.every, spec.options.is_optional), (Some(Every::Fixed(10_000)), true));
//! let error = SourceSpec::parse("https://config.example/app;intervall=10s").unwrap_err();
//! assert!(error.hint().is_some_and(|hint| hint.contains("did you mean `interval")));
//! # Ok::<(), confmesh::Error>(())
//! ```
mod options;
mod spec;
#[cfg(test)]
mod tests;

pub use options::{Hidden, SourceOptions, duration_ms};
pub use spec::{Place, SourceSpec, check_distinct, placed};
