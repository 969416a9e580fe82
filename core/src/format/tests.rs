use proptest::prelude::*;

use super::*;
use crate::value::{Number, Str};

pub(super) const FORMATS: [Format; 8] = [
    Format::Json,
    Format::Jsonc,
    Format::Json5,
    Format::Yaml,
    Format::Toml,
    Format::Dotenv,
    Format::Ini,
    Format::Properties,
];

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

/// What INI can hold: maps of text.
pub(super) fn ini_maps() -> impl Strategy<Value = Value> {
    let map = |inner: BoxedStrategy<Value>| {
        prop::collection::vec((texts(), inner), 0..5).prop_map(|entries| entries.into_iter().collect::<Value>())
    };
    let value = texts().prop_map(Value::from).prop_recursive(3, 24, 4, move |inner| map(inner.boxed()));
    map(value.boxed())
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
    fn dotenv_reads_back_what_it_prints(entries in prop::collection::vec(("[A-Za-z](_?[A-Z0-9.-]){0,5}", texts()), 0..6)) {
        let value: Value = entries.into_iter().map(|(key, text)| (Str::from(key), Value::from(text))).collect();
        let text = print(&value, Format::Dotenv).unwrap();
        prop_assert_eq!(parse(&text, Format::Dotenv).map_err(|e| format!("{e:?}\n{text}")).unwrap(), value, "{}", text);
    }

    #[test]
    fn ini_reads_back_what_it_prints(value in ini_maps()) {
        let text = print(&value, Format::Ini).unwrap();
        prop_assert_eq!(parse(&text, Format::Ini).map_err(|e| format!("{e:?}\n{text}")).unwrap(), value, "{}", text);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof![any::<String>(), "[-{}\\[\\],:?&*!|>'\"#%@ \\na-c01.\\r\\t=]{0,40}"]) {
        for format in [Format::Json, Format::Jsonc, Format::Yaml, Format::Toml, Format::Dotenv, Format::Ini] {
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
        ("setup.cfg", Format::Ini),
        ("a.INI", Format::Ini),
        ("renovate.json5", Format::Json5),
        ("application.properties", Format::Properties),
    ] {
        assert_eq!(Format::from_path(path).unwrap(), want, "{path}");
        assert_eq!(Format::from_name(want.name()).unwrap(), want);
    }
    for path in ["config", "a.json6", "json", "dir.yaml/file", ""] {
        let error = Format::from_path(path).unwrap_err();
        assert_eq!(error.code(), Code::UnknownFormat);
        assert!(error.hint().unwrap().contains("yaml"));
    }
}

#[test]
fn errors_name_the_source_they_were_given() {
    let error = parse_from("a: [", Format::Yaml, "file:config.yaml").unwrap_err();
    assert!(error.to_string().starts_with("file:config.yaml:1:5: "), "{error}");
}

#[test]
fn errors_of_yaml_toml_and_dotenv_say_where_and_what() {
    let cases = [
        (Format::Yaml, "a: 1\nb:\n\tc: 2\n", Code::Syntax, "3:2", "tab"),
        (Format::Yaml, "a: 1\n---\nb: 2\n", Code::Syntax, "2:1", "second document"),
        (Format::Yaml, "é: 1\nb: 2\né: 3\n", Code::DuplicateKey, "3:1", "in line 1 and in line 3"),
        (Format::Yaml, "? [a]\n: 1\n", Code::Syntax, "1:3", "key must be a scalar"),
        (Format::Yaml, "é: .inf\n", Code::NumberRange, "1:4", ".inf"),
        (Format::Yaml, "a: &x [*x]\n", Code::Syntax, "1:8", "own anchor"),
        (Format::Yaml, "a: *x\n", Code::Syntax, "1:4", "unknown anchor"),
        (Format::Yaml, "a: !!int x\n", Code::Syntax, "1:4", "no `!!int`"),
        (Format::Yaml, "a: b\u{0}c\n", Code::Syntax, "1:5", "control character"),
        (Format::Toml, "a = 1\na = 2\n", Code::DuplicateKey, "2:1", "key `a` stands twice"),
        (Format::Toml, "a = 1\nb = inf\n", Code::NumberRange, "2:5", "inf"),
        (Format::Toml, "a = 1\nb = x\n", Code::Syntax, "2:5", ""),
        (Format::Ini, "a = 1\nb\n", Code::Syntax, "2:1", "no `=`"),
        (Format::Ini, "[a\n", Code::Syntax, "1:1", "closing `]`"),
        (Format::Ini, "[a..b]\n", Code::Syntax, "1:4", "no section's name"),
        (Format::Ini, "[a b] x\n", Code::Syntax, "1:7", "end of the line"),
        (Format::Ini, "[a b \"c\" d]\n", Code::Syntax, "1:10", "in the section's name"),
        (Format::Ini, "a = \"x\n\"\n", Code::Syntax, "1:5", "closing `\"`"),
        (Format::Ini, "a = \"\\x\"\n", Code::Syntax, "1:6", "escape"),
        (Format::Ini, "= 1\n", Code::Syntax, "1:1", "empty"),
        (Format::Ini, "a = 1\n[a]\n", Code::DuplicateKey, "2:2", "in line 1 and in line 2"),
        (Format::Ini, "[a.b]\n[a]\nb = 1\n", Code::DuplicateKey, "3:1", "in line 1 and in line 3"),
        (Format::Dotenv, "A=1\nB C\n", Code::Syntax, "2:1", "no `=`"),
        (Format::Dotenv, "A='1\n", Code::Syntax, "1:3", "closing"),
        (Format::Dotenv, "A=\"x\" y\n", Code::Syntax, "1:7", "closing quote"),
    ];
    for (format, text, code, place, message) in cases {
        let error = parse(text, format).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error:?}");
        assert_eq!(error.origin().unwrap().location.unwrap().to_string(), place, "{text}: {error:?}");
        assert!(error.message().contains(message), "{text}: {error:?}");
        assert!(error.hint().is_some(), "{text}: {error:?}");
    }
}

