//! Who we say we are where we connect to others, and whom we trust there.
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use super::Token;
use super::tls::{self, Identity};
use crate::error::Result;

/// Who we say we are where we connect, and whom we trust. Clones share what was read of the files.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The token that is shown.
    pub token: Token,
    ca: Option<PathBuf>,
    identity: Option<Identity>,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Shown {
    /// A token, the certificates that are trusted (those of the system), and one's own.
    pub fn new(token: Token, ca: Option<PathBuf>, identity: Option<Identity>) -> Shown {
        Shown { token, ca, identity, config: Arc::default() }
    }

    /// How TLS is spoken; the files are read when it is first needed.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn tls(&self) -> Result<Arc<ClientConfig>> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let config = tls::client(self.ca.as_deref(), self.identity.as_ref())?;
        Ok(Arc::clone(self.config.get_or_init(|| config)))
    }
}
