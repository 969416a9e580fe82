//! Who sends a request: read from its headers, or from the certificate of its connection.
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};

use super::connections::Names;
use super::health::{Check, Health};
use crate::api::{Operation, Right};
use crate::error::{Code, Error, Result};
use crate::guard::{Proof, Verb, Who};
use crate::native::guard::{Gate, Pass, nothing_shown};
use crate::native::transport::websocket::{Admission, handshake};
use crate::path::Path;

/// The subprotocol that browsers ask for beside the one that carries their token.
const PROTOCOL: &str = "confmesh";
/// What the subprotocol begins with that carries a token; a page can set no header of a WebSocket.
const BEARER: &str = "confmesh.bearer.";

/// Who sends a request.
#[derive(Clone, Debug, Default)]
pub(super) enum Caller {
    /// There is no authentication: everybody may do everything.
    #[default]
    Anybody,
    /// Nobody that is known.
    Stranger,
    /// Somebody.
    Known(Pass),
}

impl Caller {
    /// Who sends a request.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] where it shows what is not, or no longer, good.
    pub(super) fn of(gate: Option<&Gate>, request: &Request) -> Result<Caller> {
        let Some(gate) = gate else { return Ok(Caller::Anybody) };
        if let Some(token) = token(request.headers())? {
            return gate.admit_token(&token).map(Caller::Known);
        }
        let names = request.extensions().get::<Names>().map(|names| names.0.to_vec()).unwrap_or_default();
        if names.is_empty() {
            return Ok(Caller::Stranger);
        }
        gate.admit(Proof::Names(names)).map(Caller::Known)
    }

    /// Whether it may ask for an operation at all.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] for a stranger, [`Code::Forbidden`].
    pub(super) fn check(&self, row: &Operation) -> Result<()> {
        match self {
            Caller::Anybody => Ok(()),
            // A connection says itself who is there.
            Caller::Stranger if row.right == Right::Nothing || row.name == "connect" => Ok(()),
            Caller::Stranger => Err(nothing_shown()),
            Caller::Known(_) if row.name == "connect" => Ok(()),
            Caller::Known(pass) => row.check(Some(&pass.grant)),
        }
    }

    /// Who it is, where somebody is.
    pub(super) fn who(&self) -> Who {
        match self {
            Caller::Known(pass) => Some(Arc::clone(&pass.grant)),
            Caller::Anybody | Caller::Stranger => None,
        }
    }

    pub(super) fn pass(self) -> Option<Pass> {
        match self {
            Caller::Known(pass) => Some(pass),
            Caller::Anybody | Caller::Stranger => None,
        }
    }

    /// What of a health it may see: a stranger the word alone, and reasons only who may read everything that they may name.
    pub(super) fn healthy_view(&self, mut health: Health) -> Health {
        let grant = match self {
            Caller::Anybody => return health,
            Caller::Stranger => None,
            Caller::Known(pass) => Some(&pass.grant).filter(|grant| grant.verbs().has(Verb::Read)),
        };
        let Some(grant) = grant else {
            let verdict = health.verdict();
            return Health { checks: vec![Check { name: "instance", verdict, reasons: Vec::new() }] };
        };
        if !grant.covers(&Path::root()) {
            health.checks.iter_mut().for_each(|check| check.reasons.clear());
        }
        health
    }

    /// Whether it is nobody that is known, where that matters.
    pub(super) fn is_stranger(&self) -> bool {
        matches!(self, Caller::Stranger)
    }

    /// How a connection of it begins.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where it may neither follow nor replicate.
    pub(super) fn admission(self, gate: Option<Gate>) -> Result<Admission> {
        match (self, gate) {
            (Caller::Known(pass), Some(gate)) => {
                if !pass.grant.verbs().has(Verb::Replicate) {
                    pass.grant.check_verb(Verb::Read)?;
                }
                Ok(Admission::Known(gate, pass))
            }
            (_, Some(gate)) => Ok(Admission::Stranger(gate)),
            (_, None) => Ok(Admission::Anybody),
        }
    }
}

/// The token of a request; none where it has none.
fn token(headers: &HeaderMap) -> Result<Option<String>> {
    if let Some(shown) = headers.get(header::AUTHORIZATION) {
        let shown = shown.to_str().ok().and_then(|shown| shown.trim().split_once(' '));
        let token =
            shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim().to_owned());
        return token.map(Some).ok_or_else(|| {
            Error::new(Code::Unauthenticated, "the header `Authorization` holds no token")
                .with_hint("send `Authorization: Bearer TOKEN`")
        });
    }
    let is_upgrade = handshake::is_upgrade(headers);
    let found = protocols(headers).find_map(|protocol| protocol.strip_prefix(BEARER)).filter(|_| is_upgrade);
    Ok(found.map(str::to_owned))
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).map(str::trim)
}

/// The subprotocol that is answered with, where one was asked for that is known; never the one with the token.
pub(super) fn spoken(headers: &HeaderMap) -> Option<HeaderValue> {
    protocols(headers).any(|protocol| protocol == PROTOCOL).then(|| HeaderValue::from_static(PROTOCOL))
}
