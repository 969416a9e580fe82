//! What a format can hold of a value, and why it cannot hold the rest.

use super::Format;
#[cfg(feature = "toml")]
use super::toml;
use super::{dotenv, ini_edit};
use crate::path::Path;
use crate::value::{Str, Value};

/// A part of a value that a format cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where: a scalar, a list, or a map that the format has no place for.
    pub path: Path,
    /// The format.
    pub format: Format,
    /// Why not.
    pub reason: String,
}

impl LeftOut {
    /// Reads what [`LeftOut::to_value`] makes; none where it is something else.
    pub fn from_value(value: &Value) -> Option<LeftOut> {
        let text = |name: &str| value.child(name).and_then(Value::as_str);
        let format = Format::from_name(text("format")?).ok()?;
        Some(LeftOut { path: Path::parse(text("path")?).ok()?, format, reason: text("reason")?.to_owned() })
    }

    /// `{"path", "format", "reason"}`.
    pub fn to_value(&self) -> Value {
        let fields: [(&str, Value); 3] = [
            ("path", self.path.to_string().into()),
            ("format", self.format.name().into()),
            ("reason", self.reason.as_str().into()),
        ];
        fields.into_iter().collect()
    }
}

/// A value as a file of some format shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What the file reads back as: dotenv, INI and properties hold every scalar as a text.
    pub value: Value,
    /// What stays out of it, by path.
    pub left_out: Vec<LeftOut>,
}

/// A document as a file of this format shows it. A list with an item that cannot be held stays out as a whole, and so does
/// a map that holds nothing else.
///
/// ```
/// use confmesh::format::{Format, held, parse};
/// let value = parse(r#"{"a": null, "b": 1}"#, Format::Json)?;
/// let held = held(&value, Format::Toml);
/// assert_eq!(held.value, parse("b = 1", Format::Toml)?);
/// assert_eq!(held.left_out[0].path.to_string(), "a");
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn held(value: &Value, format: Format) -> Held {
    let mut walk = Walk { format, as_texts: true, left_out: Vec::new() };
    let value = walk.document(value);
    Held { value, left_out: walk.left_out }
}

/// The value without what the format cannot hold, see [`held`]; scalars keep their types.
pub fn holdable(value: &Value, format: Format) -> Value {
    Walk { format, as_texts: false, left_out: Vec::new() }.document(value)
}

/// What of a value that stands at a path of a document a file of this format cannot hold.
pub fn left_out(path: &Path, value: &Value, format: Format) -> Vec<LeftOut> {
    let mut walk = Walk { format, as_texts: false, left_out: Vec::new() };
    // A map that holds something, whatever it is.
    let map: Value = [("", Value::Null)].into_iter().collect();
    let above = (1..path.len()).find_map(|len| refusal(&path.prefix(len), &map, format));
    match above {
        Some(reason) => walk.leave_out(path, reason),
        None => drop(walk.node(path, value)),
    }
    walk.left_out
}

/// Whether a format holds every value, each as what it is.
fn holds_all(format: Format) -> bool {
    matches!(format, Format::Json | Format::Jsonc | Format::Json5 | Format::Yaml)
}

/// Why a format has no place for a scalar, a list or a map, the map's entries aside.
fn refusal(path: &Path, value: &Value, format: Format) -> Option<String> {
    match format {
        #[cfg(feature = "toml")]
        Format::Toml => toml::refusal(path, value),
        Format::Dotenv if super::INI => dotenv::refusal(path, value),
        Format::Ini if super::INI => ini_edit::refusal(path, value),
        #[cfg(feature = "properties")]
        Format::Properties => super::properties::refusal(path, value),
        _ => None,
    }
}

struct Walk {
    format: Format,
    /// Whether scalars become texts, where the format knows nothing else.
    as_texts: bool,
    left_out: Vec<LeftOut>,
}

/// What becomes of a part.
enum Part {
    Same,
    Other(Value),
    Gone,
}

impl Walk {
    fn document(&mut self, value: &Value) -> Value {
        if holds_all(self.format) {
            return value.clone();
        }
        match self.node(&Path::root(), value) {
            Part::Same => value.clone(),
            Part::Other(value) => value,
            Part::Gone => Value::empty_map(),
        }
    }

    fn leave_out(&mut self, path: &Path, reason: String) {
        self.left_out.push(LeftOut { path: path.clone(), format: self.format, reason });
    }

