use proptest::prelude::*;

use super::*;
use crate::canonical::canonical;
use crate::error::Code;
use crate::format::{Format, locate, parse};
use crate::policy::Policy;
use crate::value::Number;

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

fn read(text: &str) -> Schema {
    Schema::from_value(&json(text)).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

fn errors(schema: &str, value: &str) -> Vec<String> {
    read(schema).validate(&json(value), |_| None).iter().map(Error::to_string).collect()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[test]
fn every_problem_is_found_with_its_path_origin_and_advice() {
    let schema = read(
        r#"{"strict": true, "fields": {
            "port": {"type": "integer", "min": 1, "max": 300},
            "host": {"type": "string", "required": true, "env": "APP_HOST", "description": "where it runs"},
            "mode": {"type": "string", "choices": ["fast", "safe"]},
            "tags": {"type": "list", "items": "string", "unique": true, "max": 3},
            "limits": {"type": "map", "values": "integer"},
            "site": {"type": "url"},
            "name": {"type": "string", "pattern": "^[a-z]+$", "min": 2, "max": 4}}}"#,
    );
    let text = r#"{
"port": "hi",
"mode": "fats",
"tags": ["a", 1, "a", "b"],
"limits": {"free": 1.5},
"site": "nowhere",
"name": "ABCDE",
"prot": 1}"#;
    let origin = |path: &Path| Some(Origin::source("file:a.json").at(locate(text, Format::Json, path)));
    let found: Vec<String> = schema
        .validate(&json(text), origin)
        .iter()
        .map(|error| format!("{error} -> {}", error.hint().unwrap_or("")))
        .collect();
    let want = [
        "file:a.json:1:1: required key is missing (at `host`) -> set `host` or the variable `APP_HOST` to a value of type \
         string: where it runs",
        "file:a.json:5:12: expected integer, found float 1.5 (at `limits.free`) -> write a whole number",
        "file:a.json:3:1: \"fats\" is not one of \"fast\", \"safe\" (at `mode`) -> did you mean `fast`?",
        "file:a.json:7:1: the text has 5 characters, at most 4 are allowed (at `name`) -> write a shorter text",
        "file:a.json:7:1: \"ABCDE\" does not match the pattern `^[a-z]+$` (at `name`) -> change the text so that it matches",
        "file:a.json:2:1: expected integer, found string \"hi\" (at `port`) -> write a whole number",
        "file:a.json:8:1: unknown key `prot` (at `prot`) -> did you mean `port`?",
        "file:a.json:6:1: expected a URL such as `https://example.org`, found \"nowhere\" (at `site`) -> write a URL such as \
         `https://example.org`",
        "file:a.json:4:1: the list has 4 items, at most 3 are allowed (at `tags`) -> remove items",
        "file:a.json:4:18: \"a\" stands twice in the list (at `tags.2`) -> keep one of the two",
        "file:a.json:4:15: expected string, found integer 1 (at `tags.1`) -> write the text in quotes",
    ];
    assert_eq!(found, want);
}

