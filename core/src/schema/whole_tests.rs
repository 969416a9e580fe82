//! Whole JSON Schema documents: places, words and advice; the official suite stands in `tests/tests/json_schema.rs`.

use super::Schema;
use crate::error::Code;
use crate::format::{Format, parse};
use crate::path::Path;
use crate::policy::Policy;
use crate::value::Value;

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

fn read(text: &str) -> Schema {
    Schema::from_value(&json(text)).unwrap()
}

/// Every problem with its advice.
fn told(schema: &str, document: &str) -> Vec<String> {
    let errors = read(schema).validate(&json(document), |_| None);
    errors.iter().map(|error| format!("{error}; {}", error.hint().unwrap_or("no advice"))).collect()
}

#[test]
fn what_only_the_whole_check_knows_is_told_in_our_words() {
    for (schema, document, want) in [
        (
            r#"{"patternProperties": {"^n_": {"type": "integer", "minimum": 1}}}"#,
            r#"{"n_a": "x", "n_b": 0, "other": "y"}"#,
            &[
                "expected integer, found string \"x\" (at `n_a`); write a whole number",
                "0 is below the minimum 1 (at `n_b`); use a number from 1",
            ][..],
        ),
        (
            r#"{"if": {"properties": {"tls": {"const": true}}, "required": ["tls"]}, "then": {"required": ["cert"]}}"#,
            r#"{"tls": true}"#,
            &["required key is missing (at `cert`); set `cert`"],
        ),
        (
            r#"{"properties": {"n": {"multipleOf": 5}}}"#,
            r#"{"n": 7}"#,
            &["7 is no multiple of 5 (at `n`); use a multiple of that number"],
        ),
        (
            r#"{"dependentRequired": {"user": ["password"]}}"#,
            r#"{"user": "x"}"#,
            &["required key is missing (at `password`); set `password`"],
        ),
        (
            r#"{"propertyNames": {"pattern": "^[a-z]+$"}}"#,
            r#"{"Bad": 1}"#,
            &[
                "a key may not be called `Bad`: \"Bad\" does not match the pattern `^[a-z]+$` (at `Bad`); rename the key",
            ],
        ),
        (
            r#"{"properties": {"m": {"minProperties": 2}}}"#,
            r#"{"m": {}}"#,
            &["the map has 0 keys, at least 2 are needed (at `m`); add keys"],
        ),
        (
            r#"{"patternProperties": {"^x-": true}, "properties": {"a": true}, "additionalProperties": false}"#,
            r#"{"x-1": 1, "a": 1, "b": 1}"#,
            &["unknown key `b` (at `b`); remove the key; the schema says which keys may be here"],
        ),
        (
            r#"{"properties": {"p": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": false}}}"#,
            r#"{"p": ["a", "b", 3]}"#,
            &[
                "expected integer, found string \"b\" (at `p.1`); write a whole number",
                "nothing may be here (at `p.2`); remove the key",
            ],
        ),
        (
            r#"{"properties": {"when": {"type": "string", "format": "date-time"}}}"#,
            r#"{"when": "tomorrow"}"#,
            &["expected a date and time such as `2026-11-30T21:00:00Z`, found \"tomorrow\" (at `when`); \
               write a date and time such as `2026-11-30T21:00:00Z`"],
        ),
        (
            r#"{"properties": {"p": {"pattern": "^(?!root$).+"}}}"#,
            r#"{"p": "root"}"#,
            &["\"root\" does not match the pattern `^(?!root$).+` (at `p`); change the text so that it matches"],
        ),
        (
            r#"{"properties": {"l": {"contains": {"const": 1}}}}"#,
            r#"{"l": [2]}"#,
            &[
                "too few or too many items of the list are what it has to contain (at `l`); see `contains` in the schema",
            ],
        ),
        (
            r##"{"properties": {"a": {"type": "integer"}, "b": {"$ref": "#/properties/a"}}}"##,
            r#"{"b": "x"}"#,
            &["expected integer, found string \"x\" (at `b`); write a whole number"],
        ),
    ] {
        let (mut found, mut want) = (told(schema, document), want.to_vec());
        found.sort();
        want.sort_unstable();
        assert_eq!(found, want, "{schema}");
    }
}

