//! Tokens that somebody else signs, JSON Web Tokens (RFC 7519), checked with keys that lie here: EdDSA over Ed25519 and HS256.
//! Which of both counts is said by the table, never by the token.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::grant::Grant;
use super::role::Roles;
use super::table::{Rights, known, listed, text, wrong};
use super::token::Claims;
use crate::clock::rfc3339;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::limits::MAX_USER_BYTES;
use crate::path::Path;
use crate::value::{Str, Value};

/// How long a token may be.
const MAX_TOKEN_BYTES: usize = 8 << 10;
/// How far the clock of an authority may be from ours, in milliseconds.
const LEEWAY_MS: u64 = 60_000;
/// How short a secret of HS256 may be: as long as its hash (RFC 7518, 3.2).
const LEAST_SECRET_BYTES: usize = 32;
/// How many authorities a table may name, and how many keys each may have: a token costs at most so many checks.
const MAX_ISSUERS: usize = 16;
const MAX_KEYS: usize = 16;
/// What the DER form of an Ed25519 public key begins with (RFC 8410).
const ED25519_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const FIELDS: [&str; 9] =
    ["issuer", "audience", "algorithm", "key_file", "public_key", "roles", "roles_claim", "paths", "documents"];

/// An authority whose tokens are taken.
#[derive(Clone)]
pub(super) struct Issuer {
    /// What its tokens have to say as `iss`, and as `aud`.
    pub(super) name: Str,
    audience: Str,
    algorithm: Algorithm,
    keys: Vec<Key>,
    /// Names its keys.
    pub(super) digest: [u8; 32],
    /// The claim that names roles.
    roles_claim: Option<Str>,
    /// What a subject may do that no principal names.
    pub(super) rights: Rights,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    EdDsa,
    Hs256,
}

#[derive(Clone)]
struct Key {
    /// What tokens call it, where that is known.
    id: Option<Str>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Public(Box<VerifyingKey>),
    Shared(Vec<u8>),
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Algorithm {
    fn as_str(self) -> &'static str {
        match self {
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Hs256 => "HS256",
        }
    }

    /// Whether the header of a token names it; RFC 9864 gives the first another name.
    fn is(self, name: &str) -> bool {
        name == self.as_str() || (self == Algorithm::EdDsa && name == "Ed25519")
    }
}

