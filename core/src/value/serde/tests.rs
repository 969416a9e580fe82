use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    name: String,
    port: u16,
    ratio: f64,
    big: u64,
    level: Level,
    limit: Option<i32>,
    tags: Vec<String>,
    pair: (i8, bool),
    by_number: BTreeMap<u32, Wrapped>,
    nested: Nested,
    shapes: Vec<Shape>,
    rest: Value,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Low,
    High,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, i32),
    Rect { w: u8, h: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(i64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nested {
    host: String,
    #[serde(default)]
    on: bool,
}

const TEXT: &str = r#"{"name":"n","port":80,"ratio":1.0,"big":18446744073709551615,"level":"high","limit":null,
    "tags":["a","b"],"pair":[-1,true],"by_number":{"7":-9223372036854775808},"nested":{"host":"h","on":false},
    "shapes":["Point",{"Circle":2.5},{"Line":[1,2]},{"Rect":{"w":1,"h":2}}],"rest":{"x":[1,{"y":null}]}}"#;

#[test]
fn types_are_read_and_made_without_loss() {
    let value = json(TEXT);
    let settings: Settings = value.extract().unwrap();
    assert_eq!((settings.big, settings.ratio, settings.limit), (u64::MAX, 1.0, None));
    assert_eq!((&settings.shapes[2], &settings.by_number[&7]), (&Shape::Line(1, 2), &Wrapped(i64::MIN)));
    assert_eq!(Value::from_serialize(&settings).unwrap(), value);
}

#[test]
fn values_travel_through_other_formats() {
    let value = json(TEXT);
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    assert!(serde_json::from_str::<Value>(r#"{"a":1,"a":2}"#).unwrap_err().to_string().contains("twice"));
}

#[test]
fn what_does_not_fit_is_told_with_its_path_and_without_its_value() {
    for (text, code, told) in [
        (r#"{"nested":{"host":"h","hots":1}}"#, Code::Invalid, "unknown key `hots` (at `nested.hots`)"),
        (r#"{"nested":{"on":true}}"#, Code::Invalid, "required key is missing (at `nested.host`)"),
        (r#"{"port":"hunter2"}"#, Code::Type, "expected u16, found string (at `port`)"),
        (r#"{"port":70000}"#, Code::Invalid, "the integer is not u16 (at `port`)"),
        (r#"{"tags":["a",5]}"#, Code::Type, "expected a string, found integer (at `tags.1`)"),
        (r#"{"pair":[1,true,3]}"#, Code::Invalid, "expected fewer items, found 3 items (at `pair`)"),
        (r#"{"level":"hunter2"}"#, Code::Invalid, "the value is none of those that are known (at `level`)"),
        (r#"{"shapes":[{"Rect":{"w":1,"h":"x"}}]}"#, Code::Type, "expected u8, found string (at `shapes.0.Rect.h`)"),
        (r#"{"by_number":{"x":1}}"#, Code::Type, "expected u32, found string (at `by_number.x`)"),
        (r#"{"big":-1}"#, Code::Invalid, "the integer is not u64 (at `big`)"),
        (r#"{"name":null}"#, Code::Type, "expected a string, found null (at `name`)"),
    ] {
        let wrong = json(text);
        let changed = wrong
            .as_map()
            .unwrap()
            .iter()
            .fold(json(TEXT), |value, (key, new)| value.with(&Path::root().child(key), new.clone()));
        let error = changed.extract::<Settings>().unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, told), "{text}");
    }
}

#[test]
fn what_a_document_cannot_hold_is_refused_with_its_path() {
    let nested = BTreeMap::from([("a", vec![1.0, f64::NAN])]);
    let error = Value::from_serialize(&nested).unwrap_err();
    assert_eq!((error.code(), error.path().unwrap().to_string().as_str()), (Code::NumberRange, "a.1"));
    assert_eq!(Value::from_serialize(&u128::MAX).unwrap_err().code(), Code::NumberRange);
    assert_eq!(Value::from_serialize(&BTreeMap::from([(vec![1], 1)])).unwrap_err().code(), Code::Type);
    assert_eq!(Value::from_serialize(&0.1_f32).unwrap(), json("0.1"));
    assert_eq!(Value::from_serialize(&BTreeMap::from([(2, 'c')])).unwrap(), json(r#"{"2":"c"}"#));
}

#[test]
fn texts_can_be_borrowed() {
    let value = json(r#"["a","b"]"#);
    let texts: Vec<&str> = value.extract().unwrap();
    assert_eq!(texts, ["a", "b"]);
}
