//! What instances and clients say to each other.
//!
//! One JSON object a text frame: `{v: 1, type, event_id, instance_id, timestamp, …}`. Unknown fields are ignored, an unknown
//! type is answered with an error, and a bad frame never ends a connection. Two families share a socket:
//!
//! - **replicas** exchange `hello`, `delta`, `pull`, `ack` and `heartbeat`;
//! - **guests** use the `config_*` family: `subscribe`, `config_request`, `config_change`, and get `config_response`,
//!   `config_update` (a change list), `config_sync` (one key) and `config_change_response`.

mod codec;
mod message;
mod session;

pub use codec::{Envelope, decode, encode, sent_ms};
pub use message::{Greeting, Message, Pulse};
pub use session::ReplicaLink;

/// The protocol version that this build speaks.
pub const VERSION: u64 = 1;
