//! Webhooks: whether a request comes from who has the secret, what it says, and what it may change.
//!
//! Nothing here reads a clock, a socket or a file: a request is its headers and its bytes, and the time is an argument.
//!
//! ```
//! use confmesh::hook::{Secrets, verify};
//! let secrets = Secrets::parse("deploy=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
//! // The example of Standard Webhooks 1.0.0.
//! let headers = |name: &str| match name {
//!     "webhook-id" => Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
//!     "webhook-timestamp" => Some("1614265330"),
//!     "webhook-signature" => Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
//!     _ => None,
//! };
//! let delivery = verify(&secrets, &headers, br#"{"test": 2432232314}"#, 1_614_265_330_000)?;
//! assert_eq!(delivery.principal.as_str(), "webhook:deploy");
//! # Ok::<(), confmesh::Error>(())
//! ```
mod payload;
mod secrets;
mod signature;
#[cfg(test)]
mod tests;

pub use payload::{Mode, Payload, check_allowed, replacing};
pub use secrets::Secrets;
pub use signature::{Delivery, TOLERANCE_MS, verify};
