//! Who may do what: principals with tokens, certificates or JSON Web Tokens, roles as data, and the decision.
//!
//! A [`Table`] is read from the text of an authentication file. Whoever comes shows a [`Proof`], and gets the [`Grant`] of its
//! principal: verbs, the paths that they are limited to, and the documents. Everything is decided from a grant: whether an
//! operation may be asked for ([`Grant::check`]), what of a document is shown ([`Grant::view`]), and where may be written
//! ([`Grant::covers`]).
//!
//! Nothing here reads a file or a clock; the time is an argument.
//!
//! ```
//! use confmesh::guard::{Proof, Table, Verb};
//! use confmesh::id::DocumentName;
//! use confmesh::{Path, Value};
//!
//! let token = confmesh::guard::token([7; 32]);
//! let text = format!("[[principal]]\nname = \"ci\"\ntoken_sha256 = \"{}\"\nroles = [\"writer\"]\npaths = [\"app.*\"]\n", confmesh::guard::token_hash(&token));
//! let table = Table::from_value(&confmesh::format::parse(&text, confmesh::format::Format::Toml)?)?;
//! let grant = table.grant(&Proof::of_token(&token), 0)?;
//! assert!(grant.check(Verb::Write, &DocumentName::default_name()).is_ok());
//! assert!(grant.covers(&Path::parse("app.rate")?) && !grant.covers(&Path::parse("db")?));
//! # Ok::<(), confmesh::Error>(())
//! ```

mod grant;
#[cfg(all(feature = "native", not(target_family = "wasm")))]
mod jwt;
#[cfg(not(all(feature = "native", not(target_family = "wasm"))))]
#[path = "no_jwt.rs"]
mod jwt;
mod rate;
mod role;
mod table;
#[cfg(test)]
mod tests;
mod token;

pub use grant::{Grant, Reports, Who};
pub use rate::{Limiter, RateCounts, RateKey, RateLimit, Verdict, is_local};
pub use role::{Role, Verb, Verbs};
pub use table::{Entry, Subject, Table};
pub use token::{Claims, Proof, TokenHash, token, token_hash};
