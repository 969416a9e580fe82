use std::collections::BTreeMap;

use super::*;
use crate::error::Result;
use crate::format::{Format, parse};
use crate::pattern::Pattern;
use crate::value::Value;

const NOW_MS: u64 = 1_614_265_330_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn check(secrets: &str, headers: &[(&str, &str)], body: &[u8], now_ms: u64) -> Result<Delivery> {
    let headers: BTreeMap<&str, &str> = headers.iter().copied().collect();
    verify(&Secrets::parse(secrets).unwrap(), &|name| headers.get(name).copied(), body, now_ms)
}

fn standard(signature: &str) -> [(&str, &str); 3] {
    [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", signature),
    ]
}

const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

#[test]
fn the_published_example_is_believed_and_nothing_that_differs_by_a_bit() {
    let found = check(SECRET, &standard(SIGNED), BODY, NOW_MS).unwrap();
    assert_eq!(
        (found.id.as_str(), found.principal.as_str()),
        ("standard:msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook:default")
    );
    assert_eq!(found.until_ms, NOW_MS + 600_000);
    let svix = standard(SIGNED).map(|(name, text)| (name.replace("webhook", "svix"), text));
    let svix: Vec<(&str, &str)> = svix.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    assert!(check(SECRET, &svix, BODY, NOW_MS).is_ok(), "Svix sends the same under its own names");
    for at in 0..BODY.len() {
        let mut body = BODY.to_vec();
        body[at] ^= 1;
        assert!(check(SECRET, &standard(SIGNED), &body, NOW_MS).is_err(), "byte {at}");
    }
    for (at, other) in [(0, "msg_other"), (1, "1614265331")] {
        let mut headers = standard(SIGNED);
        headers[at].1 = other;
        assert!(check(SECRET, &headers, BODY, NOW_MS).is_err(), "{other}");
    }
    for signature in ["", "v1,", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "g0hM", "v1,!!", "v1a,g0hM9SsE"] {
        assert!(check(SECRET, &standard(signature), BODY, NOW_MS).is_err(), "{signature}");
    }
    let error = check(SECRET, &[], BODY, NOW_MS).unwrap_err();
    assert_eq!(error.message(), "the request is not signed");
    assert!(check("", &standard(SIGNED), BODY, NOW_MS).is_err(), "without a secret nobody is believed");
}

#[test]
fn a_request_is_believed_for_five_minutes_either_way() {
    for (now_ms, is_believed) in
        [(NOW_MS + 300_000, true), (NOW_MS + 300_001, false), (NOW_MS - 300_000, true), (NOW_MS - 300_001, false)]
    {
        let found = check(SECRET, &standard(SIGNED), BODY, now_ms);
        assert_eq!(found.is_ok(), is_believed, "{now_ms}");
        if let Err(error) = found {
            assert!(error.message().contains("more than 300 s"), "{error}");
        }
    }
    for time in ["", "-1", "+1614265330", " 1614265330", "99999999999999999999999"] {
        let mut headers = standard(SIGNED);
        headers[1].1 = time;
        assert!(check(SECRET, &headers, BODY, NOW_MS).is_err(), "{time}");
    }
}

#[test]
fn old_and_new_secrets_are_believed_side_by_side_by_their_names() {
    let both =
        format!("# rotated in March\nbuild=whsec_{}\ndeploy={SECRET}, a text of many characters", "A".repeat(32));
    let found = check(&both, &standard(SIGNED), BODY, NOW_MS).unwrap();
    assert_eq!(found.principal.as_str(), "webhook:deploy");
    let two = format!("v1,{} {SIGNED}", "A".repeat(43) + "=");
    assert!(check(SECRET, &standard(&two), BODY, NOW_MS).is_ok(), "a sender signs with both while it changes them");
    let many = format!("{}{SIGNED}", "v1,AAAA ".repeat(8));
    assert!(check(SECRET, &standard(&many), BODY, NOW_MS).is_err(), "not without end");
}

#[test]
fn a_sender_may_sign_with_a_key_of_its_own() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ed25519_dalek::{Signer, SigningKey};
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = format!("own=whpk_{}", STANDARD.encode(key.verifying_key().as_bytes()));
    let signed = [b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.".as_slice(), BODY].concat();
    let signature = format!("v1a,{}", STANDARD.encode(key.sign(&signed).to_bytes()));
    let found = check(&public, &standard(&signature), BODY, NOW_MS).unwrap();
    assert_eq!(found.principal.as_str(), "webhook:own");
    assert!(check(&public, &standard(&signature), b"{}", NOW_MS).is_err());
    assert!(check(&public, &standard(SIGNED), BODY, NOW_MS).is_err());
}

