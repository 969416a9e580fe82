//! Tokens that an authority signs, and everything that is none.
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;
use crate::value::Str;

const SECRET: &str = "a secret that is long enough for it";
const ISSUER: &str = "https://login.example";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(canonical(value))
}

fn signed(header: &str, payload: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", encoded(&json(header)), encoded(&json(payload)));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn by_ed25519(payload: &str) -> String {
    signed(r#"{"alg":"EdDSA","typ":"JWT"}"#, payload, |text| key(1).sign(text).to_bytes().to_vec())
}

fn by_secret(payload: &str) -> String {
    signed(r#"{"alg":"HS256"}"#, payload, |text| {
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.chain_update(text).finalize().into_bytes().to_vec()
    })
}

/// What a good token says, and more.
fn said(more: &str) -> String {
    let end = NOW / 1_000 + 600;
    format!(r#"{{"iss":"{ISSUER}","aud":"confmesh","sub":"ann","exp":{end}{more}}}"#)
}

fn section(algorithm: &str, more: &str) -> String {
    let key_line = match algorithm {
        "EdDSA" => format!("public_key = \"{}\"", URL_SAFE_NO_PAD.encode(key(1).verifying_key().as_bytes())),
        _ => "key_file = \"login.secret\"".to_owned(),
    };
    format!(
        "[[jwt]]\nissuer = \"{ISSUER}\"\naudience = \"confmesh\"\nalgorithm = \"{algorithm}\"\n{key_line}\n{more}\n"
    )
}

/// A table beside whose text a key file lies.
fn beside(text: &str, file: &str) -> crate::Result<Table> {
    Table::read(&parse(text, Format::Toml).unwrap(), &mut |_| Ok(file.to_owned()))
}

fn comes_in(table: &Table, token: &str, now_ms: u64) -> crate::Result<std::sync::Arc<Grant>> {
    table.grant(&table.proof(token, now_ms)?, now_ms)
}

#[test]
fn whom_an_authority_names_is_its_principal_or_has_the_roles_of_everybody() {
    for (algorithm, make) in [("EdDSA", by_ed25519 as fn(&str) -> String), ("HS256", by_secret)] {
        let roles = "roles = [\"reader\"]\nroles_claim = \"scope\"\npaths = [\"app.*\"]\n[[role]]\nname = \"ops\"\nverbs = [\"operate\"]";
        let table = beside(&section(algorithm, roles), SECRET).unwrap();
        let grant = comes_in(&table, &make(&said("")), NOW).unwrap();
        assert_eq!((grant.principal().as_str(), grant.roles()), ("ann", &[Str::from("reader")][..]));
        assert!(grant.covers(&path("app.a")) && !grant.covers(&path("db")), "its paths are those of the authority");
        assert_eq!(grant.expires_ms(), Some(NOW + 660_000), "a minute more than the token says: clocks differ");
        for named in [r#","scope":"ops unknown reader""#, r#","scope":["ops",7,"unknown"]"#] {
            let grant = comes_in(&table, &make(&said(named)), NOW).unwrap();
            assert_eq!(grant.roles(), ["reader", "ops"].map(Str::from), "{named}");
            assert!(grant.verbs().has(Verb::Operate) && !grant.verbs().has(Verb::Write));
        }
        let known =
            "[[principal]]\nname = \"Ann\"\nsub = \"ann\"\nroles = [\"writer\"]\nexpires = \"2027-01-15T08:05:00Z\"";
        let table = beside(&format!("{}{known}", section(algorithm, "")), SECRET).unwrap();
        let grant = comes_in(&table, &make(&said("")), NOW).unwrap();
        assert_eq!(
            (grant.principal().as_str(), grant.expires_ms()),
            ("Ann", Some(NOW + 300_000)),
            "whichever ends first"
        );
        assert!(grant.verbs().has(Verb::Write));
        let other = make(&said("").replace("\"ann\"", "\"bob\""));
        assert!(comes_in(&table, &other, NOW).unwrap_err().message().contains("has no role here"));
    }
}

#[test]
fn what_is_not_signed_for_here_and_now_is_refused_and_says_why() {
    let table = table(&section("EdDSA", "roles = [\"admin\"]")).unwrap();
    let refused = |token: &str, why: &str| {
        let error = comes_in(&table, token, NOW).unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated, "{token}");
        assert!(error.message().contains(why), "{token}: {}", error.message());
    };
    let good = by_ed25519(&said(""));
    assert!(comes_in(&table, &good, NOW).is_ok());
    let with = |header: &str| signed(header, &said(""), |text| key(1).sign(text).to_bytes().to_vec());
    refused(&signed(r#"{"alg":"none"}"#, &said(""), |_| Vec::new()), "signed by `none`");
    // The public key as a secret: the oldest trick.
    let public = key(1).verifying_key();
    let confused = signed(r#"{"alg":"HS256"}"#, &said(""), |text| {
        let mac = Hmac::<Sha256>::new_from_slice(public.as_bytes()).unwrap();
        mac.chain_update(text).finalize().into_bytes().to_vec()
    });
    refused(&confused, "signed by `HS256`");
    refused(&with(r#"{"alg":"eddsa"}"#), "signed by `eddsa`");
    refused(&with(r#"{"alg":"EdDSA","crit":["exp"]}"#), "crit");
    refused(&signed(r#"{"alg":"EdDSA"}"#, &said(""), |text| key(2).sign(text).to_bytes().to_vec()), "no key of");
    refused(&signed(r#"{"alg":"EdDSA"}"#, &said(""), |_| vec![0; 64]), "no key of");
    refused(&signed(r#"{"alg":"EdDSA"}"#, &said(""), |_| Vec::new()), "no key of");
    let [header, _, signature] = [0, 1, 2].map(|at| good.split('.').nth(at).unwrap());
    let other = encoded(&json(&said("").replace("ann", "root")));
    refused(&format!("{header}.{other}.{signature}"), "no key of");
    refused(&format!("{good}="), "cannot be read");
    refused(&format!("eyJ.{}.{}", "x", "y"), "cannot be read");
    for (instead, why) in [
        (said("").replace(ISSUER, "https://other.example"), "are not taken here"),
        (said("").replace("\"confmesh\"", "\"other\""), "not for the audience"),
        (said("").replace("\"confmesh\"", "[\"other\"]"), "not for the audience"),
        (said("").replace("\"ann\"", "7"), "names nobody"),
        (said("").replace("\"ann\"", "\"a\\u0000\""), "names nobody"),
        (said(r#","nbf":1900000000"#), "is good from 2030"),
        (format!(r#"{{"iss":"{ISSUER}","aud":"confmesh","sub":"ann"}}"#), "has no end"),
        (format!(r#"{{"iss":"{ISSUER}","aud":"confmesh","sub":"ann","exp":"9999999999"}}"#), "has no end"),
    ] {
        refused(&by_ed25519(&instead), why);
    }
    assert!(comes_in(&table, &by_ed25519(&said("").replace("\"confmesh\"", "[\"x\",\"confmesh\"]")), NOW).is_ok());
    let ended = comes_in(&table, &good, NOW + 660_000).unwrap_err();
    assert!(ended.message().contains("expired"), "{}", ended.message());
    // A token of the table is one, whatever it looks like; a long text is none.
    refused(&format!("eyJ{}.a.b", "x".repeat(10_000)), "not known here");
    refused("cm_no", "not known here");
    assert!(!format!("{table:?}").contains(SECRET));
}

#[test]
fn an_authority_cannot_speak_for_who_comes_in_another_way_and_other_keys_end_what_they_let_in() {
    let both = format!("{}{}", principal("\"writer\"", ""), section("EdDSA", "roles = [\"reader\"]"));
    let error = comes_in(&table(&both).unwrap(), &by_ed25519(&said("")), NOW).unwrap_err();
    assert!(error.message().contains("comes in another way"), "{}", error.message());
    let before = beside(&section("HS256", "roles = [\"reader\"]"), SECRET).unwrap();
    let proof = before.proof(&by_secret(&said("")), NOW).unwrap();
    assert!(before.grant(&proof, NOW).is_ok());
    let after = beside(&section("HS256", "roles = [\"reader\"]"), &format!("{SECRET}!")).unwrap();
    assert!(after.grant(&proof, NOW).unwrap_err().message().contains("have changed"));
    assert_ne!(before.digest(), after.digest());
}

#[test]
fn keys_are_read_in_the_forms_that_people_have_them() {
    let public = |seed: u8| key(seed).verifying_key().to_bytes();
    let der =
        |seed: u8| STANDARD.encode([&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &public(seed)].concat());
    let pem = |seed: u8| format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", der(seed));
    let web = |seed: u8, more: &str| {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"{more}}}"#, URL_SAFE_NO_PAD.encode(public(seed)))
    };
    let with_file = |file: &str| {
        let text = format!(
            "[[jwt]]\nissuer = \"{ISSUER}\"\naudience = \"confmesh\"\nalgorithm = \"EdDSA\"\nkey_file = \"k\"\nroles = [\"reader\"]"
        );
        beside(&text, file)
    };
    let (rsa, other) = (r#"{"kty":"RSA","n":"x","e":"AQAB"}"#, r#","kid":"two","use":"enc""#);
    for good in [
        pem(1),
        format!("# two of them\n{}{}", pem(2), pem(1)),
        web(1, ""),
        web(1, r#","kid":"one","use":"sig""#),
        format!(r#"{{"keys":[{rsa},{},{}]}}"#, web(2, other), web(1, "")),
        format!("{}\n", URL_SAFE_NO_PAD.encode(public(1))),
    ] {
        let table = with_file(&good).unwrap_or_else(|error| panic!("{good}: {error}"));
        assert!(comes_in(&table, &by_ed25519(&said("")), NOW).is_ok(), "{good}");
    }
    for (bad, why) in [
        (String::new(), "no Ed25519 public key"),
        ("{".to_owned(), "no JSON"),
        (rsa.to_owned(), "no key for EdDSA"),
        (format!(r#"{{"keys":[{rsa}]}}"#), "no key for EdDSA"),
        (web(1, r#","d":"x""#), "private key"),
        ("-----BEGIN PRIVATE KEY-----\nMC4\n-----END PRIVATE KEY-----".to_owned(), "private key"),
        ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----".to_owned(), "no Ed25519 public key"),
        (
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, URL_SAFE_NO_PAD.encode([0; 32])),
            "no Ed25519 public key",
        ),
        (format!(r#"{{"keys":[{}]}}"#, vec![web(1, ""); 17].join(",")), "more than 16"),
    ] {
        let error = with_file(&bad).unwrap_err();
        assert!(error.message().contains(why) && error.message().contains("jwt.0.key_file"), "{bad}: {error}");
    }
    // A token that names its key is checked with that one alone.
    let table = with_file(&web(1, r#","kid":"one""#)).unwrap();
    let named = |kid: &str| {
        signed(&format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#), &said(""), |text| key(1).sign(text).to_bytes().to_vec())
    };
    assert!(comes_in(&table, &named("one"), NOW).is_ok() && comes_in(&table, &named("two"), NOW).is_err());
}

#[test]
fn a_section_that_means_nothing_is_refused_with_the_way() {
    for (text, why) in [
        (section("RS256", "public_key = \"x\""), "is `EdDSA` or `HS256`"),
        (section("EdDSA", "key_file = \"k\""), "has one of `key_file` and `public_key`"),
        (section("HS256", "").replace("key_file", "public_key"), "a secret stands in a `key_file`"),
        (section("EdDSA", "roles = [\"raeder\"]"), "no role `raeder`"),
        (section("EdDSA", "rolls = [\"reader\"]"), "nothing that is known here"),
        (section("EdDSA", "").replace("audience = \"confmesh\"", ""), "`jwt.0.audience` is a text"),
        (section("EdDSA", "").repeat(2), "of another one"),
        ("[[principal]]\nname = \"a\"\nsub = \"a\"\nroles = [\"reader\"]".to_owned(), "needs a `[[jwt]]`"),
        (
            format!(
                "{}[[principal]]\nname = \"a\"\nsub = \"a\"\niss = \"x\"\nroles = [\"reader\"]",
                section("EdDSA", "")
            ),
            "of no `[[jwt]]`",
        ),
        (
            format!("{}[[principal]]\nname = \"a\"\niss = \"x\"\nroles = [\"reader\"]", section("EdDSA", "")),
            "of no use without `sub`",
        ),
    ] {
        let error = beside(&text, SECRET).unwrap_err();
        assert!(error.message().contains(why), "{text}: {}", error.message());
    }
    assert!(beside(&section("HS256", ""), "short").unwrap_err().message().contains("shorter than 32 bytes"));
    assert!(table(&section("HS256", "")).unwrap_err().message().contains("there is no file"));
}
