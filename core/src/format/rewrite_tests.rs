use proptest::prelude::*;

use super::tests::{ini_maps, maps, scalars, toml_scalars, values};
use super::*;

const JSONC: &str = r#"// the service
{
  "name": "api", // shown in the UI
  /* limits */
  "limits": {
    "rate": 10,
    "burst": 20 // at most
  },
  "hosts": [
    "a.example", // first
    "b.example"
  ],
  "flags": { "x": true, "y": false },
  "last": null
}
"#;

const YAML: &str = r#"# the service
name: api   # shown in the UI
limits:   # per second
  rate: 10
  burst: "20" # at most

hosts:
  # main
  - a.example  # first
  - b.example
servers:
- name: one
  port: 1   # low
- name: two
  port: 2
flags: { x: true, y: false } # flow
text: |
  two
  lines
folded: >-
  one
  line
base: &base
  a: 1
derived: *base
empty:
last: 'quo''ted' # end
"#;

const TOML: &str = r#"# the service
name = "api" # shown in the UI
hosts = [
  "a.example", # first
  "b.example",
]
flags = { x = true, y = false }
dotted.deep = 1 # dotted

# limits
[limits] # per second
rate = 10
  burst = 20 # at most

[a.b.c]
d = 1979-05-27T07:32:00Z # birth

[[servers]]
name = "one"
port = 1 # low

[[servers]]
name = "two"
port = 2
"#;

const DOTENV: &str = r#"# the service
export NAME=api # shown

RATE="10"   # per second
LAST='x y'
"#;

const INI: &str = r#"; the service
name = api ; shown

[limits] ; per second
rate = 10
  burst = '20' ; at most
none =

[a.b]
c: 1
; end
"#;

/// One edit and the text that it makes of the sample: `-` lines become `+` lines.
fn check(format: Format, before: &str, path: &str, value: Option<Value>, gone: &[&str], come: &[&str]) {
    for newline in ["\n", "\r\n"] {
        let text = before.replace('\n', newline);
        let old = parse(&text, format).unwrap();
        let path = Path::parse(path).unwrap();
        let target = match &value {
            Some(value) => old.with(&path, value.clone()),
            None => old.without(&path),
        };
        assert_ne!(old, target, "nothing changes at {path}");
        let new = rewrite(&text, format, &target).unwrap();
        assert_eq!(parse(&new, format).unwrap(), target, "{new}");
        let (a, b): (Vec<&str>, Vec<&str>) = (text.split(newline).collect(), new.split(newline).collect());
        // Where the end of the text is next to the change, its empty last line counts as part of it.
        let front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let rest = a.len().min(b.len()) - front;
        let back = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count().min(rest);
        assert_eq!(&a[front..a.len() - back], gone, "removed at {path}:\n{new}");
        assert_eq!(&b[front..b.len() - back], come, "added at {path}:\n{new}");
        assert!(newline == "\n" || !new.replace("\r\n", "").contains('\n'), "mixed line breaks: {new:?}");
    }
}

fn map(entries: &[(&str, i32)]) -> Value {
    entries.iter().map(|(key, value)| (*key, *value)).collect()
}

