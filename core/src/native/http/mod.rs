//! The HTTP interface: one listener for the API, the page, and the WebSocket upgrade.
mod guard;
mod host;
mod problem;
mod server;

pub use guard::Guard;
pub use host::{Host, Write};
pub use problem::error_value;
pub use server::serve;
