//! What tables say, and what grants show.
use super::*;
use crate::canonical::canonical;
use crate::error::Code;
use crate::format::{Format, parse};
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::{Policy, Rule};
use crate::value::Value;

mod jwt;

const NOW: u64 = 1_800_000_000_000;

fn table(text: &str) -> crate::Result<Table> {
    Table::from_value(&parse(text, Format::Toml).unwrap())
}

fn principal(roles: &str, more: &str) -> String {
    let hash = token_hash(&token([1; 32]));
    format!("[[principal]]\nname = \"ann\"\ntoken_sha256 = \"{hash}\"\nroles = [{roles}]\n{more}\n")
}

fn grant(roles: &str, more: &str) -> Grant {
    let table = table(&principal(roles, more)).unwrap();
    Grant::clone(&table.grant(&Proof::of_token(&token([1; 32])), NOW).unwrap())
}

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[test]
fn roles_are_sets_of_verbs() {
    let name = DocumentName::default_name();
    for (role, verbs) in [
        ("\"reader\"", &[Verb::Read][..]),
        ("\"secret-reader\"", &[Verb::Read, Verb::ReadSecrets]),
        ("\"writer\"", &[Verb::Read, Verb::Write, Verb::Resolve, Verb::Lock]),
        ("\"peer\"", &[Verb::Read, Verb::Write, Verb::Replicate]),
        ("\"admin\"", &Verb::ALL),
        ("\"reader\", \"operator\"", &[Verb::Read, Verb::Operate]),
    ] {
        let found = grant(role, "[[role]]\nname = \"operator\"\nverbs = [\"operate\"]");
        for verb in Verb::ALL {
            assert_eq!(found.check(verb, &name).is_ok(), verbs.contains(&verb), "{role} {}", verb.as_str());
        }
    }
    let refused = grant("\"reader\"", "").check(Verb::Write, &name).unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Forbidden, "`ann` may not write"));
}