#[test]
fn a_few_lines_of_aliases_cannot_make_a_billion_nodes() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let above = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{above}]\n");
    }
    let error = parse(&text, Format::Yaml).unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    let deep: String = (1..200).map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1)).collect();
    assert_eq!(parse(&format!("a0: &a0 1\n{deep}"), Format::Yaml).unwrap_err().code(), Code::TooLarge);
}

#[test]
fn empty_texts_are_empty_maps_except_in_json() {
    for text in ["", "\n", "# c\n", "\u{feff}"] {
        for format in [Format::Yaml, Format::Toml, Format::Dotenv, Format::Ini] {
            assert_eq!(parse(text, format).unwrap(), Value::empty_map(), "{format:?} {text:?}");
        }
    }
    assert!(parse("", Format::Json).is_err());
    assert_eq!(parse("---\n", Format::Yaml).unwrap(), Value::empty_map());
    assert_eq!(parse("null\n", Format::Yaml).unwrap(), Value::Null);
    assert_eq!(parse("\u{feff}{}", Format::Json).unwrap(), Value::empty_map());
}

#[test]
fn keys_and_items_are_located() {
    let cases = [
        (
            Format::Json,
            "{\n  \"a\": {\"é\": 1, \"b\": [1,\n 2]}}",
            vec![("a", "2:3"), ("a.b", "2:17"), ("a.b.1", "3:2")],
        ),
        (Format::Jsonc, "// c\n{\"a\": 1}", vec![("a", "2:2")]),
        (
            Format::Yaml,
            "# c\né: {k: 1}\na: &x\n  - b: 1\n    c: 2\nd: *x\n",
            vec![("é.k", "2:5"), ("a", "3:1"), ("a.0", "4:5"), ("a.0.c", "5:5"), ("d", "6:1"), ("d.0.c", "5:5")],
        ),
        (
            Format::Toml,
            "a.b = 1\n[t.u]\nx = [1, 2]\n[[l]]\n[[l]]\ny = {z = 1}\n",
            vec![("a.b", "1:3"), ("t.u", "2:4"), ("t.u.x.1", "3:9"), ("l.1", "5:1"), ("l.1.y.z", "6:6")],
        ),
        (Format::Dotenv, "# c\nexport A=1\n", vec![("A", "2:8")]),
        (
            Format::Ini,
            "; c\na = 1\n[s . \"é.x\"]\n  k: 2\n[s]\n",
            vec![("a", "2:1"), ("s", "3:2"), ("s.é\\.x", "3:6"), ("s.é\\.x.k", "4:3")],
        ),
    ];
    for (format, text, places) in cases {
        for (path, want) in places {
            let found = locate(text, format, &Path::parse(path).unwrap());
            assert_eq!(found.map(|place| place.to_string()).as_deref(), Some(want), "{format:?} {path}");
        }
        assert_eq!(locate(text, format, &Path::parse("nowhere.at.all").unwrap()), None);
        assert_eq!(locate(text, format, &Path::root()), Some(Location { line: 1, column: 1 }));
    }
}

