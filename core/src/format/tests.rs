use proptest::prelude::*;

use super::*;
use crate::value::{Number, Str};

pub(super) fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-20i64..2000).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64).prop_map(Value::from),
        texts().prop_map(Value::from),
    ]
}

pub(super) fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        "[ -~]{0,12}",
        "[a-c \\n\\t:#'\"-]{0,12}",
        "[0-9._:eExo+-]{1,8}",
        any::<String>(),
        proptest::sample::select(vec![
            "no",
            "On",
            "y",
            "~",
            "null",
            "True",
            "012",
            "1_000",
            "0x1f",
            "2001-12-14",
            "12:30:45",
            "<<",
            "=",
            "- a",
            "a: b",
            "a #b",
            "*a",
            "&a",
            "!t",
            "@x",
            "`x`",
            "%x",
            "{",
            "[",
            ".inf",
            "+.5",
            " lead",
            "trail ",
            "a\nb",
            "a\n",
            "a\nb\n",
            "\n",
            "a\n\nb\n",
            "a\n  b",
            "---",
            "...",
            "# x",
            "? x",
            ": x",
            "|",
            ">",
            "a\r\nb",
            "é ü",
            "\u{85}",
        ])
        .prop_map(String::from),
    ]
}

pub(super) fn values(scalar: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    scalar.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((texts(), inner), 0..5).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

pub(super) fn maps(scalar: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((texts(), values(scalar)), 0..6).prop_map(|entries| entries.into_iter().collect())
}

/// What TOML can hold.
pub(super) fn toml_scalars() -> BoxedStrategy<Value> {
    scalars()
        .prop_filter("holdable", |value| {
            super::print(&[("a", value.clone())].into_iter().collect(), Format::Toml).is_ok()
        })
        .boxed()
}

proptest! {
    #[test]
    fn json_reads_back_what_it_prints(value in values(scalars().boxed())) {
        let text = print(&value, Format::Json).unwrap();
        prop_assert_eq!(&parse(&text, Format::Json).unwrap(), &value);
        prop_assert_eq!(parse(&text, Format::Jsonc).unwrap(), value);
    }

    #[test]
    fn json_agrees_with_serde_json(
        // serde_json reads floats with an error in the last place.
        value in values(scalars().prop_filter("exact", |value| value.type_name() != "float").boxed())
    ) {
        let text = print(&value, Format::Json).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(parse(&theirs.to_string(), Format::Json).unwrap(), value);
    }

    #[test]
    fn yaml_reads_back_what_it_prints(value in values(scalars().boxed())) {
        let text = print(&value, Format::Yaml).unwrap();
        prop_assert_eq!(parse(&text, Format::Yaml).map_err(|e| format!("{e:?}\n{text}")).unwrap(), value, "{}", text);
    }

    #[test]
    fn toml_reads_back_what_it_prints(value in maps(toml_scalars())) {
        let text = print(&value, Format::Toml).unwrap();
        prop_assert_eq!(parse(&text, Format::Toml).map_err(|e| format!("{e:?}\n{text}")).unwrap(), value, "{}", text);
    }

    #[test]
    fn dotenv_reads_back_what_it_prints(entries in prop::collection::vec(("[A-Za-z_][A-Z0-9_.-]{0,5}", texts()), 0..6)) {
        let value: Value = entries.into_iter().map(|(key, text)| (Str::from(key), Value::from(text))).collect();
        let text = print(&value, Format::Dotenv).unwrap();
        prop_assert_eq!(parse(&text, Format::Dotenv).map_err(|e| format!("{e:?}\n{text}")).unwrap(), value, "{}", text);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof![any::<String>(), "[-{}\\[\\],:?&*!|>'\"#%@ \\na-c01.\\r\\t=]{0,40}"]) {
        for format in [Format::Json, Format::Jsonc, Format::Yaml, Format::Toml, Format::Dotenv] {
            if let Err(error) = parse(&text, format) {
                prop_assert!(error.origin().and_then(|origin| origin.location).is_some(), "{format:?}: {error:?}");
            }
        }
    }
}

#[test]
fn errors_of_json_say_where_what_and_what_to_do() {
    let cases = [
        ("{\n  \"a\": 1,\n}", "2:9", "trailing comma before `}`", "remove the comma"),
        ("{\"é\": 'x'}", "1:7", "expected a value, found `'`", "double quotes"),
        ("{a: 1}", "1:2", "expected a key in double quotes, found `a`", "double quotes"),
        ("{} // x", "1:4", "found `/`", ".jsonc"),
        ("{\"a\": [1, 2", "1:12", "expected `,` or `]`, found the end of the text", "incomplete"),
        ("{\"a\": 1\n \"b\": 2}", "2:2", "expected `,` or `}`, found `\"`", "comma is missing"),
        ("{\"a\": tru}", "1:7", "found `tru`", "quotes"),
        ("{\"a\": True}", "1:7", "found `True`", "write `true`"),
        ("{\"a\": 01}", "1:7", "leading zero", "remove the zero"),
        ("\"\\ud800\"", "1:2", "surrogate", "two escapes"),
        ("\"abc", "1:1", "has no end", "incomplete"),
        ("\"a\nb\"", "1:3", "end of the line", "\\n"),
        ("\"\\x\"", "1:2", "unknown escape", "backslash"),
        ("[1.]", "1:4", "a digit after the decimal point", ""),
        ("", "1:1", "expected a value", "empty text"),
        ("{} {}", "1:4", "the end of the text", "one value"),
        ("18446744073709551616", "1:1", "18446744073709551616", "string"),
        ("[1e400]", "1:2", "1e400", "string"),
        (
            "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}",
            "3:1",
            "key `a` stands twice in one map, in line 1 and in line 3",
            "keep one",
        ),
    ];
    for (text, place, message, hint) in cases {
        let error = parse(text, Format::Json).unwrap_err();
        assert_eq!(error.origin().unwrap().location.unwrap().to_string(), place, "{text}: {error:?}");
        assert!(error.message().contains(message), "{text}: {error:?}");
        assert!(error.hint().unwrap_or("").contains(hint), "{text}: {error:?}");
    }
}

#[test]
fn deep_nesting_is_refused_with_its_place() {
    for format in [Format::Json, Format::Jsonc, Format::Yaml] {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(128), format).is_ok());
        let error = parse(&nested(129), format).unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
        assert!(error.origin().unwrap().location.is_some());
        assert_eq!(parse(&nested(100_000), format).unwrap_err().code(), Code::TooLarge);
    }
    assert!(parse(&format!("a = {}1{}", "[".repeat(50), "]".repeat(50)), Format::Toml).is_ok());
    assert!(parse(&format!("a = {}1{}", "[".repeat(200), "]".repeat(200)), Format::Toml).is_err());
}

#[test]
fn formats_are_told_by_name_and_by_file() {
    for (path, want) in [
        ("config.json", Format::Json),
        ("a/b.JSONC", Format::Jsonc),
        ("c:\\x\\b.yml", Format::Yaml),
        ("x.toml", Format::Toml),
        (".env", Format::Dotenv),
        (".env.local", Format::Dotenv),
        ("prod.env", Format::Dotenv),
    ] {
        assert_eq!(Format::from_path(path).unwrap(), want, "{path}");
        assert_eq!(Format::from_name(want.name()).unwrap(), want);
    }
    for path in ["config", "a.json5", "json", "dir.yaml/file", ""] {
        let error = Format::from_path(path).unwrap_err();
        assert_eq!(error.code(), Code::UnknownFormat);
        assert!(error.hint().unwrap().contains("yaml"));
    }
}

#[test]
fn errors_name_the_source_they_were_given() {
    let error = parse_from("a: [", Format::Yaml, "file:config.yaml").unwrap_err();
    assert!(error.to_string().starts_with("file:config.yaml:2:1: "), "{error}");
}
