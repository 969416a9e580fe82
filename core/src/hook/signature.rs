//! Who sent a request: Standard Webhooks 1.0.0 (`v1`, `v1a`), and the ways of GitHub and Stripe.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secrets::{Key, Secret, Secrets};
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::value::{Str, Value};

/// How far the time of a request may be from ours, in milliseconds.
pub const TOLERANCE_MS: u64 = 300_000;
/// How long the id of a delivery may be.
const MAX_ID_BYTES: usize = 256;
/// How many signatures of a request are looked at: each costs work before anybody is known.
const MAX_SIGNATURES: usize = 8;

/// A request of a known sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What tells it from others; one that comes again has it again.
    pub id: Str,
    /// Who sent it: `webhook:` and the name of the secret.
    pub principal: Str,
    /// Until when its id is remembered, in milliseconds since 1970: longer than it would be believed again.
    pub until_ms: u64,
}

/// A header, by its name in lower case.
type Header<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// Whether a request comes from who has one of the secrets, and now.
///
/// # Errors
/// [`Code::Usage`] where it does not say so, says so wrongly, or says it of another time.
pub fn verify<'a>(secrets: &Secrets, header: Header<'a>, body: &[u8], wall_ms: u64) -> Result<Delivery> {
    let standard = ["webhook", "svix"].into_iter().find(|prefix| header(&format!("{prefix}-signature")).is_some());
    let found = if let Some(prefix) = standard {
        standard_webhook(secrets, prefix, header, body)?
    } else if let Some(signature) = header("x-hub-signature-256") {
        github(secrets, signature, header, body)?
    } else if let Some(signature) = header("stripe-signature") {
        stripe(secrets, signature, body)?
    } else {
        return Err(Error::new(Code::Usage, "the request is not signed").with_hint(
            "send `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks), `x-hub-signature-256` or \
             `stripe-signature`",
        ));
    };
    let Found { id, name, sent_s } = found;
    if let Some(sent_s) = sent_s {
        let sent_ms = sent_s.saturating_mul(1_000);
        if sent_ms.abs_diff(wall_ms) > TOLERANCE_MS {
            let seconds = sent_ms.abs_diff(wall_ms) / 1_000;
            let side = if sent_ms > wall_ms { "ahead of" } else { "behind" };
            let message = format!("the request's time is {seconds} s {side} ours, more than 300 s");
            return Err(Error::new(Code::Usage, message).with_hint("sign it anew, or set the clocks (NTP)"));
        }
    }
    if id.is_empty() || id.len() > MAX_ID_BYTES || id.chars().any(char::is_control) {
        return Err(Error::new(Code::Usage, format!("the id of a delivery has 1 to {MAX_ID_BYTES} bytes")));
    }
    let until_ms = wall_ms.saturating_add(2 * TOLERANCE_MS);
    Ok(Delivery { id: id.into(), principal: format!("webhook:{name}").into(), until_ms })
}

struct Found {
    id: String,
    name: Str,
    /// When it was signed, in seconds; none where the scheme does not say.
    sent_s: Option<u64>,
}

fn standard_webhook<'a>(secrets: &Secrets, prefix: &str, header: Header<'a>, body: &[u8]) -> Result<Found> {
    let needs = |name: &str| {
        let name = format!("{prefix}-{name}");
        header(&name).ok_or_else(|| Error::new(Code::Usage, format!("the header `{name}` is missing")))
    };
    let (id, sent, signatures) = (needs("id")?, needs("timestamp")?, needs("signature")?);
    let sent_s: u64 = seconds(sent)?;
    let signed = [id.as_bytes(), b".", sent.as_bytes(), b".", body];
    let given: Vec<(&str, Vec<u8>)> = signatures
        .split(' ')
        .take(MAX_SIGNATURES)
        .filter_map(|one| one.split_once(','))
        .filter_map(|(version, signature)| Some((version, STANDARD.decode(signature).ok()?)))
        .collect();
    let fits = |secret: &Secret| {
        given.iter().any(|(version, signature)| match (&secret.key, *version) {
            (Key::Shared { bytes, .. }, "v1") => is_mac(bytes, &signed, signature),
            (Key::Public(key), "v1a") => {
                let signature = Signature::from_slice(signature);
                signature.is_ok_and(|signature| key.verify_strict(&signed.concat(), &signature).is_ok())
            }
            _ => false,
        })
    };
    let name = known(secrets, fits)?;
    Ok(Found { id: format!("standard:{id}"), name, sent_s: Some(sent_s) })
}

