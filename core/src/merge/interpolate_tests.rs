//! References in texts.

use super::interpolate::*;
use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::format::{Format, parse};
use crate::path::Path;
use crate::value::Value;
use proptest::prelude::*;

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

fn run(text: &str) -> (String, Vec<Error>) {
    let env = |name: &str| match name {
        "HOST" => Some("example.org".to_owned()),
        "EMPTY" => Some(String::new()),
        "TRICKY" => Some("${a}".to_owned()),
        _ => None,
    };
    let (value, errors) = interpolate(&json(text), &env);
    (canonical(&value), errors)
}

fn fine(text: &str) -> String {
    let (value, errors) = run(text);
    assert!(errors.is_empty(), "{errors:?}");
    value
}

#[test]
fn a_reference_alone_keeps_the_type_and_in_text_it_is_text() {
    assert_eq!(
        fine(
            r#"{"a":{"n":1,"t":true,"z":null,"l":[1]},"b":"${a.n}","c":"${a}","d":"x${a.n}-${a.t}-${a.z}","e":"${a.l.0}"}"#
        ),
        r#"{"a":{"l":[1],"n":1,"t":true,"z":null},"b":1,"c":{"l":[1],"n":1,"t":true,"z":null},"d":"x1-true-null","e":1}"#
    );
}

