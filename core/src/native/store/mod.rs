//! What survives a crash: the database of the data directory and the thread that writes it.
mod database;
mod writer;

pub use database::{Entry, Store, Write};
pub use writer::Writer;

pub use super::file;
