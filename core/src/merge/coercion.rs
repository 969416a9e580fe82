//! Raw text takes the spelling and the types of what lies below.

use std::collections::BTreeSet;

use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::policy::Policy;
use crate::schema::coerce_like;
use crate::value::{List, Map, MapBuilder, Str, Value, index};

use super::{Layer, Variable};

pub(super) struct Coercion<'a> {
    pub layer: &'a Layer,
    pub lower_layers: &'a [Layer],
    pub below: &'a [Value],
    pub policy: &'a Policy,
    /// The path as lower layers spell it.
    pub above: Vec<Str>,
    pub warnings: &'a mut Vec<Error>,
}

impl Coercion<'_> {
    /// The layer's value with types, and the variables that count.
    pub fn run(mut self, map: &Map) -> (Value, Vec<Variable>) {
        let mut value = Value::Map(map.clone());
        let mut links: Vec<&str> = Vec::new();
        let mut variables = Vec::new();
        for variable in &self.layer.variables {
            let path = self.respell(&variable.path);
            let is_unknown =
                self.layer.env_mode.needs_below(variable) && !self.below.iter().any(|value| value.at(&path).is_some());
            if !is_unknown {
                variables.push(Variable { path, ..variable.clone() });
                continue;
            }
            value = value.without(&variable.path);
            if variable.is_link {
                links.push(&variable.name);
                continue;
            }
            let message = format!("`{}` is ignored: neither the schema nor a lower layer has `{path}`", variable.name);
            let error = Error::new(Code::UnknownVariable, message).with_origin(self.layer.origin(&variable.path));
            self.warnings.push(error.with_path(path).with_hint("correct the name, or let all variables count"));
        }
        if let Some(first) = links.first() {
            let message = match links.len() {
                1 => format!("`{first}` looks like a service link of Kubernetes and is ignored"),
                count => {
                    format!("{count} variables look like service links of Kubernetes and are ignored, `{first}` first")
                }
            };
            let origin = crate::origin::Origin::source(&self.layer.id);
            self.warnings.push(Error::new(Code::Ambiguous, message).with_origin(origin).with_hint(
                "set `enableServiceLinks: false` in the pod, or take a prefix that no service is called by",
            ));
        }
        let lower: Vec<&Value> = self.below.iter().collect();
        let typed = match &value {
            Value::Map(map) => self.map(map, &Path::root(), &lower),
            _ => Map::default(),
        };
        (Value::Map(typed), variables)
    }

    fn spelling(&self, key: &Str, lower: &[&Value]) -> Str {
        // Files carry case and dashes, variables cannot.
        if self.layer.is_exact { key.clone() } else { spelling(key, lower) }
    }

    fn respell(&self, path: &Path) -> Path {
        let mut under: Vec<&Value> = self.below.iter().collect();
        let mut spelled = Vec::with_capacity(path.len());
        for segment in path.segments() {
            let name = self.spelling(segment, &under);
            under = under.into_iter().filter_map(|value| value.child(&name)).collect();
            spelled.push(name);
        }
        spelled.into_iter().collect()
    }

    fn map(&mut self, map: &Map, spelled: &Path, lower: &[&Value]) -> Map {
        let mut typed = MapBuilder::with_capacity(map.len());
        let mut names: BTreeSet<Str> = BTreeSet::new();
        for (key, child) in map.iter() {
            let name = self.spelling(key, lower);
            let spelled = spelled.child(key);
            if name != *key && (map.contains_key(&name) || names.contains(&name)) || !names.insert(name.clone()) {
                let origin = self.layer.origin(&spelled);
                let what = origin.key.clone().unwrap_or_else(|| key.clone());
                let message = format!("`{what}` is ignored: another one sets `{name}` too");
                self.warnings
                    .push(Error::new(Code::DuplicateKey, message).with_origin(origin).with_hint("keep one of the two"));
                continue;
            }
            let under: Vec<&Value> = lower.iter().filter_map(|value| value.child(&name)).collect();
            self.above.push(name.clone());
            match child {
                Value::Map(child) if !child.is_empty() => {
                    let value = match self.list_below(child, &under) {
                        Some(list) => self.items(child, &spelled, &list),
                        None => Value::Map(self.map(child, &spelled, &under)),
                    };
                    typed.push(name, value);
                }
                Value::String(raw) => {
                    if let Some(value) = self.text(raw, &spelled, under.first().copied()) {
                        typed.push(name, value);
                    }
                }
                other => typed.push(name, other.clone()),
            }
            self.above.pop();
        }
        typed.build()
    }

    /// The list whose items the keys of a map address: the one below, or where nothing is there a new one.
    fn list_below(&self, child: &Map, under: &[&Value]) -> Option<List> {
        let are_indexes = !self.layer.variables.is_empty() && child.keys().all(|key| index(key).is_some());
        match under.first() {
            Some(Value::List(list)) if are_indexes => Some(list.clone()),
            None if are_indexes && (0..child.len()).all(|at| child.contains_key(&at.to_string())) => {
                Some(List::default())
            }
            _ => None,
        }
    }

    fn items(&mut self, child: &Map, spelled: &Path, list: &List) -> Value {
        let mut items: Vec<Value> = list.iter().cloned().collect();
        let mut entries: Vec<(usize, &Str, &Value)> =
            child.iter().filter_map(|(key, value)| Some((index(key)?, key, value))).collect();
        entries.sort_by_key(|(at, ..)| *at);
        for (at, key, value) in entries {
            let spelled = spelled.child(key);
            self.above.push(key.clone());
            let like = items.get(at).or(items.last()).cloned();
            let new = match value {
                Value::String(raw) => self.text(raw, &spelled, like.as_ref()),
                Value::Map(map) => {
                    let lower: Vec<&Value> = like.iter().collect();
                    let new = Value::Map(self.map(map, &spelled, &lower));
                    Some(items.get(at).map_or_else(|| new.clone(), |old| overlaid(old, &new)))
                }
                other => Some(other.clone()),
            };
            self.above.pop();
            let count = items.len();
            match (new, items.get_mut(at)) {
                (Some(new), Some(slot)) => *slot = new,
                (Some(new), None) if at == count => items.push(new),
                (Some(_), None) => {
                    let origin = self.layer.origin(&spelled);
                    let name = origin.key.clone().unwrap_or_else(|| key.clone());
                    let message = format!("`{name}` is ignored: the list has {count} items");
                    self.warnings.push(Error::new(Code::Type, message).with_origin(origin));
                }
                (None, _) => {}
            }
        }
        Value::from(items)
    }

    /// The typed value; none, with a warning, where the text is nothing of the type.
    fn text(&mut self, raw: &Str, spelled: &Path, like: Option<&Value>) -> Option<Value> {
        let Some(like) = like else { return Some(Value::String(raw.clone())) };
        let fits = |value: Value| match self.above.len() + value.depth() {
            0..=MAX_DEPTH => Ok(value),
            _ => Err(Error::new(Code::TooLarge, "it nests too deep below its path")),
        };
        match coerce_like(raw, like).and_then(fits) {
            Ok(value) => Some(value),
            Err(error) => {
                let path: Path = self.above.iter().cloned().collect();
                let shown = if self.policy.is_secret(&path) {
                    String::new()
                } else {
                    format!(" in {}", canonical(&Value::String(raw.clone())))
                };
                let origin = self.layer.origin(spelled);
                let name = origin.key.clone().unwrap_or_else(|| Str::from(path.to_string()));
                let mut warning = Error::new(Code::Type, format!("`{name}` is ignored: {}{shown}", error.message()))
                    .with_origin(origin);
                if let Some(hint) = error.hint() {
                    warning = warning.with_hint(hint);
                }
                let overridden = self.below.iter().zip(self.lower_layers).find(|(value, _)| value.at(&path).is_some());
                if let Some((_, layer)) = overridden {
                    let message = format!("the value that stays in force is of the type {}", like.type_name());
                    let related = Error::new(Code::Type, message).with_origin(layer.origin(&path));
                    warning = warning.with_related(related.with_path(path.clone()));
                }
                self.warnings.push(warning.with_path(path));
                None
            }
        }
    }
}

