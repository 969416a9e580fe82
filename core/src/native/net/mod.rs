//! Connections with and without TLS, and what they need of certificates and tokens.
pub(crate) mod connect;
mod shown;
mod stream;
pub(crate) mod tls;
mod token;

pub use shown::Shown;
pub use stream::Stream;
pub use token::Token;