#[test]
fn ini_lines_are_sections_keys_quotes_and_comments() {
    let text = "\u{feff}; head\r\ntop: a:b=c ; why\r\n[a.b] # nested\r\nk = 'raw \\n; x' ; c\r\n\"x=y\" = \"two\\nlines\"\r\n\
        empty =\r\nhash = a#b\r\n[a]\r\n  two words = 1\r\n[none]\r\n";
    let want = r#"{"a":{"b":{"empty":"","hash":"a#b","k":"raw \\n; x","x=y":"two\nlines"},"two words":"1"},"none":{},"top":"a:b=c"}"#;
    assert_eq!(parse(text, Format::Ini).unwrap(), parse(want, Format::Json).unwrap());
    let deep = vec!["a"; 127].join(".");
    assert!(parse(&format!("[{deep}]\n"), Format::Ini).is_ok());
    assert_eq!(parse(&format!("[{deep}.a]\n"), Format::Ini).unwrap_err().code(), Code::TooLarge);
}

#[test]
fn toml_dates_are_strings_as_spelled() {
    let value = parse("a = 1979-05-27 07:32:00Z # c\nb = 07:32:00\n", Format::Toml).unwrap();
    assert_eq!(value.child("a").unwrap().as_str(), Some("1979-05-27 07:32:00Z"));
    assert_eq!(value.child("b").unwrap().as_str(), Some("07:32:00"));
}

#[test]
fn what_a_format_cannot_hold_is_refused_with_its_path() {
    let nulls: Value = [("a", Value::from(vec![Value::Null])), ("b", Value::Null)].into_iter().collect();
    let error = print(&nulls, Format::Toml).unwrap_err();
    assert_eq!((error.code(), error.path().unwrap().to_string().as_str()), (Code::Unrepresentable, "a.0"));
    assert_eq!(print(&holdable(&nulls, Format::Toml), Format::Toml).unwrap(), "");
    let nulls = nulls.without(&Path::parse("a").unwrap());
    assert_eq!(print(&holdable(&nulls, Format::Toml), Format::Toml).unwrap(), "");
    assert_eq!(holdable(&nulls, Format::Json), nulls);
    for (value, format) in [(Value::from(1), Format::Toml), (Value::from(1), Format::Dotenv), (nulls, Format::Dotenv)] {
        assert_eq!(print(&value, format).unwrap_err().code(), Code::Unrepresentable);
    }
    let big: Value = [("a", Value::from(u64::MAX))].into_iter().collect();
    assert_eq!(print(&big, Format::Toml).unwrap_err().code(), Code::Unrepresentable);
}

#[test]
fn every_format_holds_what_is_nested_as_deep_as_allowed_or_refuses_to_print_it() {
    for leaf in [Value::empty_map(), Value::from(vec![])] {
        let deep = (0..127).fold(leaf, |inner, _| [("a", inner)].into_iter().collect());
        for format in [Format::Json, Format::Yaml, Format::Toml, Format::Ini] {
            match print(&deep, format) {
                Ok(text) => assert_eq!(parse(&text, format).unwrap(), deep, "{format:?}"),
                Err(error) => {
                    assert_eq!(error.code(), Code::Unrepresentable);
                    assert!(matches!(format, Format::Toml | Format::Ini), "{format:?}");
                }
            }
        }
    }
}

