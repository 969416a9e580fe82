//! How near two leaves are: by the items of lists and the lines of texts, and then by what these are made of.
//!
//! A list is one leaf, so two states of it are equally far from a third one by leaves, also where that was made of one of
//! them by adding an item. The parts tell which.

use std::ops::{Add, Sub};

use crate::canonical::canonical;
use crate::value::{List, Value};

/// From how much of a leaf another one differs: each count says more than any number of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Apart {
    /// Items of a list, lines of a text.
    parts: usize,
    /// Fields of items, words of lines.
    pieces: usize,
    /// Places of a list.
    places: usize,
}

impl Add for Apart {
    type Output = Apart;

    fn add(self, other: Apart) -> Apart {
        let (parts, pieces) = (self.parts + other.parts, self.pieces + other.pieces);
        Apart { parts, pieces, places: self.places + other.places }
    }
}

impl Sub for Apart {
    type Output = Apart;

    fn sub(self, other: Apart) -> Apart {
        let places = self.places.saturating_sub(other.places);
        let pieces = self.pieces.saturating_sub(other.pieces);
        Apart { parts: self.parts.saturating_sub(other.parts), pieces, places }
    }
}

/// What a leaf is made of, in order of spelling.
pub(crate) struct Parts {
    list: Option<List>,
    parts: Vec<String>,
    pieces: Vec<String>,
}

impl Parts {
    /// The parts of what stands somewhere, if anything does.
    pub(crate) fn of(value: Option<&Value>) -> Parts {
        let mut parts: Vec<String> = match value {
            Some(Value::List(list)) => list.iter().map(canonical).collect(),
            Some(Value::String(text)) => split(text.as_str(), |c| c == '\n').map(str::to_owned).collect(),
            other => other.map(canonical).into_iter().collect(),
        };
        let mut pieces = Vec::new();
        if let Some(value) = value {
            collect(value, "", &mut pieces);
        }
        parts.sort_unstable();
        pieces.sort_unstable();
        Parts { list: value.and_then(Value::as_list).cloned(), parts, pieces }
    }

    /// How much of it another leaf lacks, and it of that one. What is nothing, or a single thing, is as far from all that it is
    /// not: that tells nothing about what it was made of.
    pub(crate) fn apart(&self, other: Option<&Value>) -> Apart {
        let other = Parts::of(other);
        if self.parts.is_empty() {
            return Apart { parts: 1, pieces: 1, places: 1 };
        }
        let places = match (&self.list, &other.list) {
            (Some(one), Some(two)) => {
                one.len().abs_diff(two.len()) + one.iter().zip(two.iter()).filter(|(one, two)| one != two).count()
            }
            _ => 1,
        };
        let is_single = |one: &[String], two: &[String]| self.list.is_none() && one.len() <= 1 && two.len() <= 1;
        let apart = |one: &[String], two: &[String]| if is_single(one, two) { 1 } else { differing(one, two) };
        Apart { parts: apart(&self.parts, &other.parts), pieces: apart(&self.pieces, &other.pieces), places }
    }
}

/// Whether a leaf may hold parts that different people wrote.
pub(crate) fn has_parts(value: Option<&Value>) -> bool {
    match value {
        Some(Value::List(list)) => !list.is_empty(),
        Some(Value::String(text)) => split(text.as_str(), char::is_whitespace).nth(1).is_some(),
        _ => false,
    }
}

/// How many are in one of both and not in the other one.
fn differing(one: &[String], two: &[String]) -> usize {
    let (mut one, mut two) = (one.iter().peekable(), two.iter().peekable());
    let mut differing: usize = 0;
    while let (Some(a), Some(b)) = (one.peek(), two.peek()) {
        let order = a.cmp(b);
        differing += usize::from(order.is_ne());
        if order.is_le() {
            one.next();
        }
        if order.is_ge() {
            two.next();
        }
    }
    differing + one.count() + two.count()
}

fn split(text: &str, is_between: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(is_between).filter(|piece| !piece.is_empty())
}

fn collect(value: &Value, place: &str, pieces: &mut Vec<String>) {
    match value {
        Value::List(list) => list.iter().for_each(|item| collect(item, &format!("{place}/"), pieces)),
        Value::Map(map) => map.iter().for_each(|(key, value)| collect(value, &format!("{place}/{key}"), pieces)),
        Value::String(text) => {
            pieces.extend(split(text.as_str(), char::is_whitespace).map(|word| format!("{place}\"{word}")));
        }
        other => pieces.push(format!("{place}={}", canonical(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::json;
    use super::*;

    fn apart(state: &str, saved: &str) -> (usize, usize) {
        let apart = Parts::of(Some(&json(saved))).apart(Some(&json(state)));
        (apart.parts, apart.pieces)
    }

    #[test]
    fn a_list_that_got_an_item_is_nearer_to_itself_than_to_one_that_got_another() {
        assert_eq!(apart(r#"["a","b"]"#, r#"["a","b","d"]"#).0, 1);
        assert_eq!(apart(r#"["a","x","b"]"#, r#"["a","b","d"]"#).0, 2);
        assert_eq!(apart("[]", "[1]").0, 1);
        assert_eq!(apart("[2]", "[1]").0, 2);
        assert_eq!(apart("[1,1]", "[1,1,1]").0, 1);
        // Alike as they are, they are two.
        assert_eq!(apart(r#"["run a b"]"#, r#"["run a c"]"#).0, 2);
        assert_eq!(apart(r#"[{"n":1,"i":1},{"n":2,"i":1}]"#, r#"[{"n":1,"i":1},{"n":2,"i":9}]"#), (2, 2));
        assert_eq!(apart(r#"[{"n":1,"i":2},{"n":2,"i":1}]"#, r#"[{"n":1,"i":1},{"n":2,"i":9}]"#).0, 4);
    }

    #[test]
    fn changes_of_one_item_are_told_apart_by_its_fields() {
        assert_eq!(apart(r#"[{"a":1,"b":1}]"#, r#"[{"a":1,"b":2}]"#), (2, 2));
        assert_eq!(apart(r#"[{"a":2,"b":1}]"#, r#"[{"a":1,"b":2}]"#), (2, 4));
    }

    #[test]
    fn where_alike_items_changed_their_places_tell() {
        let apart = |state: &str| Parts::of(Some(&json("[1,9]"))).apart(Some(&json(state)));
        assert!(apart("[1,1]") < apart("[2,1]"));
    }

    #[test]
    fn texts_differ_in_lines_and_lines_in_words() {
        assert_eq!(apart(r#""one\ntwo\n""#, r#""one\ntwo\nthree\n""#).0, 1);
        assert_eq!(apart(r#""zero\none\ntwo\n""#, r#""one\ntwo\nthree\n""#).0, 2);
        assert_eq!(apart(r#""hello world""#, r#""hello world!""#), (1, 2));
        assert_eq!(apart(r#""big hello world""#, r#""hello world!""#), (1, 3));
    }

    #[test]
    fn scalars_and_what_is_empty_are_as_far_from_everything() {
        for (state, saved) in [("1", "2"), ("\"a\"", "\"b\""), ("[1,2,3]", "[]"), ("\"a b c\"", "\"\"")] {
            assert_eq!(apart(state, saved), (1, 1), "{state} and {saved}");
        }
        assert_eq!(Parts::of(None).apart(Some(&json("[1,2,3]"))), Apart { parts: 1, pieces: 1, places: 1 });
        assert_eq!(Parts::of(Some(&json("[1,2]"))).apart(None), Apart { parts: 2, pieces: 2, places: 1 });
    }
}
