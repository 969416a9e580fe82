//! Watching files: any event is a hint, the content decides.
//!
//! Directories are watched rather than files, so atomic renames, editor backups, Kubernetes `..data` swaps, deletion
//! and re-creation are all seen; a slow poll stands in where events get lost (network and container mounts, a full
//! event queue). A content is delivered once it holds still.
mod follow;
mod reading;
mod settle;
#[cfg(test)]
mod tests;
mod watcher;

pub use watcher::{FileEvent, WatchOptions, Watcher};