#[test]
fn yaml_merge_keys_bring_what_the_map_does_not_hold_itself() {
    let text = "one: &x {b: 1, c: 1}\ntwo: &y {c: 2, d: 2}\nd:\n  <<: [*x, *y]\n  b: 3\ne: {<<: *x}\n";
    let value = parse(text, Format::Yaml).unwrap();
    let want = parse("{b: 3, c: 1, d: 2}", Format::Yaml).unwrap();
    assert_eq!(value.child("d"), Some(&want));
    assert_eq!(value.at(&Path::parse("e.c").unwrap()), Some(&1.into()));
    // What came through a merge key stands where it was written.
    for (path, place) in [("d.b", "5:3"), ("d.c", "1:16"), ("d.d", "2:16"), ("e.b", "1:10")] {
        assert_eq!(locate(text, Format::Yaml, &Path::parse(path).unwrap()).unwrap().to_string(), place, "{path}");
    }
    let error = parse("a: &x 1\nd:\n  <<: *x\n", Format::Yaml).unwrap_err();
    assert_eq!(error.origin().unwrap().location.unwrap().to_string(), "3:7");
    assert!(error.hint().unwrap().contains("quote '<<'"), "{error:?}");
    let value = parse("'<<': 1\n", Format::Yaml).unwrap();
    assert_eq!(parse(&print(&value, Format::Yaml).unwrap(), Format::Yaml).unwrap(), value);
}

#[test]
fn unknown_tags_of_yaml_are_kept() {
    let text = "a: !secret 007 # s\nb: !reference [x, 1]\nc: !Sub\n  k: 1\nd: !reset\ne: [!x z]\nf: !!binary aGk=\n";
    let value = parse(text, Format::Yaml).unwrap();
    let json = r#"{"a":{"$tag":"!secret","$value":"007"},"b":{"$tag":"!reference","$value":["x",1]},
        "c":{"$tag":"!Sub","$value":{"k":1}},"d":{"$tag":"!reset","$value":""},"e":[{"$tag":"!x","$value":"z"}],
        "f":{"$tag":"!!binary","$value":"aGk="}}"#;
    assert_eq!(value, parse(json, Format::Json).unwrap());
    let printed = print(&value, Format::Yaml).unwrap();
    assert!(printed.contains("a: !secret \"007\"\n") && printed.contains("  - !x z\n"), "{printed}");
    assert_eq!(parse(&printed, Format::Yaml).unwrap(), value);
    // Where it cannot be written as a tag it stays the map that it is.
    for odd in [r#"{"$tag":"!x","$value":1}"#, r#"{"$tag":"x","$value":"1"}"#, r#"{"$tag":"!a b","$value":"1"}"#] {
        let value = parse(odd, Format::Json).unwrap();
        assert_eq!(parse(&print(&value, Format::Yaml).unwrap(), Format::Yaml).unwrap(), value);
    }
    assert_eq!(locate(text, Format::Yaml, &Path::parse("c.$value.k").unwrap()).unwrap().to_string(), "4:3");
    assert_eq!(parse("!x k: 1\n", Format::Yaml).unwrap_err().code(), Code::Syntax);
}