#[test]
fn the_consistency_rules_of_a_service_hold() {
    let schema = r#"{"fields": {"api_url": {"type": "url", "required": true, "pattern": "^https?://"},
        "timeout_seconds": {"type": "integer", "min": 1, "max": 300}}}"#;
    assert_eq!(errors(schema, r#"{"api_url": "https://a", "timeout_seconds": 300}"#), Vec::<String>::new());
    for (value, why) in [
        (r#"{"timeout_seconds": 5}"#, "required key is missing (at `api_url`)"),
        (r#"{"api_url": "ftp://a"}"#, "does not match the pattern"),
        (r#"{"api_url": "http://a", "timeout_seconds": 0}"#, "0 is below the minimum 1"),
        (r#"{"api_url": "http://a", "timeout_seconds": 301}"#, "301 is above the maximum 300"),
    ] {
        let found = errors(schema, value);
        assert!(found.len() == 1 && found[0].contains(why), "{found:?}");
    }
}

#[test]
fn the_rules_of_json_schema_hold() {
    let cases = [
        (r#"{"type": "integer"}"#, vec!["1", "1.0"], vec!["1.5", "\"1\"", "null"]),
        (r#"{"type": ["string", "null"]}"#, vec!["\"\"", "null"], vec!["1"]),
        (r#"{"enum": [1, "a", null]}"#, vec!["1", "\"a\"", "null"], vec!["2", "\"b\""]),
        (r#"{"const": {"a": 1}}"#, vec![r#"{"a": 1}"#], vec!["1", "{}"]),
        (r#"{"minimum": 1, "exclusiveMaximum": 3}"#, vec!["1", "2.9", "\"x\""], vec!["0.5", "3"]),
        (r#"{"minimum": 5, "exclusiveMinimum": 1}"#, vec!["5"], vec!["4"]),
        (r#"{"minLength": 2, "maxLength": 3}"#, vec!["\"éé\"", "5"], vec!["\"é\"", "\"éééé\""]),
        (r#"{"pattern": "b"}"#, vec!["\"abc\""], vec!["\"ac\""]),
        (
            r#"{"items": {"type": "integer"}, "minItems": 1, "uniqueItems": true}"#,
            vec!["[1, 2]"],
            vec!["[]", "[1, 1]", "[\"a\"]"],
        ),
        (r#"{"required": ["a"]}"#, vec![r#"{"a": null}"#, "1"], vec!["{}"]),
        (
            r#"{"properties": {"a": {"type": "string"}}, "additionalProperties": false}"#,
            vec!["{}", r#"{"a": ""}"#],
            vec![r#"{"b": 1}"#],
        ),
        (
            r#"{"additionalProperties": {"type": "integer"}, "required": ["x"]}"#,
            vec![r#"{"x": 1}"#],
            vec![r#"{"x": "a"}"#, "{}"],
        ),
        (r#"{"allOf": [{"minimum": 1}, {"maximum": 2}]}"#, vec!["1"], vec!["0", "3"]),
        (r#"{"anyOf": [{"type": "string"}, {"minimum": 5}]}"#, vec!["\"\"", "5"], vec!["4"]),
        (r#"{"oneOf": [{"minimum": 5}, {"maximum": 7}]}"#, vec!["4", "8"], vec!["6"]),
        (r#"{"not": {"type": "string"}}"#, vec!["1"], vec!["\"\""]),
        (r#"{"format": "port"}"#, vec!["80"], vec!["0", "70000"]),
        (r##"{"$ref": "#/$defs/a", "$defs": {"a": {"type": "bool"}}}"##, vec![], vec![]),
        ("true", vec!["1"], vec![]),
        (r#"{"properties": {"a": false}}"#, vec!["{}"], vec![r#"{"a": 1}"#]),
        (
            r##"{"$defs": {"tree": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/tree"}}}},
                "$ref": "#/$defs/tree"}"##,
            vec![r#"{"v": 1, "next": {"next": {"v": 2}}}"#],
            vec![r#"{"next": {"next": {"v": "x"}}}"#],
        ),
        (
            r##"{"properties": {"n": {"$ref": "#"}}, "additionalProperties": false}"##,
            vec![r#"{"n": {"n": {}}}"#],
            vec![r#"{"n": {"x": 1}}"#],
        ),
    ];
    for (schema, good, bad) in cases {
        if schema.contains("\"bool\"") {
            let error = Schema::from_value(&json(schema)).unwrap_err();
            assert_eq!(error.hint(), Some("did you mean `boolean`?"));
            continue;
        }
        for value in good {
            assert_eq!(errors(schema, value), Vec::<String>::new(), "{schema} {value}");
        }
        for value in bad {
            assert!(!errors(schema, value).is_empty(), "{schema} {value}");
        }
    }
}

#[test]
fn keywords_that_say_what_they_cannot_are_refused_and_slips_too() {
    let keywords = [
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "if",
        "then",
        "else",
        "contains",
        "prefixItems",
        "unevaluatedProperties",
        "minProperties",
        "maxProperties",
        "multipleOf",
        "$dynamicRef",
        "minimun",
    ];
    for keyword in keywords {
        let wrong = (-1).into();
        let schema: Value =
            [("properties", Value::empty_map().with(&path("a").child(keyword), wrong))].into_iter().collect();
        let error = Schema::from_value(&schema).unwrap_err();
        assert_eq!(error.code(), Code::Invalid);
        assert_eq!(error.path(), Some(&path("properties.a").child(keyword)), "{keyword}");
    }
    let error = Schema::from_value(&json(r#"{"minimun": 1, "propertys": {}}"#)).unwrap_err();
    assert_eq!((error.hint(), error.related().len()), (Some("did you mean `minimum`?"), 1));
    let noted =
        read(r#"{"properties": {"a": {"format": "iban", "frobnicate": 1}, "b": {"format": "prot", "frobnicate": 2}}}"#);
    let notes: Vec<String> = noted.notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "the format `iban` is not checked (at `properties.a.format`)",
            "the format `prot` is not checked (at `properties.b.format`)",
            "the keyword `frobnicate` is unknown and checks nothing (at `properties.a.frobnicate`)",
        ]
    );
    assert_eq!(noted.notes()[1].hint(), Some("did you mean `port`?"));
    for fine in ["$comment", "examples", "x-anything"] {
        let schema: Value = [(fine, Value::from("x"))].into_iter().collect();
        assert!(Schema::from_value(&schema).is_ok(), "{fine}");
    }
}

#[test]
fn schemas_that_make_no_sense_are_refused_with_their_path() {
    for (schema, at, why) in [
        (r#"{"fields": {"a": "strnig"}}"#, "fields.a", "unknown type `strnig`"),
        (r#"{"fields": {"a": {"typ": "string"}}}"#, "fields.a.typ", "no `typ`"),
        (r#"{"fields": {"a": {"required": "yes"}}}"#, "fields.a.required", "`required` is a bool, not a string"),
        (r#"{"fields": {"a": {"pattern": "("}}}"#, "fields.a.pattern", "no regular expression"),
        (r#"{"fields": {"a": {"pattern": "(?=x)"}}}"#, "fields.a.pattern", "no regular expression"),
        (r#"{"fields": {"a": {"type": "string", "items": "string"}}}"#, "fields.a", "a list"),
        (r#"{"minimum": "1"}"#, "minimum", "`minimum` is a number, not a string"),
        (r#"{"minLength": -1}"#, "minLength", "whole number"),
        (r#"{"allOf": []}"#, "allOf", "empty"),
        (r#"{"$ref": "other.json"}"#, "$ref", "cannot be followed"),
        (r#"{"pattern": "("}"#, "pattern", "no regular expression"),
        (r#"{"$schema": "https://example.org/mine"}"#, "$schema", "cannot be followed"),
        (r#"{"$dynamicRef": "other.json"}"#, "$dynamicRef", "cannot be followed"),
        (r##"{"properties": {"a": {"$dynamicRef": "#a", "x-secret": true}}}"##, "properties.a.$dynamicRef", "secret"),
        ("1", "", "a map or a bool"),
    ] {
        let error = Schema::from_value(&json(schema)).unwrap_err();
        assert_eq!((error.code(), error.path().unwrap()), (Code::Invalid, &path(at)), "{schema}: {error:?}");
        assert!(error.message().contains(why), "{schema}: {error:?}");
    }
    for schema in [
        r##"{"$ref": "#/$defs/none"}"##,
        r##"{"$ref": "#"}"##,
        r##"{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}"##,
    ] {
        let error = Schema::from_value(&json(schema)).unwrap_err();
        assert!(error.message().contains("leads"), "{schema}: {error:?}");
    }
}

#[test]
fn a_few_lines_of_alternatives_cannot_ask_for_billions_of_comparisons() {
    let mut definitions = vec![r#""a0": {"type": "string"}"#.to_owned()];
    for level in 1..40 {
        let below = format!(r##"{{"$ref": "#/$defs/a{}"}}"##, level - 1);
        definitions.push(format!(r#""a{level}": {{"anyOf": [{below}, {below}]}}"#));
    }
    let schema = read(&format!(r##"{{"$defs": {{{}}}, "$ref": "#/$defs/a39"}}"##, definitions.join(",")));
    let found = schema.validate(&1.into(), |_| None);
    assert!(found.iter().any(|error| error.code() == Code::TooLarge), "{found:?}");
}

#[test]
fn no_message_shows_a_secret() {
    let schema = read(
        r#"{"allOf": [{"properties": {"a": {"type": "integer", "enum": [1]}, "b": {"pattern": "^x$", "maxLength": 3}}},
            {"properties": {"a": {"writeOnly": true}, "b": {"x-secret": true}}}],
            "properties": {"c": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}}}"#,
    );
    let value = json(r#"{"a": "hunter2", "b": "hunter2", "c": "hunter2"}"#);
    let policy = Policy::of([crate::policy::Rule::on(crate::Pattern::parse("c").unwrap()).secret(true)]).unwrap();
    let report = schema.report(&value, &policy, |_| None);
    assert!(report.errors.len() >= 4, "{report:?}");
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
}

#[test]
fn what_is_secret_becomes_rules_at_every_depth() {
    let schema = read(
        r##"{"$defs": {"node": {"properties": {"key": {"x-secret": true}, "next": {"$ref": "#/$defs/node"}}}},
            "properties": {"a.b": {"writeOnly": true}, "users": {"items": {"properties": {"pw": {"x-secret": true}}}},
            "tree": {"$ref": "#/$defs/node"}, "open": {"type": "string"}}}"##,
    );
    let policy = Policy::of(schema.policy_rules()).unwrap();
    for (secret, of) in [
        (true, vec![r"a\.b", "users.0.pw", "tree.key", "tree.next.key", "tree.next.next.key"]),
        (false, vec!["open", "users", "users.0.name", "tree.next"]),
    ] {
        for at in of {
            assert_eq!(policy.is_secret(&path(at)), secret, "{at}");
        }
    }
}

#[test]
fn deprecated_fields_in_use_are_warnings() {
    let schema = read(r#"{"fields": {"old": {"type": "integer", "deprecated": "use `new`"}, "new": "integer"}}"#);
    let report = schema.report(&json(r#"{"old": 1}"#), &Policy::default(), |_| None);
    assert!(report.errors.is_empty());
    assert_eq!((report.warnings[0].path(), report.warnings[0].hint()), (Some(&path("old")), Some("use `new`")));
}

#[test]
fn the_programs_own_checks_run_once_the_rules_hold() {
    let ordered = |value: &Value| match (value.child("min"), value.child("max")) {
        (Some(min), Some(max)) if min.as_i64() > max.as_i64() => {
            Err(vec![Error::new(Code::Invalid, "the minimum is above the maximum").with_path(path("min"))])
        }
        _ => Ok(()),
    };
    let limits = Field::map().field("min", Field::integer()).field("max", Field::integer()).check(ordered);
    let schema =
        Schema::new(Field::map().field("limits", limits)).check(|_| Err(vec![Error::new(Code::Invalid, "no")]));
    let found =
        |value: &str| -> Vec<String> { schema.validate(&json(value), |_| None).iter().map(Error::to_string).collect() };
    assert_eq!(found(r#"{"limits": {"min": 2, "max": 1}}"#), ["the minimum is above the maximum (at `limits.min`)"]);
    assert_eq!(found(r#"{"limits": {"min": "x", "max": 1}}"#).len(), 1);
    assert_eq!(found(r#"{"limits": {"min": 0, "max": 1}}"#), ["no"]);
}

#[test]
fn text_takes_the_declared_type() {
    let schema = read(
        r#"{"fields": {"flag": "bool", "n": "integer", "x": "float", "s": "string", "maybe": {"type": ["integer", "null"]},
            "hosts": {"type": "list", "items": "integer"}, "limits": {"type": "map", "values": "bool"}, "any": "any",
            "either": {"type": ["integer", "string"]}, "pick": {"choices": [1, "b"]}, "key": {"type": "integer", "secret": true}}}"#,
    );
    for (at, raw, want) in [
        ("flag", "Yes", "true"),
        ("n", " 42 ", "42"),
        ("x", "0.5", "0.5"),
        ("s", "42", "\"42\""),
        ("maybe", "", "null"),
        ("maybe", "7", "7"),
        ("hosts", "1, 2", "[1,2]"),
        ("hosts", "[3]", "[3]"),
        ("hosts", "", "[]"),
        ("limits", "a=on, b=off", r#"{"a":true,"b":false}"#),
        ("limits", "", "{}"),
        ("limits", r#"{"a":true}"#, r#"{"a":true}"#),
        ("any", "1", "\"1\""),
        ("either", "5", "5"),
        ("either", "five", "\"five\""),
        ("pick", "1", "1"),
        ("key", "file:///run/key", "\"file:///run/key\""),
        ("unknown.path", "1", "\"1\""),
    ] {
        assert_eq!(
            schema.coerce_text(&path(at), raw).map(|value| canonical(&value)).as_deref(),
            Ok(want),
            "{at}={raw}"
        );
    }
    for (at, raw) in
        [("flag", "ture"), ("n", "1.5"), ("hosts", "1,x"), ("limits", "a"), ("limits", "a=1,a=1"), ("key", "s3cret")]
    {
        let error = schema.coerce_text(&path(at), raw).unwrap_err();
        assert_eq!((error.code(), error.path()), (Code::Type, Some(&path(at))));
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

#[test]
fn a_document_becomes_variables_that_read_back() {
    let schema = read(
        r#"{"fields": {"flag": "bool", "maxConn": "integer", "hosts": {"type": "list", "items": "string"},
            "limits": {"type": "map", "values": "integer", "env": "LIMITS"}, "db": {"fields": {"log-level": "string"}}}}"#,
    );
    let value = json(
        r#"{"flag": true, "maxConn": 5, "hosts": ["a", "b"], "limits": {"x": 1, "y": 2}, "db": {"log-level": "a,b"}, "extra": "x"}"#,
    );
    let pairs = schema.to_env("APP", &value).unwrap();
    let lines: Vec<String> = pairs.iter().map(|(name, text)| format!("{name}={text}")).collect();
    assert_eq!(
        lines,
        ["APP_DB__LOG_LEVEL=a,b", "APP_EXTRA=x", "APP_FLAG=true", "APP_HOSTS=a,b", "LIMITS=x=1,y=2", "APP_MAXCONN=5"]
    );
    for (value, at) in [(r#"{"extra": 1}"#, "extra"), (r#"{"A b": "x"}"#, "A b"), (r#"{"flag": "x"}"#, "flag")] {
        let error = schema.to_env("APP", &json(value)).unwrap_err();
        assert_eq!((error.code(), error.path()), (Code::Unrepresentable, Some(&path(at))));
    }
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64).prop_map(Value::from),
        "[ -~é]{0,8}".prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn variables_of_declared_fields_read_back(
        flag in any::<bool>(), number in any::<i64>(), text in any::<String>(),
        words in prop::collection::vec("[ -~é]{0,6}", 0..4), numbers in prop::collection::btree_map("[ -~]{0,5}", any::<i64>(), 0..4),
    ) {
        let schema = read(
            r#"{"fields": {"flag": "bool", "number": "integer", "text": "string", "words": {"type": "list", "items": "string"},
                "numbers": {"type": "map", "values": "integer"}}}"#,
        );
        let words: Vec<Value> = words.into_iter().map(Value::from).collect();
        let numbers: Value = numbers.into_iter().collect();
        let value: Value = [("flag", Value::from(flag)), ("number", number.into()), ("text", text.into()),
            ("words", words.into()), ("numbers", numbers)].into_iter().collect();
        let layer = crate::schema::tests::layer(&schema, schema.to_env("APP", &value).unwrap());
        prop_assert_eq!(layer, value);
    }

    #[test]
    fn validation_never_panics_and_agrees_with_itself(value in scalars()) {
        for schema in [r#"{"type": "integer", "minimum": 3}"#, r#"{"format": "url"}"#, r#"{"enum": [1, "a"]}"#, r#"{"pattern": "a+b?"}"#] {
            let found = errors(schema, &canonical(&value));
            let negated = errors(&format!("{{\"not\": {schema}}}"), &canonical(&value));
            prop_assert_eq!(found.is_empty(), !negated.is_empty(), "{} {:?}", schema, value);
        }
    }
}

/// The document that the variables set.
fn layer(schema: &Schema, variables: Vec<(String, String)>) -> Value {
    variables.into_iter().fold(Value::empty_map(), |value, (name, text)| {
        let path: Path =
            name.strip_prefix("APP_").unwrap().split("__").map(|part| Str::from(part.to_lowercase())).collect();
        let path = schema.spelled(&path);
        let typed = schema.coerce_text(&path, &text).unwrap();
        value.with(&path, typed)
    })
}
