//! The authentication file, and the table that is in force of it while an instance runs.
mod auth_file;
mod gate;

pub use auth_file::{NewToken, new_token, read_table, revoke};
pub(crate) use auth_file::{read_with_key_files, with_key_files};
pub(crate) use gate::nothing_shown;
pub use gate::{Gate, Pass};