    fn node(&mut self, path: &Path, value: &Value) -> Part {
        if holds_all(self.format) {
            return Part::Same;
        }
        if !path.is_root()
            && let Some(reason) = refusal(path, value, self.format)
        {
            self.leave_out(path, reason);
            return Part::Gone;
        }
        let map = match value {
            Value::Map(map) if !map.is_empty() => map,
            Value::Bool(bool) => return self.text(bool.to_string()),
            Value::Number(number) => return self.text(number.to_string()),
            _ => return Part::Same,
        };
        let mut edits: Vec<(Str, Option<Value>)> = Vec::new();
        let mut gone = 0;
        for (key, child) in map.iter() {
            match self.node(&path.child(key), child) {
                Part::Same => {}
                Part::Other(value) => edits.push((key.clone(), Some(value))),
                Part::Gone => {
                    gone += 1;
                    edits.push((key.clone(), None));
                }
            }
        }
        match edits.is_empty() {
            true => Part::Same,
            false if gone == map.len() => Part::Gone,
            false => Part::Other(Value::Map(map.edited(edits))),
        }
    }

    fn text(&self, text: String) -> Part {
        let is_text = self.as_texts && self.format.is_untyped();
        if is_text { Part::Other(text.into()) } else { Part::Same }
    }
}

#[cfg(test)]
#[cfg(all(feature = "yaml", feature = "toml"))]
mod tests {
    use super::super::tests::{maps, scalars};
    use super::super::{parse, print};
    use super::*;
    use proptest::prelude::*;

    use super::super::tests::FORMATS;

    fn json(text: &str) -> Value {
        parse(text, Format::Json).unwrap()
    }

    fn named(value: &str, format: Format) -> Vec<String> {
        held(&json(value), format).left_out.iter().map(|part| part.path.to_string()).collect()
    }

    #[test]
    fn what_is_left_out_is_named_once_and_the_rest_is_held() {
        let value = r#"{"a":null,"b":{"c":null},"d":[1,null],"e":18446744073709551615,"f":{},"g":{"h":1}}"#;
        assert_eq!(named(value, Format::Toml), ["a", "b.c", "d", "e"]);
        assert_eq!(named(value, Format::Ini), ["a", "b.c", "d"]);
        assert_eq!(named(value, Format::Dotenv), ["a", "b.c", "d", "f"]);
        assert_eq!(
            named(r#"{"a__b":1,"c":{"__d":1,"e-f":2},"g":{"h i":3}}"#, Format::Dotenv),
            ["a__b", "c.__d", "g.h i"]
        );
        assert_eq!(holdable(&json(value), Format::Toml), json(r#"{"f":{},"g":{"h":1}}"#));
        assert_eq!(held(&json(value), Format::Ini).value, json(r#"{"e":"18446744073709551615","f":{},"g":{"h":"1"}}"#));
    }

    #[test]
    fn a_part_is_judged_by_where_it_stands() {
        let at = |path: &str, value: &str, format| {
            let parts = left_out(&Path::parse(path).unwrap(), &json(value), format);
            parts.into_iter().map(|part| part.path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(at("a", "1", Format::Dotenv), Vec::<String>::new());
        assert_eq!(at("a.b", "1", Format::Dotenv), Vec::<String>::new());
        assert_eq!(at("a.b", "{}", Format::Dotenv), ["a.b"]);
        assert_eq!(at("a", r#"{"x":null,"y":1}"#, Format::Toml), ["a.x"]);
        assert_eq!(at("a", "null", Format::Json), Vec::<String>::new());
    }

    proptest! {
        /// Every pair of formats: a document that was read from a file of any format, in a file of any other.
        #[test]
        fn every_format_prints_what_it_holds_of_any_other_and_reads_the_same_back(value in maps(scalars().boxed())) {
            for from in FORMATS {
                let document = held(&value, from).value;
                for to in FORMATS {
                    let shown = held(&document, to);
                    let text = print(&shown.value, to).unwrap_or_else(|error| panic!("{from:?} {to:?}: {error:?}"));
                    prop_assert_eq!(&parse(&text, to).unwrap(), &shown.value, "{:?} to {:?}: {}", from, to, text);
                    prop_assert_eq!(&held(&shown.value, to), &Held { value: shown.value.clone(), left_out: Vec::new() });
                    prop_assert_eq!(print(&holdable(&document, to), to).unwrap(), text);
                    for part in &shown.left_out {
                        let alone = Value::empty_map().with(&part.path, document.at(&part.path).unwrap().clone());
                        prop_assert!(print(&alone, to).is_err(), "{:?}: {:?}", to, part);
                    }
                }
            }
        }
    }
}