/// A value with another one over it.
fn overlaid(lower: &Value, upper: &Value) -> Value {
    match (lower, upper) {
        (Value::Map(lower), Value::Map(upper)) => {
            let edits = upper.iter().map(|(key, value)| {
                let value = lower.get(key).map_or_else(|| value.clone(), |old| overlaid(old, value));
                (key.clone(), Some(value))
            });
            Value::Map(lower.edited(edits.collect::<Vec<_>>()))
        }
        (_, upper) => upper.clone(),
    }
}

/// The key as a lower layer spells it: variables cannot carry case or dashes.
fn spelling(key: &Str, lower: &[&Value]) -> Str {
    if lower.iter().any(|value| value.child(key).is_some()) {
        return key.clone();
    }
    let keys = || lower.iter().filter_map(|value| value.as_map()).flat_map(Map::keys);
    let found = keys().find(|other| is_folded(other, key)).or_else(|| keys().find(|other| alike(other, key)));
    found.unwrap_or(key).clone()
}

/// Whether only case, or `-` and `_`, tell two keys apart.
fn is_folded(a: &str, b: &str) -> bool {
    let fold = |c: u8| if c == b'-' { b'_' } else { c.to_ascii_lowercase() };
    a.len() == b.len() && a.bytes().map(fold).eq(b.bytes().map(fold))
}

/// Whether two keys hold the same letters and digits: `CAMEL_CASE` is `camelCase`.
pub(super) fn alike(a: &str, b: &str) -> bool {
    let letters = |text: &str| {
        text.bytes().filter(|c| !matches!(c, b'-' | b'_')).map(|c| c.to_ascii_lowercase()).collect::<Vec<u8>>()
    };
    is_folded(a, b) || letters(a) == letters(b)
}
