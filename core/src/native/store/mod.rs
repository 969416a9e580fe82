//! What survives a crash: the database of the data directory and the thread that writes it.
mod aside;
mod backup;
mod database;
mod directory;
mod guarded;
mod header;
mod key;
mod place;
mod record;
#[cfg(test)]
mod tests;
mod writer;

pub use aside::{SetAside, set_aside};
pub use backup::{BackupHead, Replaced, backup_of, read_backup, records_in, replace_store, write_backup};
pub use database::{Entry, Store, Write};
pub use key::{KEY_FILE, instance_key};
pub use writer::Writer;

pub use super::file;