/// Reads the authorities of a table; `file` reads a key file by its name.
pub(super) fn issuers(
    fields: &crate::value::Map,
    roles: &Roles,
    file: &mut dyn FnMut(&str) -> Result<String>,
) -> Result<Vec<Issuer>> {
    let mut issuers: Vec<Issuer> = Vec::new();
    for (place, value) in listed(fields, &Path::root(), "jwt")? {
        let issuer = Issuer::read(value, &place, roles, file)?;
        if issuers.len() >= MAX_ISSUERS {
            return Err(wrong(&place, &format!("is one too many: there may be {MAX_ISSUERS}")));
        }
        if issuers.iter().any(|other| other.name == issuer.name) {
            return Err(wrong(&place, &format!("has the issuer `{}` of another one", issuer.name)));
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

impl Issuer {
    fn read(
        value: &Value,
        place: &Path,
        roles: &Roles,
        file: &mut dyn FnMut(&str) -> Result<String>,
    ) -> Result<Issuer> {
        let fields = known(value, place, &FIELDS)?;
        let given = |name: &str| fields.get(name).map(|_| text(fields, place, name)).transpose();
        let (name, audience) = (text(fields, place, "issuer")?, text(fields, place, "audience")?);
        let algorithm = match text(fields, place, "algorithm")?.as_str() {
            "EdDSA" => Algorithm::EdDsa,
            "HS256" => Algorithm::Hs256,
            _ => {
                let error = wrong(&place.child("algorithm"), "is `EdDSA` or `HS256`");
                return Err(error.with_hint("other algorithms are not taken: let the authority sign with Ed25519"));
            }
        };
        let (shown, at) = match (given("public_key")?, given("key_file")?) {
            (Some(key), None) if algorithm == Algorithm::EdDsa => (key.to_string(), place.child("public_key")),
            (None, Some(name)) => {
                let at = place.child("key_file");
                (file(&name).map_err(|error| error.with_path(at.clone()))?, at)
            }
            (Some(_), _) if algorithm == Algorithm::Hs256 => {
                return Err(wrong(&place.child("public_key"), "is for `EdDSA`: a secret stands in a `key_file`"));
            }
            _ => return Err(wrong(place, "has one of `key_file` and `public_key`")),
        };
        let keys = keys(&shown, algorithm).map_err(|what| wrong(&at, &what))?;
        let mut hash = Sha256::new();
        for part in [name.as_str(), audience.as_str(), algorithm.as_str(), shown.as_str()] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let rights = Rights::read(fields, place, roles)?;
        let roles_claim = given("roles_claim")?;
        Ok(Issuer { name, audience, algorithm, keys, digest: hash.finalize().into(), roles_claim, rights })
    }

    /// What a subject of it may do that no principal names; none where nobody gave it a role.
    pub(super) fn grant(&self, claims: &Claims, roles: &Roles) -> Option<Grant> {
        let named = claims.roles.iter().filter(|role| roles.verbs(role).is_ok());
        let mut rights = self.rights.clone();
        rights.roles.extend(named.filter(|role| !self.rights.roles.contains(role)).cloned());
        (!rights.roles.is_empty()).then(|| rights.grant(claims.subject.clone(), roles, Some(claims.expires_ms), None))
    }

    fn is_signed(&self, signed: &str, signature: &[u8], id: Option<&str>) -> bool {
        let is_meant = |key: &&Key| key.id.is_none() || id.is_none() || key.id.as_deref() == id;
        self.keys.iter().filter(is_meant).any(|key| match &key.material {
            Material::Public(key) => {
                Signature::from_slice(signature).is_ok_and(|it| key.verify_strict(signed.as_bytes(), &it).is_ok())
            }
            Material::Shared(secret) => Hmac::<Sha256>::new_from_slice(secret)
                .is_ok_and(|mac| mac.chain_update(signed.as_bytes()).verify_slice(signature).is_ok()),
        })
    }
}

/// Whether that is such a token, good or not.
pub(super) fn is_jwt(token: &str) -> bool {
    token.len() <= MAX_TOKEN_BYTES && token.starts_with("eyJ") && token.split('.').count() == 3
}

/// What a token says, once its signature, audience and times are found good.
pub(super) fn verify(issuers: &[Issuer], token: &str, now_ms: u64) -> Result<Claims> {
    let refused = |what: String, hint: &str| Error::new(Code::Unauthenticated, what).with_hint(hint.to_owned());
    let broken = || refused("the JSON Web Token cannot be read".into(), "send it whole, as it was given");
    let (signed, signature) = token.rsplit_once('.').ok_or_else(broken)?;
    let (header, payload) = signed.split_once('.').ok_or_else(broken)?;
    let json = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        parse(std::str::from_utf8(&bytes).ok()?, Format::Json).ok()
    };
    let (header, payload) = json(header).zip(json(payload)).ok_or_else(broken)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| broken())?;
    let said = |value: &Value, name: &str| value.child(name).and_then(Value::as_str).map(Str::from);
    let name = said(&payload, "iss").unwrap_or_default();
    let Some(issuer) = issuers.iter().find(|issuer| issuer.name == name) else {
        let name = shortened(&name);
        return Err(refused(
            format!("tokens of the issuer `{name}` are not taken here"),
            "a `[[jwt]]` of the authentication file names each issuer as `iss` has it",
        ));
    };
    let algorithm = said(&header, "alg").unwrap_or_default();
    if !issuer.algorithm.is(&algorithm) {
        let what = format!("the token is signed by `{}`, not {}", shortened(&algorithm), issuer.algorithm.as_str());
        return Err(refused(what, "the `algorithm` of its `[[jwt]]` alone is taken"));
    }
    if header.child("crit").is_some() {
        return Err(refused("the token asks for what is not known here (`crit`)".into(), "leave it out"));
    }
    if !issuer.is_signed(signed, &signature, said(&header, "kid").as_deref()) {
        let what = format!("no key of the issuer `{}` signed the token", issuer.name);
        return Err(refused(what, "give its `key_file` the key that signs now, and send the token unchanged"));
    }
    let audiences = payload.child("aud");
    let is_meant = |value: &Value| value.as_str() == Some(issuer.audience.as_str());
    if !audiences.is_some_and(|aud| is_meant(aud) || aud.as_list().is_some_and(|list| list.iter().any(is_meant))) {
        let what = format!("the token is not for the audience `{}`", issuer.audience);
        return Err(refused(what, "ask for one whose `aud` is the `audience` of its `[[jwt]]`"));
    }
    let Some(end_ms) = moment(&payload, "exp") else {
        return Err(refused("the token has no end".into(), "ask for one with `exp`, in seconds since 1970"));
    };
    let expires_ms = end_ms.saturating_add(LEEWAY_MS);
    if expires_ms <= now_ms {
        return Err(refused(format!("the token expired at {}", rfc3339(end_ms)), "ask for a new token"));
    }
    if let Some(begin) = moment(&payload, "nbf").filter(|begin| *begin > now_ms.saturating_add(LEEWAY_MS)) {
        return Err(refused(format!("the token is good from {} on", rfc3339(begin)), "wait, or set the clocks (NTP)"));
    }
    let subject = said(&payload, "sub").filter(|subject| {
        !subject.is_empty() && subject.len() <= MAX_USER_BYTES && !subject.chars().any(char::is_control)
    });
    let Some(subject) = subject else {
        return Err(refused(
            format!("the token names nobody: `sub` is a text of 1 to {MAX_USER_BYTES} bytes"),
            "ask for one with a subject",
        ));
    };
    let named = issuer.roles_claim.as_ref().and_then(|claim| payload.child(claim));
    let roles: Vec<Str> = match named {
        // As OAuth 2 writes scopes.
        Some(Value::String(text)) => text.as_str().split_whitespace().map(Str::from).collect(),
        Some(Value::List(list)) => list.iter().filter_map(Value::as_str).map(Str::from).collect(),
        _ => Vec::new(),
    };
    Ok(Claims { issuer: issuer.name.clone(), subject, roles, expires_ms, keys: issuer.digest })
}

/// A moment in milliseconds since 1970, which tokens say in seconds.
fn moment(payload: &Value, name: &str) -> Option<u64> {
    let seconds = payload.child(name)?.as_f64().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
    Some((seconds.min(1e14) * 1_000.0) as u64)
}

/// As much of what a stranger wrote as an error repeats.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The keys of a file: PEM, a JSON Web Key or a set of them, the base64 of a public key, or a secret as it stands.
fn keys(text: &str, algorithm: Algorithm) -> Result<Vec<Key>, String> {
    let text = text.trim();
    let keys = if text.starts_with('{') {
        web_keys(text, algorithm)?
    } else if text.contains("-----BEGIN") {
        pem(text, algorithm)?
    } else {
        let material = match algorithm {
            Algorithm::EdDsa => public(&URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_default())?,
            Algorithm::Hs256 => shared(text.as_bytes().to_vec())?,
        };
        vec![Key { id: None, material }]
    };
    match keys.len() {
        0 => Err(format!("holds no key for {}", algorithm.as_str())),
        1..=MAX_KEYS => Ok(keys),
        _ => Err(format!("holds more than {MAX_KEYS} keys")),
    }
}

fn web_keys(text: &str, algorithm: Algorithm) -> Result<Vec<Key>, String> {
    let value = parse(text, Format::Json).map_err(|_| "is no JSON".to_owned())?;
    let (listed, is_set) = match value.child("keys").and_then(Value::as_list) {
        Some(list) => (list.iter().cloned().collect(), true),
        None => (vec![value], false),
    };
    let mut keys = Vec::new();
    for key in listed {
        let said = |name: &str| key.child(name).and_then(Value::as_str);
        let bytes = |name: &str| said(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default();
        let is_other = match algorithm {
            Algorithm::EdDsa => said("kty") != Some("OKP") || said("crv") != Some("Ed25519"),
            Algorithm::Hs256 => said("kty") != Some("oct"),
        };
        // A set holds keys for other uses too.
        if is_set && (is_other || said("use").is_some_and(|what| what != "sig")) {
            continue;
        }
        if is_other {
            return Err(format!("is no key for {}", algorithm.as_str()));
        }
        if algorithm == Algorithm::EdDsa && key.child("d").is_some() {
            return Err("holds the private key: only the authority has that; leave out `d`".to_owned());
        }
        let material = match algorithm {
            Algorithm::EdDsa => public(&bytes("x"))?,
            Algorithm::Hs256 => shared(bytes("k"))?,
        };
        keys.push(Key { id: said("kid").map(Str::from), material });
    }
    Ok(keys)
}

fn pem(text: &str, algorithm: Algorithm) -> Result<Vec<Key>, String> {
    if algorithm == Algorithm::Hs256 {
        return Err("is no secret for HS256: a public key is for EdDSA".to_owned());
    }
    if text.contains("PRIVATE KEY-----") {
        return Err("holds the private key: only the authority has that; write `openssl pkey -pubout`".to_owned());
    }
    let blocks = text.split("-----BEGIN PUBLIC KEY-----").skip(1);
    let read = blocks.map(|block| {
        let body = block.split("-----END").next().unwrap_or_default();
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| "is no PEM".to_owned())?;
        let bytes = der.strip_prefix(&ED25519_DER).ok_or("is no Ed25519 public key")?;
        Ok(Key { id: None, material: public(bytes)? })
    });
    read.collect()
}

fn public(bytes: &[u8]) -> Result<Material, String> {
    let key = <[u8; 32]>::try_from(bytes).ok().and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
    let key = key
        .filter(|key| !key.is_weak())
        .ok_or("is no Ed25519 public key: PEM, a JSON Web Key, or base64 of 32 bytes")?;
    Ok(Material::Public(Box::new(key)))
}

fn shared(secret: Vec<u8>) -> Result<Material, String> {
    if secret.len() < LEAST_SECRET_BYTES {
        return Err(format!("holds a secret that is shorter than {LEAST_SECRET_BYTES} bytes"));
    }
    Ok(Material::Shared(secret))
}
