//! WebSocket connections, dialled and accepted, behind one abstraction: the link.
//!
//! The owner gives every link the same channel for its events, and gets a [`LinkSender`] with [`LinkEvent::Opened`].
mod accept;
mod address;
mod admission;
mod counted;
mod dial;
pub mod handshake;
mod link;
#[cfg(test)]
mod tests;

pub use accept::{accept, accept_upgrade};
pub use address::Address;
pub use admission::Admission;
pub use dial::{DialOptions, DialState, Dialer};
pub use link::{Count, Frame, Link, LinkEvent, LinkId, LinkOptions, LinkSender, Links, NotSent};
