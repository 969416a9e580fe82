//! One random edit, as people make them.

use confmesh::Value;
use confmesh::format::Format;
use confmesh_tests::random::Random;

use super::document::{Body, Document};

/// Makes one edit; tells which.
pub fn apply(document: &mut Document, random: &mut Random, format: Format) -> Option<String> {
    let count = document.count();
    let node = document.nth(random.below(count));
    let is_root = node.origin.as_ref().is_some_and(confmesh::Path::is_root);
    let at = node.origin.clone();
    // What a tag is stays as it is; what stands behind it may change.
    let is_tag = at.as_ref().and_then(confmesh::Path::last).is_some_and(|last| last == "$tag");
    let is_tagged = matches!(&node.body, Body::Map(entries) if entries.iter().any(|(key, _)| key == "$tag"));
    if is_tag || is_tagged {
        return None;
    }
    let flat = matches!(format, Format::Dotenv);
    let told = |what: &str| Some(format!("{what} at {at:?}"));
    match (random.below(8), &mut node.body) {
        (0..=2, Body::Scalar(value)) => {
            let new = scalar_like(value, random, format);
            let told = told(&format!("set {new:?}"));
            *value = new;
            told
        }
        (0..=2, Body::Map(entries)) => {
            let key = random.pick(&["added", "zz", "a-b", "New", "x1"]).to_string();
            if entries.iter().any(|(other, _)| *other == key) {
                return None;
            }
            let deep = matches!(format, Format::Ini | Format::Properties) && !is_root;
            let new = new_value(random, format, flat || deep);
            let told = told(&format!("add {key} {new:?}"));
            entries.push((key, Document::fresh(&new)));
            told
        }
        (0..=2, Body::List(items)) => {
            let place = random.below(items.len() + 1);
            let new = match items.is_empty() {
                true => Value::from("first"),
                false => like(&items[random.below(items.len())].value(), random, format),
            };
            let told = told(&format!("insert {place} {new:?}"));
            items.insert(place, Document::fresh(&new));
            told
        }
        (3, Body::Map(entries)) if entries.len() > usize::from(is_root || format == Format::Properties) => {
            let (key, _) = entries.remove(random.below(entries.len()));
            told(&format!("remove {key}"))
        }
        (3 | 4, Body::List(items)) if !items.is_empty() => {
            let place = random.below(items.len());
            items.remove(place);
            told(&format!("remove {place}"))
        }
        (5, Body::List(items)) if items.len() > 1 => {
            let (a, b) = (random.below(items.len()), random.below(items.len()));
            items.swap(a, b);
            told(&format!("swap {a} {b}"))
        }
        (6 | 7, Body::List(items)) if items.len() > 1 => {
            let item = items.remove(random.below(items.len()));
            let place = random.below(items.len() + 1);
            items.insert(place, item);
            told(&format!("move to {place}"))
        }
        (4, body @ Body::Map(_)) if !is_root && format != Format::Properties && random.below(4) == 0 => {
            *body = Body::Map(Vec::new());
            told("empty")
        }
        // TOML has no tables beside other things in one list.
        (5, Body::Map(_)) if format == Format::Toml => None,
        (5, body) if !is_root && !format.is_untyped() && random.below(2) == 0 => {
            let new = new_value(random, format, false);
            let told = told(&format!("change to {new:?}"));
            *body = Document::fresh(&new).body;
            told
        }
        _ => None,
    }
}

fn scalar_like(value: &Value, random: &mut Random, format: Format) -> Value {
    let texts_only = format.is_untyped();
    if !texts_only && random.below(6) == 0 {
        return random.pick(&[Value::Bool(true), 7.into(), "text".into(), "1.5".into()]).clone();
    }
    match value {
        Value::Bool(on) => Value::Bool(!on),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Value::from(int.wrapping_add(1 + random.below(90) as i64)),
            None => Value::from(2),
        },
        Value::String(text) => match random.below(6) {
            0 => Value::from(format!("{text}-{}", random.below(100)).as_str()),
            1 => Value::from(random.text().as_str()),
            2 if text.contains('\n') => Value::from(text.replacen('e', "ee ", 1).as_str()),
            2 => Value::from("./run --fast"),
            3 if !texts_only => Value::from("two\nlines"),
            _ => Value::from(["nginx:1.27", "word", "it's", "a \"b\"", "80%"][random.below(5)]),
        },
        _ => "was null".into(),
    }
}

fn new_value(random: &mut Random, format: Format, scalars_only: bool) -> Value {
    let text = Value::from(*random.pick(&["new", "yes", "a b", "3.10", "x: y"]));
    if scalars_only || (format.is_untyped() && random.below(2) == 0) {
        return text;
    }
    let map: Value = [("k", text.clone()), ("l", "m".into())].into_iter().collect();
    if format.is_untyped() {
        return map;
    }
    match random.below(8) {
        0 => map,
        1 => Value::from(vec![text, 2.into()]),
        2 => Value::from(vec![map.clone(), map]),
        3 => Value::empty_map(),
        4 => Value::from(Vec::<Value>::new()),
        5 => 42.into(),
        6 => true.into(),
        _ => text,
    }
}

/// A new item beside one like this.
fn like(item: &Value, random: &mut Random, format: Format) -> Value {
    match item {
        Value::Map(map) => map.iter().map(|(key, value)| (key.as_str(), like(value, random, format))).collect(),
        Value::List(list) => Value::from(list.iter().map(|item| like(item, random, format)).collect::<Vec<_>>()),
        scalar => scalar_like(scalar, random, format),
    }
}
