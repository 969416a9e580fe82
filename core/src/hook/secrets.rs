//! The secrets of senders, several at a time, so that one can be changed without a gap.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;

use crate::error::{Code, Error, Result};
use crate::value::Str;

/// How short a secret may be: a shorter one can be guessed.
const LEAST_BYTES: usize = 16;
/// The secret of Standard Webhooks, and the public key of a sender that signs with its own.
const SHARED: &str = "whsec_";
const PUBLIC: &str = "whpk_";

/// The secrets by which senders are known; none is ever shown.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Secret>);

#[derive(Clone)]
pub(super) struct Secret {
    /// What its sender is called: writes are made as `webhook:NAME`.
    pub(super) name: Str,
    pub(super) key: Key,
}

#[derive(Clone)]
pub(super) enum Key {
    /// Both sides have it: as it is written, and the bytes that it stands for.
    Shared { text: String, bytes: Vec<u8> },
    /// Only the sender can sign.
    Public(Box<VerifyingKey>),
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Reads secrets, one a line or behind commas, each `NAME=SECRET` or `SECRET` alone: `whsec_` and base64 as Standard Webhooks
    /// has it, `whpk_` and the base64 of an Ed25519 public key, or any text of at least 16 bytes. A line that begins with `#` is
    /// none. Those of one name are one sender, whose secret is being changed.
    ///
    /// # Errors
    /// [`Code::Usage`] for one that is too short or no base64; which, but not what it is.
    pub fn parse(text: &str) -> Result<Secrets> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let given = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|one| !one.is_empty());
        let secrets = given.zip(1..).map(|(one, number)| Secret::parse(one, number)).collect::<Result<_>>()?;
        Ok(Secrets(secrets))
    }

    /// Whether there is none: then nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and those of another place.
    #[must_use]
    pub fn and(mut self, more: Secrets) -> Secrets {
        self.0.extend(more.0);
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl Secret {
    fn parse(text: &str, number: usize) -> Result<Secret> {
        let is_word = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
        let named = text.split_once('=').filter(|(name, secret)| {
            // The end of base64 is no name.
            is_word(name)
                && !name.starts_with(SHARED)
                && !name.starts_with(PUBLIC)
                && !secret.trim_matches('=').is_empty()
        });
        let (name, secret) = named.unwrap_or(("default", text));
        let wrong = |what: &str, hint: &str| {
            let message = format!("the webhook secret number {number} (`{name}`) {what}");
            Error::new(Code::Usage, message).with_hint(hint)
        };
        let base64 = |text: &str| {
            STANDARD.decode(text).map_err(|_| wrong("is no base64", "take it from the sender as it stands there"))
        };
        let key = if let Some(public) = secret.strip_prefix(PUBLIC) {
            let bytes = base64(public)?;
            let key =
                <[u8; 32]>::try_from(bytes.as_slice()).ok().and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
            Key::Public(Box::new(
                key.ok_or_else(|| wrong("is no Ed25519 public key", "write `whpk_` and the base64 of its 32 bytes"))?,
            ))
        } else {
            let bytes = match secret.strip_prefix(SHARED) {
                Some(shared) => base64(shared)?,
                None => secret.as_bytes().to_vec(),
            };
            if bytes.len() < LEAST_BYTES {
                return Err(wrong("is shorter than 16 bytes", "make one with `openssl rand -base64 32`"));
            }
            Key::Shared { text: secret.to_owned(), bytes }
        };
        Ok(Secret { name: name.into(), key })
    }
}