#[test]
fn alternatives_say_why_each_does_not_fit() {
    let stores = r#""oneOf": [
        {"title": "pg", "type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]},
        {"title": "sqlite", "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}]"#;
    let want = ["{\"port\":\"x\"} fits none of the alternatives (at `db`); make it fit one of them; \
         1 (pg): expected integer, found string \"x\" (at `db.port`); 2 (sqlite): required key is missing (at `db.path`)"];
    assert_eq!(told(&format!(r#"{{"properties": {{"db": {{{stores}}}}}}}"#), r#"{"db": {"port": "x"}}"#), want);
    // The same where the check of the whole document meets it.
    let whole = format!(r#"{{"patternProperties": {{"^db$": {{{stores}}}}}}}"#);
    let plain = want[0].replace(" (pg)", "").replace(" (sqlite)", "");
    assert_eq!(told(&whole, r#"{"db": {"port": "x"}}"#), [plain]);
    // A key with one choice says which is meant.
    let named = r#"{"oneOf": [
        {"properties": {"kind": {"const": "pg"}, "port": {"type": "integer"}}, "required": ["kind"]},
        {"properties": {"kind": {"const": "sqlite"}, "path": {"type": "string"}}, "required": ["kind"]}]}"#;
    let want = ["expected integer, found string \"x\" (at `port`); write a whole number"];
    assert_eq!(told(named, r#"{"kind": "pg", "port": "x"}"#), want);
    // Of different types one is meant, and the others are told beside it.
    let mixed = r#"{"properties": {"v": {"oneOf": [{"type": "integer"}, {"type": "string", "minLength": 3}, {"type": "null"}]}}}"#;
    let want = ["the text has 1 characters, at least 3 are needed (at `v`); write a longer text; \
         or make `v` what else it may be: integer, null"];
    assert_eq!(told(mixed, r#"{"v": "a"}"#), want);
    assert_eq!(
        told(mixed, r#"{"v": true}"#),
        ["true fits none of the alternatives (at `v`); it may be: integer, null, string"]
    );
}

#[test]
fn everything_valid_stays_valid_and_defaults_types_and_places_are_as_before() {
    let schema = read(
        r#"{"properties": {"port": {"type": "integer", "default": 80}}, "patternProperties": {"^x": {"type": "string"}},
            "additionalProperties": {"type": "integer"}}"#,
    );
    assert!(schema.validate(&json(r#"{"port": 1, "xa": "b", "n": 5}"#), |_| None).is_empty());
    assert_eq!(schema.apply_defaults(&Value::empty_map()).child("port"), Some(&80.into()));
    assert_eq!(schema.coerce_text(&Path::parse("port").unwrap(), "90").unwrap(), 90.into());
    let text = "{\n  \"port\": 1,\n  \"xa\": 5\n}";
    let found = schema.validate_text(text, Format::Json, "app.json", &[]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "app.json:3:3: expected string, found integer 5 (at `xa`)");
    let refused = schema.check(|document| match document.child("n") {
        Some(_) => Ok(()),
        None => Err(vec![crate::Error::new(Code::Invalid, "n is missing")]),
    });
    assert_eq!(refused.validate(&json(r#"{"xa": "b"}"#), |_| None)[0].to_string(), "n is missing");
}

#[test]
fn no_message_of_the_whole_check_shows_a_secret() {
    let schema = read(
        r#"{"patternProperties": {"_token$": {"type": "integer", "x-secret": true}},
            "if": {"required": ["on"]}, "then": {"properties": {"on": {"writeOnly": true, "multipleOf": 2}}},
            "properties": {"either": {"oneOf": [{"multipleOf": 2}, {"type": "boolean", "writeOnly": true}]},
                "list": {"prefixItems": [{"writeOnly": true, "format": "date"}]}}}"#,
    );
    let document = json(r#"{"a_token": "hunter2", "on": "hunter2", "either": "hunter2", "list": ["hunter2"]}"#);
    let report = schema.report(&document, &Policy::default(), |_| None);
    assert!(report.errors.len() >= 2, "{report:?}");
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    let policy = Policy::of(schema.policy_rules()).unwrap();
    for path in ["a_token", "on", "either", "list.0"] {
        assert!(policy.is_secret(&Path::parse(path).unwrap()), "{path}");
    }
}

#[test]
fn patterns_that_go_back_and_forth_end() {
    let schema = read(r#"{"properties": {"p": {"pattern": "^(?=a)(a|a)*$(?<!c)"}}}"#);
    let document: Value = [("p", Value::from(format!("{}b", "a".repeat(60))))].into_iter().collect();
    assert!(!schema.validate(&document, |_| None).is_empty());
    assert!(Schema::from_value(&json(r#"{"pattern": "(?!x)(((a{500}){500}){500})"}"#)).is_err());
}

#[test]
fn no_pattern_is_compared_with_a_long_text() {
    let long = |bytes: usize| -> Value { [("p", Value::from("a".repeat(bytes)))].into_iter().collect() };
    for schema in
        [r#"{"properties": {"p": {"pattern": "^a+$"}}}"#, r#"{"patternProperties": {"p": {"pattern": "^(?!b)a+$"}}}"#]
    {
        let schema = read(schema);
        assert!(schema.validate(&long(64 << 10), |_| None).is_empty());
        let found = schema.validate(&long((64 << 10) + 1), |_| None);
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["the text has 65537 bytes, and patterns are compared with 65536 at most (at `p`)"]);
        assert_eq!(found[0].code(), Code::TooLarge);
    }
}