#[test]
fn references_follow_references_in_any_order() {
    assert_eq!(
        fine(r#"{"a":"${b}","b":"<${c}>","c":"${d.e}","d":{"e":5},"f":["${a}"]}"#),
        r#"{"a":"<5>","b":"<5>","c":5,"d":{"e":5},"f":["<5>"]}"#
    );
}

#[test]
fn variables_and_their_defaults_are_text_as_it_is() {
    assert_eq!(
        fine(
            r#"{"a":1,"b":"${env:HOST}","c":"${env:NONE:-7}","d":"${env:EMPTY:-x}","e":"[${env:EMPTY}]","f":"${env:TRICKY}","g":"${env:NONE:-}"}"#
        ),
        r#"{"a":1,"b":"example.org","c":"7","d":"x","e":"[]","f":"${a}","g":""}"#
    );
}

#[test]
fn doubled_dollars_and_lone_ones_are_text() {
    assert_eq!(
        fine(r#"{"a":"$${b}","b":"$5 $$ $","c":"x$${b}${b}"}"#),
        r#"{"a":"${b}","b":"$5 $$ $","c":"x${b}$5 $$ $"}"#
    );
}

#[test]
fn circles_are_reported_with_the_whole_chain() {
    let (value, errors) = run(r#"{"a":"${b}","b":"x${c}","c":"${a}","d":"${a}","m":{"x":"${m}"},"s":"${s}"}"#);
    assert_eq!(value, r#"{"a":"${b}","b":"x${c}","c":"${a}","d":"${a}","m":{"x":"${m}"},"s":"${s}"}"#);
    let shown: Vec<String> = errors.iter().map(Error::to_string).collect();
    assert_eq!(
        shown,
        [
            "the references form a circle: `a` -> `b` -> `c` -> `a` (at `c`)",
            "the references form a circle: `m.x` -> `m` (at `m.x`)",
            "the references form a circle: `s` -> `s` (at `s`)",
        ]
    );
}

#[test]
fn unknown_references_are_reported_with_a_suggestion() {
    let (value, errors) = run(r#"{"db":{"host":"h"},"a":"${db.hsot}","b":"${nowhere}","c":"${env:NONE}","d":"${a}"}"#);
    assert!(value.contains("${db.hsot}"));
    let hints: Vec<(String, &str)> = errors.iter().map(|error| (error.to_string(), error.hint().unwrap())).collect();
    assert_eq!(hints.len(), 3, "{hints:?}");
    assert_eq!(hints[0].0, "nothing is at `db.hsot` (at `a`)");
    assert!(hints[0].1.starts_with("did you mean `${db.host}`?"));
    assert_eq!(hints[1].0, "nothing is at `nowhere` (at `b`)");
    assert_eq!(
        hints[2],
        (
            "the variable `NONE` is not set (at `c`)".to_owned(),
            "set it, let references read it, or write `${env:NONE:-default}`"
        )
    );
}

#[test]
fn broken_references_are_syntax_errors() {
    for text in ["${", "${a", "${}", "${a..b}", "${env:}", "${env:a b}", "${a.*}"] {
        let (value, errors) = interpolate(&[("k", text)].into_iter().collect(), &|_| None);
        assert_eq!(errors[0].code(), Code::Syntax, "{text}");
        assert_eq!(value.child("k"), Some(&text.into()));
    }
    let (_, errors) = run(r#"{"a":{"b":1},"c":"x${a}"}"#);
    assert_eq!(errors[0].code(), Code::Type);
}

#[test]
fn a_few_lines_cannot_make_a_billion_nodes_or_a_gigabyte_of_text() {
    let mut lists = vec![r#""a0":["x","x","x","x","x","x","x","x","x","x"]"#.to_owned()];
    let mut texts = vec![r#""a0":"xxxxxxxxxx""#.to_owned()];
    for level in 1..12 {
        let below = format!("${{a{}}}", level - 1);
        lists.push(format!("\"a{level}\":[{}]", vec![format!("\"{below}\""); 10].join(",")));
        texts.push(format!("\"a{level}\":\"{}\"", below.repeat(10)));
    }
    for lines in [lists, texts] {
        let (_, errors) = run(&format!("{{{}}}", lines.join(",")));
        assert!(errors.iter().any(|error| error.code() == Code::TooLarge), "{errors:?}");
    }
    let chain: Vec<String> = (0..200).map(|at| format!("\"k{at:03}\":\"${{k{:03}}}\"", at + 1)).collect();
    let (_, errors) = run(&format!("{{{},\"k200\":1}}", chain.join(",")));
    assert!(errors.iter().any(|error| error.code() == Code::TooLarge), "{errors:?}");
}

#[test]
fn paths_go_on_below_a_reference() {
    assert_eq!(
        fine(r#"{"a":{"n":{"m":1}},"b":"${a.n}","c":"${b.m}","d":"${e.m}","e":"${b}"}"#),
        r#"{"a":{"n":{"m":1}},"b":{"m":1},"c":1,"d":1,"e":{"m":1}}"#
    );
    let (_, errors) = run(r#"{"a":"${b.x}","b":"${a.x}"}"#);
    assert!(!errors.is_empty());
}

#[test]
fn deep_values_that_refer_to_deep_values_do_not_exhaust_the_stack() {
    let entry = |at: usize| {
        let (open, close) = ("[".repeat(100), "]".repeat(100));
        format!("\"k{at}\":{open}\"${{k{}}}\"{close}", at + 1)
    };
    let entries: Vec<String> = (0..60).map(entry).collect();
    let (_, errors) = run(&format!("{{{},\"k60\":1}}", entries.join(",")));
    assert!(errors.iter().any(|error| error.code() == Code::TooLarge), "{errors:?}");
}

#[test]
fn what_holds_no_reference_keeps_its_storage() {
    let value = json(r#"{"a":{"b":[1,"$x"]},"c":"${a.b.0}"}"#);
    let (replaced, _) = interpolate(&value, &|_| None);
    assert!(replaced.child("a").unwrap().ptr_eq(value.child("a").unwrap()));
    let value = json(r#"{"a":{"b":[1]}}"#);
    assert!(interpolate(&value, &|_| None).0.ptr_eq(&value));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_hang(
        texts in prop::collection::vec("(\\$\\{[a-c](\\.[a-c])?\\}|\\$\\$\\{|\\$|\\{|\\}|env:|:-|[a-c]){0,6}", 3),
    ) {
        let value: Value = ["a", "b", "c"].into_iter().zip(texts).collect();
        let (replaced, errors) = interpolate(&value, &|_| None);
        // A lone `$` may come to stand before a brace.
        let lone = canonical(&value).replace("${", "").contains('$');
        if errors.is_empty() && !lone {
            let left = canonical(&replaced).contains("${");
            prop_assert!(!left);
        }
    }
}

#[test]
fn no_message_says_what_stands_inside_the_braces_of_a_secret() {
    let document = json(r#"{"token": "pre${hunter2XYZ}post", "pin": "x${*secretABC", "open": "${nothing}"}"#);
    let is_secret = |path: &Path| path.to_string() != "open";
    let around = Around { env: &|_| None, is_secret: &is_secret, is_literal: &|_| false, may_read: &|_| true };
    let found = interpolate_hiding(&document, &around);
    let told = format!("{:?} {:?}", found.errors, found.broken);
    assert!(found.errors.len() == 3 && !told.contains("hunter2") && !told.contains("secretABC"), "{told}");
    assert!(told.contains("nothing is at `nothing`"), "{told}");
}

#[test]
fn what_takes_the_text_of_a_variable_is_secret_and_what_takes_a_default_is_not() {
    let document = json(r#"{"a": "u:${env:HOST}", "b": "${env:NONE:-x}", "c": "${a}"}"#);
    let env = |name: &str| (name == "HOST").then(|| "h".to_owned());
    let around = Around { env: &env, is_secret: &|_| false, is_literal: &|_| false, may_read: &|_| true };
    let secrets: Vec<String> = interpolate_hiding(&document, &around).secrets.iter().map(ToString::to_string).collect();
    assert_eq!(secrets, ["a", "c"]);
}

#[test]
fn hints_name_the_right_spelling() {
    let hint = |text: &str| {
        let (_, errors) = interpolate(&[("k", text)].into_iter().collect(), &|_| None);
        errors[0].hint().unwrap_or_default().to_owned()
    };
    assert!(hint("${PORT:-80}").contains("`${env:PORT:-default}`"), "{}", hint("${PORT:-80}"));
    assert!(hint("${*(d}").contains("`$${`") && hint("${a").contains("`$${`"));
}

#[test]
fn a_hint_names_what_a_misspelt_reference_was_meant_to_be() {
    let document = r#"{"db": {"host": "h", "ports": {"rate_limit": 1}}, "port": 5, "k": "TEXT"}"#;
    for (written, meant) in [
        ("db.hst", "db.host"),
        ("db/host", "db.host"),
        ("db:host", "db.host"),
        ("DB_HOST", "db.host"),
        ("dbHost", "db.host"),
        ("self.db.host", "db.host"),
        ("var.port", "port"),
        ("rate_limit", "db.ports.rate_limit"),
        ("rate_limt", "db.ports.rate_limit"),
        ("{ port ", "port"),
        ("env.HOME", "env:HOME"),
        ("ENV:HOME", "env:HOME"),
        ("process.env.HOME", "env:HOME"),
        ("oc.env:HOME", "env:HOME"),
        ("HOME-x", "env:HOME:-x"),
        ("HOME?why", "env:HOME:?why"),
        ("port-80", "port:-80"),
        ("port:80", "port:-80"),
        ("port:+80", "port:-80"),
    ] {
        let text = document.replace("TEXT", &format!("${{{written}}}"));
        let (_, errors) = interpolate(&parse(&text, Format::Json).unwrap(), &|_| None);
        let hint = errors[0].hint().unwrap_or_default();
        assert!(hint.contains(&format!("did you mean `${{{meant}}}`?")), "{written}: {hint}");
    }
    // Of two that could be meant neither is named.
    let (_, errors) =
        interpolate(&parse(r#"{"a": {"x": 1}, "b": {"x": 2}, "k": "${x}"}"#, Format::Json).unwrap(), &|_| None);
    assert!(!errors[0].hint().unwrap_or_default().contains("did you mean"), "{:?}", errors[0]);
}

#[test]
fn references_that_stand_deep_in_one_another_are_refused() {
    let text = format!("{}a{}", "${".repeat(5_000), "}".repeat(5_000));
    let (_, errors) = interpolate(&[("k", text.as_str())].into_iter().collect(), &|_| None);
    assert_eq!(errors[0].code(), Code::TooLarge);
}