#[test]
fn the_ways_of_github_and_stripe_are_understood() {
    // The example of GitHub's documentation.
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = [("x-hub-signature-256", signature), ("x-github-delivery", "72d3162e-cc78-11e3")];
    let found = check("It's a Secret to Everybody", &headers, b"Hello, World!", 0).unwrap();
    assert_eq!(found.id.as_str(), "github:72d3162e-cc78-11e3");
    assert!(check("It's a Secret to Everybody", &headers, b"Hello, World?", 0).is_err());
    assert!(check("It's a Secret to Everybody", &[("x-hub-signature-256", "sha1=00")], b"", 0).is_err());
    let mac = |secret: &str, signed: &str| {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let body = r#"{"id": "evt_1", "config_name": "a"}"#;
    let signed = mac(SECRET, &format!("1614265330.{body}"));
    let header = format!("t=1614265330,v1={},v1={signed},v0=00", "0".repeat(64));
    let found = check(SECRET, &[("stripe-signature", &header)], body.as_bytes(), NOW_MS).unwrap();
    assert_eq!(found.id.as_str(), "stripe:evt_1");
    assert!(check(SECRET, &[("stripe-signature", &header)], body.as_bytes(), NOW_MS + 400_000).is_err());
    assert!(check(SECRET, &[("stripe-signature", &format!("v1={signed}"))], body.as_bytes(), NOW_MS).is_err());
}

#[test]
fn secrets_that_are_none_are_refused_by_number_and_never_shown() {
    for (text, says) in [
        ("short=hunter2", "number 1 (`short`) is shorter than 16 bytes"),
        ("a=0123456789abcdef\nb=whsec_h%nter2", "number 2 (`b`) is no base64"),
        ("whpk_aHVudGVyMg==", "(`default`) is no Ed25519 public key"),
    ] {
        let error = Secrets::parse(text).unwrap_err();
        assert!(error.message().contains(says) && !error.message().contains("nter2"), "{error}");
    }
    assert!(Secrets::parse("# nothing\n\n ,").unwrap().is_empty());
    assert_eq!(format!("{:?}", Secrets::parse("a=0123456789abcdef").unwrap()), "Secrets(1)");
    // Padding is no name.
    assert!(Secrets::parse("MDEyMzQ1Njc4OWFiY2RlZg==").is_ok());
}

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

#[test]
fn a_body_says_which_document_what_and_how() {
    let read = |text: &str| Payload::parse(text.as_bytes());
    let found = read(r#"{"config_name": "app", "config_data": {"a": 1}, "id": "x"}"#).unwrap();
    assert_eq!(found, Payload { name: "app".into(), data: json(r#"{"a":1}"#), mode: Mode::Merge });
    assert_eq!(read(r#"{"config_name":"app","config_data":{},"mode":"replace"}"#).unwrap().mode, Mode::Replace);
    for (text, says) in [
        ("{", "body"),
        ("[]", "no map"),
        ("{}", "Missing required fields"),
        (r#"{"config_name":"a"}"#, "Missing required fields"),
        (r#"{"config_name":3,"config_data":{}}"#, "`config_name` is no name"),
        (r#"{"config_name":"a","config_data":[]}"#, "`config_data` is no map"),
        (r#"{"config_name":"a","config_data":{},"mode":"x"}"#, "`mode` is `patch` or `replace`"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
    assert!(Payload::parse(b"\xff").is_err());
}

#[test]
fn a_sender_changes_what_it_may_and_nothing_besides() {
    let may = [Pattern::parse("app.features.*").unwrap(), Pattern::parse("app.limit").unwrap()];
    let document = json(r#"{"app":{"features":{"a":1,"b":{"c":2}},"limit":5,"host":"h"},"db":1}"#);
    let allowed = |data: &str, mode| {
        check_allowed(&document, &Payload { name: "x".into(), data: json(data), mode }, &may).is_ok()
    };
    for (data, is_allowed) in [
        (r#"{"app":{"limit":6}}"#, true),
        (r#"{"app":{"features":{"new":true,"a":null}}}"#, true),
        (r#"{"app":{"features":null}}"#, true),
        (r#"{"app":null}"#, false),
        (r#"{"app":3}"#, false),
        (r#"{"app":{"host":null}}"#, false),
        (r#"{"app":{"limit":6},"db":2}"#, false),
        (r#"{"nothing":null}"#, true),
        ("{}", true),
    ] {
        assert_eq!(allowed(data, Mode::Merge), is_allowed, "{data}");
    }
    assert!(!allowed(r#"{"db":1}"#, Mode::Replace) && allowed(r#"{"app":{"limit":1}}"#, Mode::Replace));
    let data = json(r#"{"app":{"features":{"z":1}}}"#);
    assert_eq!(replacing(&document, &data, &may), json(r#"{"app":{"features":{"z":1},"host":"h"},"db":1}"#));
    assert_eq!(replacing(&document, &data, &[Pattern::parse("**").unwrap()]), data);
}
