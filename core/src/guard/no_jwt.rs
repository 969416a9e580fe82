//! Where nothing is let in by tokens of others: no authority can be named.

use super::grant::Grant;
use super::role::Roles;
use super::table::{Rights, listed, wrong};
use super::token::Claims;
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Map, Str};

/// An authority, of which there is none.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) name: Str,
    pub(super) digest: [u8; 32],
    pub(super) rights: Rights,
}

impl Issuer {
    pub(super) fn grant(&self, _: &Claims, _: &Roles) -> Option<Grant> {
        None
    }
}

pub(super) fn issuers(fields: &Map, _: &Roles, _: &mut dyn FnMut(&str) -> Result<String>) -> Result<Vec<Issuer>> {
    match listed(fields, &Path::root(), "jwt")?.first() {
        Some((place, _)) => Err(wrong(place, "is for instances: JSON Web Tokens are not checked here")),
        None => Ok(Vec::new()),
    }
}

pub(super) fn is_jwt(_: &str) -> bool {
    false
}

pub(super) fn verify(_: &[Issuer], _: &str, _: u64) -> Result<Claims> {
    Err(Error::new(Code::Unauthenticated, "JSON Web Tokens are not checked here"))
}
