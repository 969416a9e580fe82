//! The HTTP interface: one listener for the API, the page, and the WebSocket upgrade.
mod conflicts;
mod guard;
mod host;
mod problem;
mod server;
mod terms;

pub use guard::Guard;
pub use host::Host;
pub use problem::error_value;
pub use server::serve;
