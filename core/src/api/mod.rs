//! One list of operations: what can be asked for, by whom, and through which doors.
//!
//! Each row of [`OPERATIONS`] names an operation, its request and reply, the right that it needs, and the doors that lead to
//! it (HTTP, the command, Python, Node, browsers, guests), or why one does not. HTTP's routes and `/openapi.json`, the table of
//! operations, and a part of the Python and Node packages are made of it; tests hold every other door to it.
//!
//! An operation that is asked of a running instance by name is a [`Call`]: its arguments are checked against the row, and
//! [`Call::begin`] does it with an engine, or says what is still to come.
//!
//! ```
//! use confmesh::api::{Call, find};
//! use confmesh::Value;
//!
//! let operation = find("conflicts")?;
//! assert_eq!(operation.routes().next(), Some(("GET", "/conflicts")));
//! let refused = Call::new("conflicts", &[("al", Value::from(true))].into_iter().collect()).expect_err("no such argument");
//! assert_eq!(refused.hint(), Some("did you mean `all`?"));
//! # Ok::<(), confmesh::Error>(())
//! ```

mod call;
mod openapi;
mod operation;
mod operations;
mod reference;
mod shapes;
mod shown;
mod sugar;

pub use call::{At, Begin, Begun, Call, Fits, find};
pub use openapi::openapi;
pub use operation::{CALL, Door, Doors, Field, Operation, Place, Reply, Right, Type};
pub use operations::OPERATIONS;
pub use reference::reference;
pub use shapes::{Record, mismatch, records};
pub use shown::shown;
pub use sugar::{node_operations, node_types, python_operations};