#[test]
fn who_shows_a_token_is_its_principal_until_it_ends() {
    let known = table(&principal("\"reader\"", "expires = \"2027-01-15T08:00:00Z\"")).unwrap();
    let proof = Proof::of_token(&format!("{}\n", token([1; 32])));
    assert_eq!(known.grant(&proof, NOW - 1).unwrap().principal(), "ann");
    assert_eq!(known.grant(&proof, NOW).unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(known.grant(&Proof::of_token("cm_other"), 0).unwrap_err().code(), Code::Unauthenticated);
    let named = table("[[principal]]\nname = \"hub\"\nsan = \"hub.example\"\nroles = [\"peer\"]\n").unwrap();
    assert!(named.grant(&Proof::Names(vec!["x.example".into(), "hub.example".into()]), NOW).is_ok());
    assert!(named.grant(&Proof::Names(vec!["x.example".into()]), NOW).is_err());
}

#[test]
fn a_table_that_says_what_nobody_knows_is_refused_with_its_place() {
    let hash = token_hash("x");
    for (text, why) in [
        ("[[principals]]\n", "`principals` is nothing that is known here"),
        ("principal = 1", "`principal` is a list: write `[[principal]]` in TOML"),
        ("[[principal]]\nroles = []", "`principal.0.name` is a text, and has to be there"),
        (
            "[[principal]]\nname = \"a\"\nroles = [\"reader\"]",
            "`principal.0` has neither `token_sha256` nor `san` nor `sub`: nobody could be it",
        ),
        ("[[principal]]\nname = \"a\"\nsan = \"a\"", "`principal.0` has no `roles`"),
        ("[[principal]]\nname = \"a\"\nsan = \"a\"\nroles = [\"raeder\"]", "there is no role `raeder`"),
        (
            "[[principal]]\nname = \"a\"\nsan = \"a\"\nroles = [\"reader\"]\npaths = [\"a..b\"]",
            "cannot read pattern `a..b`: a segment is empty",
        ),
        (
            "[[principal]]\nname = \"a\"\nsan = \"a\"\nroles = [\"reader\"]\npaths = []",
            "`principal.0.paths` names patterns, each with at most 4 `**`; leave it out for all",
        ),
        (
            "[[principal]]\nname = \"a\"\nsan = \"a\"\nroles = [\"reader\"]\nexpires = \"soon\"",
            "`principal.0.expires` is a time such as \"2027-01-01T00:00:00Z\"",
        ),
        (
            "[[principal]]\nname = \"a\"\ntoken_sha256 = \"abc\"\nroles = [\"reader\"]",
            "`principal.0.token_sha256` is 64 hexadecimal digits",
        ),
        ("[[role]]\nname = \"reader\"\nverbs = []", "the role `reader` is there twice"),
    ] {
        let error = table(text).unwrap_err();
        assert_eq!((error.code(), error.message()), (why_code(why), why), "{text}");
    }
    let twice = format!("[[principal]]\nname = \"a\"\ntoken_sha256 = \"{hash}\"\nroles = [\"reader\"]\n");
    assert!(table(&twice.repeat(2)).unwrap_err().message().contains("as another one"));
    assert!(
        table(&format!("{twice}{}", twice.replace("\"a\"", "\"b\"")))
            .unwrap_err()
            .message()
            .contains("token of another")
    );
}

#[test]
fn a_pattern_grants_what_it_matches_and_everything_below() {
    let found = grant("\"writer\"", "paths = [\"app.*\", \"db.host\", \"users.*.name\"]");
    for (text, covers, touches) in [
        ("", false, true),
        ("app", false, true),
        ("app.rate", true, true),
        ("app.a.b", true, true),
        ("db", false, true),
        ("db.host", true, true),
        ("db.password", false, false),
        ("users.0", false, true),
        ("users.0.name", true, true),
        ("users.0.token", false, false),
        ("other", false, false),
    ] {
        assert_eq!((found.covers(&path(text)), found.touches(&path(text))), (covers, touches), "{text}");
    }
    for all in ["paths = [\"**\"]", "paths = [\"a\", \"*\"]", ""] {
        assert!(grant("\"reader\"", all).covers(&Path::root()), "{all}");
    }
}

#[test]
fn what_is_not_granted_is_not_there_and_secrets_need_their_verb() {
    let secret = |pattern: &str| Rule::on(Pattern::parse(pattern).unwrap()).secret(true);
    let policy = Policy::of([secret("db.password"), secret("app.token")]).unwrap();
    let document = json(
        r#"{"app":{"token":"t","x":1},"db":{"host":"h","password":"p"},"n":5,"users":[{"name":"a","key":1},{"key":2},{"name":"c"},{"key":4}]}"#,
    );
    for (roles, paths, seen) in [
        (
            "\"reader\"",
            "",
            r#"{"app":{"token":"***","x":1},"db":{"host":"h","password":"***"},"n":5,"users":[{"key":1,"name":"a"},{"key":2},{"name":"c"},{"key":4}]}"#,
        ),
        ("\"reader\"", "paths = [\"app.*\"]", r#"{"app":{"token":"***","x":1}}"#),
        ("\"secret-reader\"", "paths = [\"app.*\", \"n\"]", r#"{"app":{"token":"t","x":1},"n":5}"#),
        ("\"secret-reader\"", "paths = [\"users.*.name\"]", r#"{"users":[{"name":"a"},null,{"name":"c"}]}"#),
        ("\"secret-reader\"", "paths = [\"none.*\", \"db.other\"]", "{}"),
    ] {
        let found = grant(roles, paths);
        assert_eq!(canonical(&found.view(&policy, &document)), seen, "{roles} {paths}");
    }
    assert!(grant("\"secret-reader\"", "").sees_all(&policy));
    assert!(!grant("\"reader\"", "").sees_all(&policy) && grant("\"reader\"", "").sees_all(&Policy::default()));
}

#[test]
fn a_replica_needs_the_whole_document() {
    let name = DocumentName::default_name();
    assert!(grant("\"peer\"", "").check_replica(&name).is_ok());
    assert!(grant("\"peer\"", "documents = [\"def*\"]").check_replica(&name).is_ok());
    for (roles, more) in
        [("\"writer\"", ""), ("\"peer\"", "paths = [\"app.*\"]"), ("\"peer\"", "documents = [\"other\"]")]
    {
        let refused = grant(roles, more).check_replica(&name).unwrap_err();
        assert_eq!(refused.code(), Code::PeerNeedsWholeDocument, "{roles} {more}");
    }
}

#[test]
fn errors_do_not_tell_what_stands_where_nothing_is_granted() {
    let found = grant("\"writer\"", "paths = [\"app.*\"]");
    let about = |place: &str| crate::Error::new(Code::Invalid, "7 is below the minimum").with_path(path(place));
    assert_eq!(found.told(about("app.x")), about("app.x"));
    for hidden in [about("db.x"), about("app.x").with_related(about("db.x"))] {
        let told = found.told(hidden);
        assert!(!format!("{told:?}").contains("db") && told.code() == Code::Invalid, "{told:?}");
    }
}

#[test]
fn a_token_has_its_random_bits_and_its_hash_no_way_back() {
    let text = token([0xab; 32]);
    assert_eq!(text, format!("cm_{}", "ab".repeat(32)));
    let hash = token_hash(&text);
    assert_eq!(TokenHash::parse(&hash.to_string()), Some(hash));
    assert!(!format!("{hash:?} {hash}").contains("abab"));
    assert_eq!(TokenHash::parse("zz"), None);
}

fn why_code(why: &str) -> Code {
    if why.starts_with("cannot read pattern") { Code::PatternSyntax } else { Code::Usage }
}

#[test]
fn a_table_that_only_reports_forbids_nothing_and_tells_what_it_would() {
    let text = format!("report_only = true\n{}", principal("\"reader\"", "paths = [\"app.*\"]"));
    let known = table(&text).unwrap();
    let found = known.grant(&Proof::of_token(&token([1; 32])), NOW).unwrap();
    let name = DocumentName::default_name();
    for _ in 0..2 {
        assert!(found.check_at(Verb::Write, &name, &path("db")).is_ok());
    }
    assert_eq!(canonical(&found.view(&Policy::default(), &json(r#"{"db":1}"#))), r#"{"db":1}"#);
    let told = known.reports().unwrap().take();
    assert_eq!(told.get("`ann` may not write"), Some(&2));
    assert_eq!(told.get("`ann` may not write `db`"), Some(&2));
    assert!(known.reports().unwrap().take().is_empty());
    assert!(known.grant(&Proof::of_token("cm_no"), NOW).is_err(), "who nobody knows comes in nowhere");
}
