//! Markers in files that take out what lies below: `{"$unset": true}`, and in YAML `!unset` and `!reset`.

use crate::error::{Code, Error};
use crate::limits::RESERVED_KEY;
use crate::path::Path;
use crate::policy::Policy;
use crate::value::{List, Map, Value, tag_of};

use super::Layer;

const MARKER: &str = "$unset";

/// What a marker tells where it does not act.
const PLAIN: &str = "the marker of a removal is a value like any other here";

/// The layer with its markers taken as removals where they act, else with a warning for each.
pub(super) fn marked(mut layer: Layer, acts: bool) -> Layer {
    let may_be_marked = |text: &str| [MARKER, "!unset", "!reset"].iter().any(|marker| text.contains(marker));
    if !layer.text.as_ref().is_some_and(|source| may_be_marked(&source.text)) {
        return layer;
    }
    take(&mut layer, &|_| acts);
    let told = layer.markers.iter().map(|path| {
        Error::new(Code::Ambiguous, PLAIN)
            .with_origin(layer.origin(path))
            .with_path(path.clone())
            .with_hint("add `;unset` to the file, or a rule `removals`, for it to take out what lies below")
    });
    let told: Vec<Error> = told.collect();
    layer.warnings.extend(told);
    layer
}

/// The layer with the markers acting that rules let act, and without the warnings about these.
pub(super) fn by_rules(mut layer: Layer, policy: &Policy) -> Layer {
    // What stands in a profile is told where it stands, and acts where it comes into force.
    let in_force = |path: &Path| match path.segments() {
        [first, _, rest @ ..] if first.as_str() == super::PROFILES => rest.iter().cloned().collect(),
        _ => path.clone(),
    };
    if !layer.markers.iter().any(|path| policy.removes(path) || policy.removes(&in_force(path))) {
        return layer;
    }
    take(&mut layer, &|path| policy.removes(path));
    let mut warnings = std::mem::take(&mut layer.warnings);
    let acts = |path: &Path| !layer.markers.contains(path) && policy.removes(&in_force(path));
    warnings.retain(|warning| warning.message() != PLAIN || !warning.path().is_some_and(acts));
    layer.warnings = warnings;
    layer
}

/// Takes the markers that act as removals, and remembers the others.
fn take(layer: &mut Layer, acts: &dyn Fn(&Path) -> bool) {
    let mut walk = Walk { acts, removed: Vec::new(), plain: Vec::new(), marks_items: false };
    let value = layer.value.clone();
    layer.value = walk.value(&Path::root(), &value).unwrap_or_else(Value::empty_map);
    layer.marks_items |= walk.marks_items;
    layer.unset.extend(walk.removed);
    layer.markers = walk.plain;
}

struct Walk<'a> {
    acts: &'a dyn Fn(&Path) -> bool,
    /// Where markers stand that act, and where others do.
    removed: Vec<Path>,
    plain: Vec<Path>,
    marks_items: bool,
}

impl Walk<'_> {
    /// The value without what it removes; none where it is a marker itself.
    fn value(&mut self, path: &Path, value: &Value) -> Option<Value> {
        if !path.is_root() && is_marker(value) {
            let acts = (self.acts)(path);
            if acts { &mut self.removed } else { &mut self.plain }.push(path.clone());
            return (!acts).then(|| value.clone());
        }
        match value {
            Value::Map(map) => {
                let children = map.iter().map(|(key, child)| (key.clone(), self.value(&path.child(key), child)));
                let edits: Vec<_> = children.collect();
                Some(Value::Map(map.edited(edits)))
            }
            Value::List(list) => {
                let items = list.iter().enumerate().map(|(at, item)| self.item(&path.child(&at.to_string()), item));
                Some(Value::List(items.collect::<List>()))
            }
            scalar => Some(scalar.clone()),
        }
    }

    fn item(&mut self, path: &Path, item: &Value) -> Value {
        match item {
            Value::Map(map) if map.get(MARKER) == Some(&Value::Bool(true)) && map.len() > 1 => {
                if !(self.acts)(path) {
                    self.plain.push(path.clone());
                    return item.clone();
                }
                self.marks_items = true;
                Value::Map(map.edited(vec![(MARKER.into(), None), (RESERVED_KEY.into(), Some(MARKER.into()))]))
            }
            // An item as such cannot be taken out of a list.
            _ if is_marker(item) => item.clone(),
            _ => self.value(path, item).unwrap_or(Value::Null),
        }
    }
}

fn is_marker(value: &Value) -> bool {
    let Value::Map(map) = value else { return false };
    (map.len() == 1 && map.get(MARKER) == Some(&Value::Bool(true)))
        || tag_of(map).is_some_and(|tag| matches!(tag.as_str(), "!unset" | "!reset"))
}

/// Whether an item of a keyed list takes the one with its key out of lower lists.
pub(super) fn removes(item: &Value) -> bool {
    item.child(RESERVED_KEY).and_then(Value::as_str) == Some(MARKER)
}

/// The value without items that remove others where no rule tells items apart, with a warning for each such list.
pub(super) fn without_stray_items(layer: &Layer, policy: &Policy, warnings: &mut Vec<Error>) -> Value {
    fn walk(path: &Path, value: &Value, layer: &Layer, policy: &Policy, warnings: &mut Vec<Error>) -> Value {
        match value {
            Value::Map(map) => {
                let children = map
                    .iter()
                    .map(|(key, child)| (key.clone(), walk(&path.child(key), child, layer, policy, warnings)));
                Value::Map(children.collect::<Map>())
            }
            Value::List(list) if policy.list_key_at(path).is_none() && list.iter().any(removes) => {
                let message = "an item with `$unset` takes another one out only where a rule tells the items apart";
                let error = Error::new(Code::Policy, message).with_origin(layer.origin(path)).with_path(path.clone());
                warnings.push(error.with_hint("add a rule `keyed_list` with the field that does"));
                Value::List(list.iter().filter(|item| !removes(item)).cloned().collect::<List>())
            }
            other => other.clone(),
        }
    }
    walk(&Path::root(), &layer.value, layer, policy, warnings)
}