#[test]
fn jsonc_edits_touch_only_their_lines() {
    type Case<'a> = (&'a str, Option<Value>, &'a [&'a str], &'a [&'a str]);
    let cases: [Case; 16] = [
        (
            "name",
            Some("web".into()),
            &[r#"  "name": "api", // shown in the UI"#],
            &[r#"  "name": "web", // shown in the UI"#],
        ),
        ("limits.burst", Some(21.into()), &[r#"    "burst": 20 // at most"#], &[r#"    "burst": 21 // at most"#]),
        (
            "limits.window",
            Some(5.into()),
            &[r#"    "burst": 20 // at most"#],
            &[r#"    "burst": 20, // at most"#, r#"    "window": 5"#],
        ),
        ("limits.rate", None, &[r#"    "rate": 10,"#], &[]),
        ("limits.burst", None, &[r#"    "rate": 10,"#, r#"    "burst": 20 // at most"#], &[r#"    "rate": 10"#]),
        ("hosts.0", Some("c".into()), &[r#"    "a.example", // first"#], &[r#"    "c", // first"#]),
        ("hosts.2", Some("c".into()), &[r#"    "b.example""#], &[r#"    "b.example","#, r#"    "c""#]),
        ("hosts.1", None, &[r#"    "a.example", // first"#, r#"    "b.example""#], &[r#"    "a.example" // first"#]),
        ("hosts.0", None, &[r#"    "a.example", // first"#], &[]),
        (
            "flags.z",
            Some(1.into()),
            &[r#"  "flags": { "x": true, "y": false },"#],
            &[r#"  "flags": { "x": true, "y": false, "z": 1 },"#],
        ),
        ("flags.x", None, &[r#"  "flags": { "x": true, "y": false },"#], &[r#"  "flags": { "y": false },"#]),
        ("flags.y", None, &[r#"  "flags": { "x": true, "y": false },"#], &[r#"  "flags": { "x": true },"#]),
        (
            "last",
            None,
            &[r#"  "flags": { "x": true, "y": false },"#, r#"  "last": null"#],
            &[r#"  "flags": { "x": true, "y": false }"#],
        ),
        ("last", Some(map(&[("a", 1)])), &[r#"  "last": null"#], &[r#"  "last": {"#, r#"    "a": 1"#, r#"  }"#]),
        (
            "new",
            Some(map(&[("a", 1)])),
            &[r#"  "last": null"#],
            &[r#"  "last": null,"#, r#"  "new": {"#, r#"    "a": 1"#, r#"  }"#],
        ),
        ("flags", Some(false.into()), &[r#"  "flags": { "x": true, "y": false },"#], &[r#"  "flags": false,"#]),
    ];
    for (path, value, gone, come) in cases {
        check(Format::Jsonc, JSONC, path, value, gone, come);
    }
}

#[test]
fn yaml_edits_touch_only_their_lines() {
    type Case<'a> = (&'a str, Option<Value>, &'a [&'a str], &'a [&'a str]);
    let cases: [Case; 26] = [
        ("name", Some("web".into()), &["name: api   # shown in the UI"], &["name: web   # shown in the UI"]),
        ("name", Some("no".into()), &["name: api   # shown in the UI"], &["name: \"no\"   # shown in the UI"]),
        ("limits.burst", Some("21".into()), &["  burst: \"20\" # at most"], &["  burst: \"21\" # at most"]),
        ("limits.window", Some(5.into()), &[], &["  window: 5"]),
        ("limits.rate", None, &["  rate: 10"], &[]),
        ("hosts.0", Some("c".into()), &["  - a.example  # first"], &["  - c  # first"]),
        ("hosts.2", Some("c".into()), &[], &["  - c"]),
        ("hosts.0", None, &["  # main", "  - a.example  # first"], &[]),
        (
            "hosts",
            Some("one".into()),
            &["hosts:", "  # main", "  - a.example  # first", "  - b.example"],
            &["hosts: one"],
        ),
        ("servers.0.port", Some(3.into()), &["  port: 1   # low"], &["  port: 3   # low"]),
        ("servers.0.name", None, &["- name: one", "  port: 1   # low"], &["- port: 1   # low"]),
        ("servers.1.tls", Some(true.into()), &[], &["  tls: true"]),
        ("servers.2", Some(map(&[("a", 1), ("b", 2)])), &[], &["- a: 1", "  b: 2"]),
        ("servers.0", None, &["- name: one", "  port: 1   # low"], &[]),
        ("flags.x", Some(0.into()), &["flags: { x: true, y: false } # flow"], &["flags: { x: 0, y: false } # flow"]),
        (
            "flags.z",
            Some(1.into()),
            &["flags: { x: true, y: false } # flow"],
            &["flags: { x: true, y: false, z: 1 } # flow"],
        ),
        ("flags.y", None, &["flags: { x: true, y: false } # flow"], &["flags: { x: true } # flow"]),
        ("text", Some("one".into()), &["text: |", "  two", "  lines"], &["text: |-", "  one"]),
        ("text", None, &["text: |", "  two", "  lines"], &[]),
        ("folded", Some("x\ny\n".into()), &["folded: >-", "  one", "  line"], &["folded: >", "  x", "", "  y"]),
        ("derived.a", Some(2.into()), &["derived: *base"], &["derived:", "  a: 2"]),
        ("base.a", Some(2.into()), &["  a: 1", "derived: *base"], &["  a: 2", "derived:", "  a: 1"]),
        ("empty", Some(1.into()), &["empty:"], &["empty: 1"]),
        ("empty", Some(map(&[("a", 1)])), &[], &["  a: 1"]),
        ("last", Some("x".into()), &["last: 'quo''ted' # end"], &["last: 'x' # end"]),
        ("zz", Some(vec![1.into()].into()), &[], &["zz:", "  - 1"]),
    ];
    for (path, value, gone, come) in cases {
        check(Format::Yaml, YAML, path, value, gone, come);
    }
}

#[test]
fn toml_edits_touch_only_their_lines() {
    type Case<'a> = (&'a str, Option<Value>, &'a [&'a str], &'a [&'a str]);
    let cases: [Case; 20] = [
        ("name", Some("web".into()), &["name = \"api\" # shown in the UI"], &["name = \"web\" # shown in the UI"]),
        ("name", None, &["# the service", "name = \"api\" # shown in the UI"], &[]),
        ("hosts.0", Some("c".into()), &["  \"a.example\", # first"], &["  \"c\", # first"]),
        ("hosts.2", Some("c".into()), &[], &["  \"c\","]),
        ("hosts.1", None, &["  \"b.example\","], &[]),
        ("flags.x", Some(1.into()), &["flags = { x = true, y = false }"], &["flags = { x = 1, y = false }"]),
        ("flags.z", Some(1.into()), &["flags = { x = true, y = false }"], &["flags = { x = true, y = false, z = 1 }"]),
        ("flags.y", None, &["flags = { x = true, y = false }"], &["flags = { x = true }"]),
        ("dotted.deep", Some(2.into()), &["dotted.deep = 1 # dotted"], &["dotted.deep = 2 # dotted"]),
        ("dotted.more", Some(2.into()), &[], &["dotted.more = 2"]),
        ("limits.burst", Some(21.into()), &["  burst = 20 # at most"], &["  burst = 21 # at most"]),
        ("limits.rate", None, &["rate = 10"], &[]),
        ("limits.window", Some(5.into()), &[], &["window = 5"]),
        ("limits", None, &["# limits", "[limits] # per second", "rate = 10", "  burst = 20 # at most", ""], &[]),
        ("a.b.c.d", Some("x".into()), &["d = 1979-05-27T07:32:00Z # birth"], &["d = \"x\" # birth"]),
        ("servers.0.port", Some(3.into()), &["port = 1 # low"], &["port = 3 # low"]),
        ("servers.1.tls", Some(true.into()), &[], &["tls = true"]),
        ("servers.2", Some(map(&[("a", 1)])), &[], &["[[servers]]", "a = 1", ""]),
        ("servers.1", None, &["[[servers]]", "name = \"two\"", "port = 2", ""], &[]),
        ("zz.y", Some(1.into()), &[], &["[zz]", "y = 1", ""]),
    ];
    for (path, value, gone, come) in cases {
        check(Format::Toml, TOML, path, value, gone, come);
    }
}

#[test]
fn dotenv_edits_touch_only_their_lines() {
    type Case<'a> = (&'a str, Option<Value>, &'a [&'a str], &'a [&'a str]);
    let cases: [Case; 4] = [
        ("NAME", Some("w b".into()), &["export NAME=api # shown"], &["export NAME='w b' # shown"]),
        ("RATE", Some("11".into()), &["RATE=\"10\"   # per second"], &["RATE=\"11\"   # per second"]),
        ("RATE", None, &["RATE=\"10\"   # per second"], &[]),
        ("NEW", Some("1".into()), &[], &["NEW=1"]),
    ];
    for (path, value, gone, come) in cases {
        check(Format::Dotenv, DOTENV, path, value, gone, come);
    }
}

#[test]
fn ini_edits_touch_only_their_lines() {
    type Case<'a> = (&'a str, Option<Value>, &'a [&'a str], &'a [&'a str]);
    let text = |text: &str| Some(Value::from(text));
    let cases: [Case; 12] = [
        ("name", text("w b"), &["name = api ; shown"], &["name = w b ; shown"]),
        ("name", text("a;b c ;d"), &["name = api ; shown"], &["name = 'a;b c ;d' ; shown"]),
        ("name", None, &["; the service", "name = api ; shown", ""], &[]),
        ("new", text("1"), &[], &["new = 1"]),
        ("limits.burst", text("21"), &["  burst = '20' ; at most"], &["  burst = '21' ; at most"]),
        ("limits.none", text("x"), &["none ="], &["none = x"]),
        ("limits.rate", None, &["rate = 10"], &[]),
        ("limits.window", text("5"), &[], &["window = 5"]),
        ("a.b.d", text("2"), &[], &["d = 2"]),
        ("a.x", text("2"), &[], &["[a]", "x = 2", ""]),
        ("a", None, &["[a.b]", "c: 1"], &[]),
        ("z.y", Some([("k", "v")].into_iter().collect()), &[], &["[z.y]", "k = v", ""]),
    ];
    for (path, value, gone, come) in cases {
        check(Format::Ini, INI, path, value, gone, come);
    }
}

#[test]
fn a_comment_right_behind_an_empty_value_stays_a_comment() {
    for (format, text, want) in [
        (Format::Dotenv, "A=# why\nB=1\n", "A=x # why\nB=1\n"),
        (Format::Ini, "b = 1\na =; why\n", "b = 1\na = x ; why\n"),
        (Format::Ini, "b=1\na=# why\n", "b=1\na=x # why\n"),
    ] {
        let old = parse(text, format).unwrap();
        let key = if format == Format::Dotenv { "A" } else { "a" };
        let new = old.with(&Path::parse(key).unwrap(), "x".into());
        assert_eq!(rewrite(text, format, &new).unwrap(), want);
    }
}

#[test]
fn question_marks_do_not_make_a_yaml_map_a_thing_of_one_piece() {
    for (text, path, want) in [
        ("q: why?\nb: 1 # c\n", "b", "q: why?\nb: 2 # c\n"),
        ("q: what ?\nb: 1 # c\n", "b", "q: what ?\nb: 2 # c\n"),
        ("# top\n? long\n: value # v\nb: 1 # c\n", "b", "# top\n? long\n: value # v\nb: 2 # c\n"),
        ("# top\n? long\n: value # v\nb: 1 # c\n", "long", "# top\n? long\n: 2 # v\nb: 1 # c\n"),
        ("- ? x\n  : y # y\n  z: 1 # z\n", "0.x", "- ? x\n  : 2 # y\n  z: 1 # z\n"),
    ] {
        let new = parse(text, Format::Yaml).unwrap().with(&Path::parse(path).unwrap(), 2.into());
        assert_eq!(rewrite(text, Format::Yaml, &new).unwrap(), want);
    }
    let text = "a: 1 # a\n? long\n: value # v\nb: 1 # c\n";
    let without = parse(text, Format::Yaml).unwrap().without(&Path::parse("long").unwrap());
    assert_eq!(rewrite(text, Format::Yaml, &without).unwrap(), "a: 1 # a\nb: 1 # c\n");
}

/// As `name: y`, which readers of YAML 1.1 take for a bool.
#[test]
fn a_bare_text_stays_bare_only_where_every_reader_takes_it_for_one() {
    for (new, want) in [("y", "\"y\""), ("N", "\"N\""), ("off", "\"off\""), ("yard", "yard"), ("1_000", "\"1_000\"")] {
        assert_eq!(edited_at("name: x # it\n", "name", new.into()), format!("name: {want} # it\n"));
    }
}

fn edited_at(text: &str, path: &str, value: Value) -> String {
    let old = parse(text, Format::Yaml).unwrap();
    rewrite(text, Format::Yaml, &old.with(&Path::parse(path).unwrap(), value)).unwrap()
}

/// A block takes in every line below it that is indented as deep, comments too.
#[test]
fn a_text_of_several_lines_above_a_deeper_comment_is_quoted_and_every_comment_stays() {
    let text = "# head\na: 1 # why\nb:\n  c: 2\n  # d: 3\n";
    let lines = Value::from("l1\nl2\n");
    check(Format::Yaml, text, "new", Some(lines.clone()), &[], &["new: |", "  l1", "  l2"]);
    assert!(edited_at(text, "new", lines.clone()).ends_with("  # d: 3\nnew: |\n  l1\n  l2\n"));
    check(Format::Yaml, "b: x\n  # note\nc: 1\n", "b", Some(lines.clone()), &["b: x"], &[r#"b: "l1\nl2\n""#]);
    check(Format::Yaml, "b: x\n# note\nc: 1\n", "b", Some(lines), &["b: x"], &["b: |", "  l1", "  l2"]);
}

#[test]
fn texts_of_several_lines_are_written_on_one_where_lines_end_in_another_way() {
    let value = Value::empty_map().with(&Path::parse("a.b").unwrap(), "one\ntwo\n".into());
    let new = rewrite("# c\r\n# d", Format::Toml, &value).unwrap();
    assert_eq!(new, "# c\r\n# d\r\n[a]\r\nb = \"one\\ntwo\\n\"\r\n");
    assert_eq!(parse(&new, Format::Toml).unwrap(), value);
}

#[test]
fn a_key_that_begins_as_the_mark_of_an_encoding_is_read_back() {
    let value = Value::empty_map().with(&Path::root().child("\u{feff}k"), "\u{feff}v".into());
    let text = crate::format::print(&value, Format::Properties).unwrap();
    assert_eq!(text, "\\ufeffk=\\ufeffv\n");
    assert_eq!(parse(&text, Format::Properties).unwrap(), value);
}

#[test]
fn a_second_byte_order_mark_is_text() {
    let text = "\u{feff}\u{feff}k = 1 ; k\nb = 2 ; b\n";
    let new = parse(text, Format::Ini).unwrap().with(&Path::parse("b").unwrap(), "3".into());
    assert_eq!(rewrite(text, Format::Ini, &new).unwrap(), text.replace('2', "3"));
    let commented = text.replace("k =", "; k =");
    let gone = parse(&commented, Format::Ini).unwrap().without(&Path::root().child("\u{feff}; k"));
    let result = rewrite(&commented, Format::Ini, &gone).unwrap();
    assert_eq!(parse(&result, Format::Ini).as_ref(), Ok(&gone), "{result:?}");
}

#[test]
fn a_toml_text_over_several_lines_does_not_mix_line_breaks() {
    let text = "# top\r\nx = 1 # one\r\nold = \"\"\"\r\na\r\nb\"\"\"\r\n[[t]]\r\ny = 2\r\n";
    let old = parse(text, Format::Toml).unwrap();
    let lines = Value::from("a \r\n\"b\"\u{7f}\n");
    for path in ["x", "z", "t.0.y", "t.1.y", "n.m", "t"] {
        let new = old.with(&Path::parse(path).unwrap(), lines.clone());
        let result = rewrite(text, Format::Toml, &new).unwrap();
        assert_eq!(parse(&result, Format::Toml).as_ref(), Ok(&new), "{path}: {result:?}");
        assert!(!result.replace("\r\n", "").contains('\n'), "{path}: {result:?}");
        assert!(
            result.starts_with("# top\r\n") && result.contains("old = \"\"\"\r\na\r\nb\"\"\"\r\n"),
            "{path}: {result:?}"
        );
    }
}

/// Random documents with comments between their lines, and random edits of them.
fn edited(scalar: fn() -> BoxedStrategy<Value>) -> impl Strategy<Value = (Value, Value)> {
    let change = (any::<prop::sample::Index>(), prop_oneof![scalar(), values(scalar()).boxed()], 0..4u8);
    (maps(scalar()), prop::collection::vec(change, 1..4)).prop_map(|(old, changes)| {
        let mut new = old.clone();
        for (at, value, kind) in changes {
            let mut paths = Vec::new();
            every_path(&Path::root(), &new, &mut paths);
            let path = at.get(&paths).clone();
            new = match kind {
                0 if !path.is_root() => new.without(&path),
                1 if matches!(new.at(&path), Some(Value::Map(_))) => new.with(&path.child("added"), value),
                1 if path.is_root() => new,
                2 => match new.at(&path) {
                    Some(Value::List(list)) => {
                        new.with(&path, Value::List(list.with_inserted(at.index(list.len() + 1), value)))
                    }
                    _ => new,
                },
                _ if path.is_root() => new,
                _ => new.with(&path, value),
            };
        }
        (old, new)
    })
}

fn every_path(path: &Path, value: &Value, out: &mut Vec<Path>) {
    out.push(path.clone());
    match value {
        Value::Map(map) => map.iter().for_each(|(key, child)| every_path(&path.child(key), child, out)),
        Value::List(list) => {
            list.iter().enumerate().for_each(|(at, child)| every_path(&path.child(&at.to_string()), child, out));
        }
        _ => {}
    }
}

fn any_scalar() -> BoxedStrategy<Value> {
    scalars().boxed()
}

fn settles(old: &Value, new: &Value, format: Format, restyle: impl Fn(String) -> String) {
    let text = restyle(print(old, format).unwrap());
    if parse(&text, format).as_ref() != Ok(old) {
        return;
    }
    let result = rewrite(&text, format, new).unwrap();
    assert_eq!(parse(&result, format).as_ref(), Ok(new), "{text}\n=>\n{result}");
    assert_eq!(rewrite(&text, format, old).unwrap(), text);
}

fn same(text: String) -> String {
    text
}

fn carriage_returns(text: String) -> String {
    text.replace('\n', "\r\n")
}

fn no_final_break(text: String) -> String {
    text.trim_end_matches('\n').to_owned()
}

proptest! {
    #[test]
    fn rewriting_json_reaches_the_target((old, new) in edited(any_scalar)) {
        settles(&old, &new, Format::Json, same);
        settles(&old, &new, Format::Json, carriage_returns);
        settles(&old, &new, Format::Json, |text| text.replace("\n", "").replace("  ", ""));
        settles(&old, &new, Format::Jsonc, |text| text.replace(",\n", ", // why\n"));
    }

    #[test]
    fn rewriting_yaml_reaches_the_target((old, new) in edited(any_scalar)) {
        settles(&old, &new, Format::Yaml, same);
        settles(&old, &new, Format::Yaml, carriage_returns);
        settles(&old, &new, Format::Yaml, no_final_break);
        settles(&old, &new, Format::Yaml, |text| text.replace('\n', "\n# why\n"));
        settles(&old, &new, Format::Yaml, |text| text.replace('\n', " # why\n"));
        settles(&old, &new, Format::Yaml, |_| {
            let mut flow = String::new();
            yaml_print::inline(&mut flow, &old);
            flow
        });
        settles(&old, &new, Format::Yaml, |_| print(&old, Format::Json).unwrap());
    }

    #[test]
    fn rewriting_toml_reaches_the_target((old, new) in edited(toml_scalars)) {
        settles(&old, &new, Format::Toml, same);
        settles(&old, &new, Format::Toml, carriage_returns);
        settles(&old, &new, Format::Toml, no_final_break);
        settles(&old, &new, Format::Toml, |text| text.replace('\n', " # why\n"));
    }

    #[test]
    fn rewriting_ini_reaches_the_target(old in ini_maps(), new in ini_maps(), keep in any::<bool>()) {
        let mut new = new;
        if keep {
            // Most of the old document stays.
            let entries = new.as_map().unwrap().iter().map(|(key, value)| (key.clone(), value.clone()));
            new = Value::Map(old.as_map().unwrap().iter().map(|(k, v)| (k.clone(), v.clone())).chain(entries).collect());
        }
        settles(&old, &new, Format::Ini, same);
        settles(&old, &new, Format::Ini, carriage_returns);
        settles(&old, &new, Format::Ini, no_final_break);
        settles(&old, &new, Format::Ini, |text| text.replace('\n', " ; why\n"));
    }

    #[test]
    fn whatever_can_be_read_can_be_rewritten(
        tokens in prop::collection::vec(proptest::sample::select(TOKENS.to_vec()), 0..24),
        at in any::<prop::sample::Index>(),
        value in prop_oneof![Just(Value::from("x")), Just(Value::empty_map()), values(toml_scalars())],
        remove in any::<bool>(),
    ) {
        let text = tokens.concat();
        for format in [Format::Jsonc, Format::Yaml, Format::Toml, Format::Dotenv, Format::Ini] {
            let Ok(old) = parse(&text, format) else { continue };
            let mut paths = Vec::new();
            every_path(&Path::root(), &old, &mut paths);
            let path = at.get(&paths);
            let target = if remove { old.without(path) } else { old.with(path, value.clone()) };
            for path in &paths {
                prop_assert!(locate(&text, format, path).is_some(), "{format:?} {path:?}: {text}");
            }
            if print(&target, format).is_ok() {
                let result = rewrite(&text, format, &target);
                prop_assert!(result.is_ok(), "{format:?}: {result:?}: {text}");
                if !matches!(format, Format::Dotenv | Format::Ini) {
                    prop_assert_eq!(parse(&result.unwrap(), format).unwrap(), target, "{:?}: {}", format, text);
                }
            }
        }
    }
}

const TOKENS: [&str; 46] = [
    "a",
    "b",
    "c",
    "a: ",
    "b:\n",
    "c: 1\n",
    "- ",
    "- a\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n- ",
    "\n  - ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "# c\n",
    " # c\n",
    "&x ",
    "*x",
    "*x\n",
    "!!str ",
    "! ",
    "|\n",
    ">-\n",
    "|+\n",
    "'q'",
    "\"d\"",
    "\"d\" # c\n",
    "? ",
    ": ",
    "1",
    "---\n",
    "...\n",
    "\r\n",
    "\t",
    " ",
    "a = 1\n",
    "[a]\n",
    "[[b]]\n",
    "a.b = 2\n",
    "/* c */",
    "// c\n",
    "é",
];
