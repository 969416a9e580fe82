//! confmesh merges configuration from many places into one document, explains every value in it, and keeps every instance
//! of an application in agreement.
//!
//! # Concepts
//!
//! - A [`Value`] is an immutable JSON-like tree. Clones are free and unchanged parts are shared.
//! - A [`Path`] such as `app.database.host` names a place in a document, a [`Pattern`] such as `app.features.*` many.
//! - A *layer* is one source's map with a priority: a file, the environment, what instances share. **The lower number
//!   wins.** [`merge::merge`] puts layers together into the *effective document* by the rules of a [`Policy`].
//! - Every value can be explained ([`merge::Merged::explain`]): the layer that won, file and line or variable, the rule, and
//!   everything that it overrode.
//! - A *document* has one *shared layer* that instances replicate. It is a [`replica::Replica`]: a set of immutable writes
//!   from which the document is computed, so instances that have seen the same writes show the same bytes, whatever was
//!   lost, doubled or reordered on the way. Concurrent writes are settled by a rule, and what loses stays visible.
//! - A *bound file* mirrors the shared layer both ways and keeps its comments, order and indentation.
//! - The [`engine::Engine`] decides all of it in steps, without a clock, a file or a socket. What it decides is the same in
//!   Rust, Python, Node and the browser.
//!
//! # Merging and explaining
//!
//! ```
//! use confmesh::format::Format;
//! use confmesh::merge::{Layer, merge, priority};
//! use confmesh::{Path, Policy};
//!
//! let text = r#"{"rate_limit": 100, "debug": false}"#;
//! let file = Layer::from_text("file:app.json", priority::FILE, text, Format::Json)?;
//! let environment = Layer::from_env("APP", [("APP_RATE_LIMIT".to_owned(), "200".to_owned())])?;
//! let merged = merge(&[file, environment], &Policy::default());
//!
//! let path = Path::parse("rate_limit")?;
//! assert_eq!(merged.value.at(&path), Some(&200.into()));
//! let explanation = merged.explain(&path).expect("two layers hold it");
//! assert_eq!(explanation.winner.expect("one wins").origin.to_string(), "env:APP (APP_RATE_LIMIT)");
//! # Ok::<(), confmesh::Error>(())
//! ```
//!
//! # Features
//!
//! `native` (default) is everything that touches the world; it has no effect on WebAssembly. `cli` (default) is the
//! `confmesh` command. `yaml`, `toml`, `json5` and `properties` (default) are formats that the browser build leaves out for
//! size, and `json-schema` (default) is the check of whole JSON Schema documents, which it leaves out too. `binary` (default) is the short form of messages between instances, and of what a `document::Document` saves; `deflate` (default) compresses
//! the former. `replication` (default, and part of `native`) lets an [`engine::Engine`] hold documents that instances
//! replicate; without it an engine merges layers of its own (`layers`) and follows a host as its guest (`guest`). `serde`
//! (default) reads documents as types of a program, and makes values of them. Features only add.

pub mod api;
pub mod backoff;
pub mod bus;
pub mod canonical;
pub mod clock;
pub mod conflict;
pub mod diff;
#[cfg(feature = "binary")]
pub mod document;
pub mod driver;
pub mod engine;
mod entropy;
pub mod error;
pub mod format;
pub mod guard;
pub mod history;
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub mod hook;
pub mod id;
pub mod identity;
pub mod limits;
pub mod lock;
pub mod merge;
pub mod monitor;
// The gate: what lies below touches the world, and everything else only decides.
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub mod native;
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub mod notice;
pub mod origin;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod poll;
pub mod protocol;
pub mod replica;
pub mod schema;
pub mod secret;
pub mod sequence;
pub mod source;
#[cfg(test)]
mod testing;
pub mod value;

pub use error::{Code, Error, Kind, Result};
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub use native::mesh::{
    Adoption, Answer, BackedUp, Config, Environment, GivenSource, Mesh, MeshOptions, Notification, NotifyOptions,
    OpenOptions, Report, Reports, Restored, Source, Subscription, VariableChange, VariableChanges, Webhook,
    WebhookOptions, backup_bytes, backup_directory, open, read_backed_up, rebuild, restore, watch_variables,
};
pub use path::Path;
pub use pattern::Pattern;
pub use policy::Policy;
pub use value::Value;
