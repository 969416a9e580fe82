//! Tokens: made of random bits, shown once, kept as a hash.

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use crate::value::Str;

/// What every token begins with, so that people and scanners see what it is.
const PREFIX: &str = "cm_";

/// The SHA-256 of a token, which an authentication file names. Nothing slower: a token has 256 random bits, and a slow hash would
/// be a lever for attackers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<TokenHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(TokenHash(bytes))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    /// Enough to tell two apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A token of fresh random bits.
pub fn token(entropy: [u8; 32]) -> String {
    let mut text = PREFIX.to_owned();
    for byte in entropy {
        let _ = write!(text, "{byte:02x}"); // a text takes everything
    }
    text
}

/// The hash of a token.
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// What somebody shows to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A token, of which only the hash is kept.
    Token(TokenHash),
    /// The names of a certificate that was checked.
    Names(Vec<Str>),
    /// What a JSON Web Token says that was checked.
    Signed(Box<Claims>),
}

/// What an authority says of whoever shows its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who says so.
    pub issuer: Str,
    /// Of whom.
    pub subject: Str,
    /// The roles that it names.
    pub roles: Vec<Str>,
    /// When that ends, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Names the keys that it was checked with.
    pub keys: [u8; 32],
}

impl Proof {
    /// A token.
    pub fn of_token(token: &str) -> Proof {
        Proof::Token(token_hash(token.trim()))
    }
}