/// GitHub's way has no time: who records a request can send it again under another id, which TLS keeps from strangers.
fn github<'a>(secrets: &Secrets, signature: &str, header: Header<'a>, body: &[u8]) -> Result<Found> {
    let given = signature.strip_prefix("sha256=").and_then(from_hex);
    let given =
        given.ok_or_else(|| Error::new(Code::Usage, "`x-hub-signature-256` is `sha256=` and hexadecimal digits"))?;
    let name = known(secrets, |secret| match &secret.key {
        Key::Shared { text, .. } => is_mac(text.as_bytes(), &[body], &given),
        Key::Public(_) => false,
    })?;
    Ok(Found { id: format!("github:{}", header("x-github-delivery").unwrap_or(signature)), name, sent_s: None })
}

fn stripe(secrets: &Secrets, header: &str, body: &[u8]) -> Result<Found> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let sent = parts().find(|(name, _)| *name == "t").map(|(_, sent)| sent);
    let sent = sent.ok_or_else(|| Error::new(Code::Usage, "`stripe-signature` has no time (`t=…`)"))?;
    let sent_s = seconds(sent)?;
    let signed = [sent.as_bytes(), b".", body];
    let given: Vec<Vec<u8>> =
        parts().filter(|(name, _)| *name == "v1").take(MAX_SIGNATURES).filter_map(|(_, hex)| from_hex(hex)).collect();
    let name = known(secrets, |secret| match &secret.key {
        Key::Shared { text, .. } => given.iter().any(|given| is_mac(text.as_bytes(), &signed, given)),
        Key::Public(_) => false,
    })?;
    // An event says its id itself, and keeps it where it is sent again under another time.
    let text = std::str::from_utf8(body).ok().and_then(|text| parse(text, Format::Json).ok());
    let id = text.as_ref().and_then(|body| body.child("id")).and_then(Value::as_str).map(str::to_owned);
    let id = id.unwrap_or_else(|| header.chars().filter(|c| !c.is_whitespace()).take(MAX_ID_BYTES / 2).collect());
    Ok(Found { id: format!("stripe:{id}"), name, sent_s: Some(sent_s) })
}

/// The name of the secret that fits; all of them are tried, so that how long it takes tells nothing.
fn known(secrets: &Secrets, fits: impl Fn(&Secret) -> bool) -> Result<Str> {
    let found: Vec<&Secret> = secrets.iter().filter(|secret| fits(secret)).collect();
    found.first().map(|secret| secret.name.clone()).ok_or_else(|| {
        Error::new(Code::Usage, "no secret fits the signature of the request")
            .with_hint("the body has to be signed as it is sent, byte for byte, with a secret that this instance knows")
    })
}

fn is_mac(key: &[u8], signed: &[&[u8]], given: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    signed.iter().for_each(|part| mac.update(part));
    mac.verify_slice(given).is_ok()
}

impl Secrets {
    /// The signatures of a request that is sent, one for each secret that both sides have: what `webhook-signature` says.
    ///
    /// ```
    /// use confmesh::hook::Secrets;
    /// let secrets = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    /// // The example of Standard Webhooks 1.0.0.
    /// let signed = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    /// assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn sign(&self, id: &str, sent_s: u64, body: &[u8]) -> String {
        let sent = sent_s.to_string();
        let signed = self.iter().filter_map(|secret| {
            let Key::Shared { bytes, .. } = &secret.key else { return None };
            let mut mac = Hmac::<Sha256>::new_from_slice(bytes).ok()?;
            [id.as_bytes(), b".", sent.as_bytes(), b".", body].into_iter().for_each(|part| mac.update(part));
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        });
        signed.collect::<Vec<_>>().join(" ")
    }
}

fn seconds(text: &str) -> Result<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| Error::new(Code::Usage, "the time of the request is no number of seconds since 1970"))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some((digit(*pair.first()?)? << 4) | digit(*pair.get(1)?)?)).collect()
}