#[test]
fn yaml_that_others_read_is_read() {
    for (text, json) in [
        ("a:\t1\nb:\t\"x\ty\" # c\n", r#"{"a":1,"b":"x\ty"}"#),
        ("a: [\n]\nb: {\n}\n", r#"{"a":[],"b":{}}"#),
        ("a: [\n  # c\n]\nt: |\n  x:\ty\n  [\n", r#"{"a":[],"t":"x:\ty\n[\n"}"#),
        ("a: [\n1, # one\n'é\n]'\n]\nb:\t2\n", r#"{"a":[1,"é ]"],"b":2}"#),
    ] {
        assert_eq!(parse(text, Format::Yaml).unwrap(), parse(json, Format::Json).unwrap(), "{text}");
    }
    let text = "a:\t1 # one\nl: [\n]\n";
    let target = parse(text, Format::Yaml).unwrap().with(&Path::parse("a").unwrap(), 2.into());
    assert_eq!(rewrite(text, Format::Yaml, &target).unwrap(), text.replace('1', "2"));
}

#[test]
fn a_missing_colon_is_told_where_it_is_missing() {
    for (text, place) in [
        ("a: 1\nb 2\nc: 3\n", "2:1"),
        ("a: 1\nb 2\n", "2:1"),
        ("a: 1\nb", "2:1"),
        ("a:\n  b 2\n  c: 3\n", "2:3"),
        ("a: 1\n\nb 2\n# c\n\nc: 3\n", "3:1"),
        ("x:\n  - a: 1\n    b 2\n  - c: 1\n", "3:5"),
        ("a: 1\n b: 2\n", "2:3"),
    ] {
        let error = parse(text, Format::Yaml).unwrap_err();
        assert_eq!(error.origin().unwrap().location.unwrap().to_string(), place, "{text}: {error:?}");
        assert!(!error.message().contains("b 2"), "a line may hold a secret: {error:?}");
    }
}

#[test]
fn dotenv_is_read_as_people_write_it() {
    let text = "A=1\nexport B=\"C:\\path\\dir\" # win\nC=`it's \"x\"`\nHOST\nexport D\nA=2 # last\nE='a b'\n";
    let value = parse(text, Format::Dotenv).unwrap();
    let want = r#"{"A":"2","B":"C:\\path\\dir","C":"it's \"x\"","E":"a b"}"#;
    assert_eq!(value, parse(want, Format::Json).unwrap());
    let set = |key: &str, new: &str| {
        rewrite(text, Format::Dotenv, &value.with(&Path::parse(key).unwrap(), new.into())).unwrap()
    };
    assert_eq!(set("A", "3"), text.replace("A=2", "A=3"));
    assert_eq!(set("C", "x y"), text.replace("it's \"x\"", "x y"));
    let without = rewrite(text, Format::Dotenv, &value.without(&Path::parse("A").unwrap())).unwrap();
    assert_eq!(without, text.replace("A=1\n", "").replace("A=2 # last\n", ""));
}

#[test]
fn keys_of_dotenv_nest_at_two_underscores_and_are_edited_where_they_stand() {
    let text = "# db\nexport DB__HOST=h # where\nDB__PORT=1\nA=2\n__X=3\nB____C=4\nLONE # alone\n";
    let value = parse(text, Format::Dotenv).unwrap();
    let want = r#"{"A":"2","B____C":"4","DB":{"HOST":"h","PORT":"1"},"__X":"3"}"#;
    assert_eq!(value, parse(want, Format::Json).unwrap());
    let set = |path: &str, new: &str| {
        rewrite(text, Format::Dotenv, &value.with(&Path::parse(path).unwrap(), new.into())).unwrap()
    };
    assert_eq!(set("DB.HOST", "g"), text.replace("=h", "=g"));
    assert_eq!(set("DB.USER", "u"), text.replace("PORT=1\n", "PORT=1\nDB__USER=u\n"));
    assert_eq!(set("LONE", "1"), text.replace("LONE #", "LONE=1 #"));
    let without = rewrite(text, Format::Dotenv, &value.without(&Path::parse("DB").unwrap())).unwrap();
    assert_eq!(without.trim_start(), text.replace("# db\nexport DB__HOST=h # where\nDB__PORT=1\n", ""));
    assert_eq!(print(&value, Format::Dotenv).unwrap(), "A=2\nB____C=4\nDB__HOST=h\nDB__PORT=1\n__X=3\n");
    let error = parse("DB=x\nDB__HOST=h\n", Format::Dotenv).unwrap_err();
    let place = error.origin().unwrap().location.unwrap().to_string();
    assert_eq!((error.code(), place.as_str()), (Code::DuplicateKey, "2:1"), "{error:?}");
}

#[test]
fn quotes_in_single_quotes_of_dotenv_are_text_where_more_follows() {
    for (line, want) in [
        (r"K='it\'s' # c", "it's"),
        (r"K='a#\'#s\'b'#c", "a#'#s'b"),
        (r"K='C:\dir\'", r"C:\dir\"),
        (r"K='C:\dir\' # it's", r"C:\dir\"),
        ("K='# ' # \"", "# "),
    ] {
        let value = parse(&format!("{line}\n"), Format::Dotenv).unwrap();
        assert_eq!(value.child("K"), Some(&want.into()), "{line}");
    }
}

#[test]
fn a_value_of_ini_goes_on_over_comments_and_blank_lines() {
    let reads = |text: &str, want: &str| {
        assert_eq!(parse(text, Format::Ini).unwrap(), parse(want, Format::Json).unwrap(), "{text}");
    };
    let lists = "[o]\nl =\n    one\n# c\n    # d\n    two\n\n    three ; e\nz = 1\n\n  word\n";
    reads(lists, r#"{"o":{"l":"one\ntwo\n\nthree","word":"","z":"1"}}"#);
    reads("[d]\nkey = a\n# c\n    b c\nother=2\n", r#"{"d":{"key":"a\nb c","other":"2"}}"#);
    reads("[o]\nl =\n    one\n\n  two\n", r#"{"o":{"l":"one","two":""}}"#);
    // Where nothing stands behind the key a separator is text, as requirements have it.
    reads("[o]\nl =\n    a>=1\n    # d\n    b: 2\nz = 1\n", r#"{"o":{"l":"a>=1\nb: 2","z":"1"}}"#);
    reads("[o]\nl = a\n    b\n    c>=1\n  d = 1\n", r#"{"o":{"d":"1","l":"a\nb\nc>=1"}}"#);
    reads("[o]\nl = a\n  d = 1\n", r#"{"o":{"d":"1","l":"a"}}"#);
    reads("[o]\n\tl =\n\td = 1\n", r#"{"o":{"d":"1","l":""}}"#);
    let included = "[mysqld]\nport = 1\n!includedir /etc/mysql/conf.d/\n";
    reads(included, r#"{"mysqld":{"port":"1"}}"#);
    let noted = crate::format::parse_noting(included, Format::Ini, "my.cnf").unwrap();
    assert_eq!(noted.notes[0].origin().unwrap().to_string(), "my.cnf:3:1");
    let target = parse("[mysqld]\nport = 2\n", Format::Ini).unwrap();
    assert_eq!(rewrite(included, Format::Ini, &target).unwrap(), included.replace("= 1", "= 2"));
}

#[test]
fn ini_is_read_as_people_write_it() {
    let text = "[options]\ninstall_requires =\n    requests # web\n    # data\n    flask\nzip = no\n\n[remote \"origin\"]\n\turl = x\n\tfetch = a\n\tfetch = b\n[Service]\nExecStart = /bin/x \\\n  --all\n[options]\nmore = 1\nskip-it ; bare\n";
    let value = parse(text, Format::Ini).unwrap();
    let want = r#"{"Service":{"ExecStart":"/bin/x --all"},
        "options":{"install_requires":"requests\nflask","more":"1","skip-it":"","zip":"no"},
        "remote":{"origin":{"fetch":"b","url":"x"}}}"#;
    assert_eq!(value, parse(want, Format::Json).unwrap());
    let set = |path: &str, new: &str| {
        let target = value.with(&Path::parse(path).unwrap(), new.into());
        let new = rewrite(text, Format::Ini, &target).unwrap();
        assert_eq!(parse(&new, Format::Ini).as_ref(), Ok(&target), "{new}");
        new
    };
    assert_eq!(set("options.zip", "yes"), text.replace("zip = no", "zip = yes"));
    assert_eq!(set("options.skip-it", "1"), text.replace("skip-it ; bare", "skip-it = 1 ; bare"));
    assert_eq!(set("remote.origin.fetch", "c"), text.replace("fetch = b", "fetch = c"));
    assert_eq!(set("options.install_requires", "requests2\nflask"), text.replace("requests #", "requests2 #"));
    let without = rewrite(text, Format::Ini, &value.without(&Path::parse("remote.origin.fetch").unwrap())).unwrap();
    assert_eq!(without, text.replace("\tfetch = a\n\tfetch = b\n", ""));
    assert_eq!(parse("word\n", Format::Ini).unwrap_err().code(), Code::Syntax);
}

#[test]
fn the_format_of_a_file_is_told_by_its_name_or_its_option() {
    for (path, format) in [
        ("a/tsconfig.json", Format::Jsonc),
        ("tsconfig.build.json", Format::Jsonc),
        ("x.code-workspace", Format::Jsonc),
        (".vscode/settings.json", Format::Jsonc),
        ("settings.json", Format::Json),
        ("mytsconfig.json", Format::Json),
    ] {
        assert_eq!(Format::from_path(path), Ok(format), "{path}");
    }
}

#[test]
fn a_long_text_cannot_be_multiplied_by_aliases() {
    let mut text = format!("a: &a \"{}\"\nl:\n", "x".repeat(1 << 20));
    text.push_str(&"  - *a\n".repeat(2_000));
    let error = parse(&text, Format::Yaml).unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    assert!(error.message().contains("bytes of text"), "{error:?}");
}

#[test]
fn an_error_at_the_end_of_an_open_last_line_stays_on_it() {
    for (text, format) in [("a: 1\nb", Format::Yaml), ("a: 1\nb: \"x", Format::Yaml), ("a = 1\nb", Format::Toml)] {
        let place = parse(text, format).unwrap_err().origin().unwrap().location.unwrap();
        assert_eq!(place.line, 2, "{format:?} {place}");
    }
}
