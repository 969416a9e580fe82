//! The HTTP interface: one listener for the API, the page, and the WebSocket upgrade.
mod asking;
mod body;
mod caller;
mod connections;
mod cors;
mod exposition;
mod guard;
mod health;
mod host;
mod inbound;
mod origins;
mod problem;
mod routes;
mod server;
mod terms;
mod webhook;

pub use asking::Elsewhere;
pub use connections::Budget;
pub use guard::{Allowed, Guard, Refused};
pub use health::{Check, Health, Verdict};
pub use host::{Delivered, Host};
pub use inbound::{Counted, Inbound, RateStatus, Told, trusted_proxies};
pub use server::serve;
