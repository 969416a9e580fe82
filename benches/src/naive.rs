//! What a program would do by hand with `serde_json` values.

use serde_json::{Map, Value};

/// Merges layers, the lowest first, into a new value.
pub fn merged(layers: &[Value]) -> Value {
    fn merge(under: &mut Value, over: &Value) {
        match (under, over) {
            (Value::Object(under), Value::Object(over)) => {
                for (key, value) in over {
                    match under.get_mut(key) {
                        Some(old) => merge(old, value),
                        None => drop(under.insert(key.clone(), value.clone())),
                    }
                }
            }
            (under, over) => *under = over.clone(),
        }
    }
    let mut layers = layers.iter();
    let mut merged = layers.next().cloned().unwrap_or_default();
    layers.for_each(|layer| merge(&mut merged, layer));
    merged
}

/// The same of layers that it may take apart.
pub fn merged_owned(layers: impl IntoIterator<Item = Value>) -> Value {
    fn merge(under: &mut Value, over: Value) {
        match (under, over) {
            (Value::Object(under), Value::Object(over)) => {
                for (key, value) in over {
                    match under.get_mut(&key) {
                        Some(old) => merge(old, value),
                        None => drop(under.insert(key, value)),
                    }
                }
            }
            (under, over) => *under = over,
        }
    }
    let mut layers = layers.into_iter();
    let mut merged = layers.next().unwrap_or_default();
    layers.for_each(|layer| merge(&mut merged, layer));
    merged
}

/// A step of a path.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Into a map.
    Key(&'a str),
    /// Into a list.
    Item(usize),
}

/// A path with what stands there now, if anything does.
pub type Edit<'a> = (Vec<Step<'a>>, Option<&'a Value>);

/// What differs, in one pass over both; lists item by item.
pub fn differences<'a>(old: &'a Value, new: &'a Value) -> Vec<Edit<'a>> {
    let mut edits = Vec::new();
    compare(old, new, &mut Vec::new(), &mut edits);
    edits
}

fn compare<'a>(old: &'a Value, new: &'a Value, at: &mut Vec<Step<'a>>, edits: &mut Vec<Edit<'a>>) {
    let mut within = |step: Step<'a>, old: Option<&'a Value>, new: Option<&'a Value>| {
        at.push(step);
        match (old, new) {
            (Some(old), Some(new)) => compare(old, new, at, edits),
            (_, new) => edits.push((at.clone(), new)),
        }
        at.pop();
    };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => side_by_side(old, new, within),
        (Value::Array(old), Value::Array(new)) => {
            for item in 0..old.len().max(new.len()) {
                within(Step::Item(item), old.get(item), new.get(item));
            }
        }
        _ if old != new => edits.push((at.clone(), Some(new))),
        _ => {}
    }
}

fn side_by_side<'a>(
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
    mut each: impl FnMut(Step<'a>, Option<&'a Value>, Option<&'a Value>),
) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let (key, before, after) = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some((a, _)), Some((b, _))) => (if a <= b { *a } else { *b }, a <= b, b <= a),
            (Some((a, _)), None) => (*a, true, false),
            (None, Some((b, _))) => (*b, false, true),
        };
        let old = before.then(|| old.next()).flatten().map(|(_, value)| value);
        let new = after.then(|| new.next()).flatten().map(|(_, value)| value);
        each(Step::Key(key), old, new);
    }
}
