//! What happens to layers before they merge: text takes its type, unset paths go.

use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::path::Path;
use crate::policy::Policy;
use crate::schema::coerce_like;
use crate::value::{Map, MapBuilder, Str, Value};

use super::Layer;

/// The value of every layer as it takes part in the merge. Variables get the paths that they really set.
pub(super) fn prepare(layers: &mut [Layer], policy: &Policy, warnings: &mut Vec<Error>) -> Vec<Value> {
    let mut effective: Vec<Value> = vec![Value::empty_map(); layers.len()];
    for at in (0..layers.len()).rev() {
        // From the lowest up: what lies below is complete when a layer asks for its types.
        let Some((upper, below)) = effective.split_at_mut_checked(at + 1) else { continue };
        let Some((_, lower_layers)) = layers.split_at_checked(at + 1) else { continue };
        let Some(layer) = layers.get(at) else { continue };
        warnings.extend(layer.warnings.iter().cloned());
        let mut value = match &layer.value {
            Value::Map(_) => layer.value.clone(),
            other => {
                let message = format!("the layer is a {}, not a map, and is ignored", other.type_name());
                warnings.push(Error::new(Code::NotAMap, message).with_origin(layer.origin(&Path::root())));
                Value::empty_map()
            }
        };
        let mut variables = None;
        if layer.raw
            && let Value::Map(map) = &value
        {
            variables = Some(layer.variables.iter().map(|variable| respell(&variable.path, below)).collect::<Vec<_>>());
            let mut coercion = Coercion { layer, lower_layers, below, policy, above: Vec::new(), warnings };
            let lower: Vec<&Value> = below.iter().collect();
            value = Value::Map(coercion.map(map, &Path::root(), &lower));
        }
        for path in &layer.unset {
            for lower in below.iter_mut() {
                *lower = lower.without(path);
            }
        }
        if let Some(slot) = upper.last_mut() {
            *slot = value;
        }
        if let (Some(paths), Some(layer)) = (variables, layers.get_mut(at)) {
            for (variable, path) in layer.variables.iter_mut().zip(paths) {
                variable.path = path;
            }
        }
    }
    effective
}

struct Coercion<'a> {
    layer: &'a Layer,
    lower_layers: &'a [Layer],
    below: &'a [Value],
    policy: &'a Policy,
    /// The path as lower layers spell it.
    above: Vec<Str>,
    warnings: &'a mut Vec<Error>,
}

impl Coercion<'_> {
    fn map(&mut self, map: &Map, spelled: &Path, lower: &[&Value]) -> Map {
        let mut typed = MapBuilder::with_capacity(map.len());
        for (key, child) in map.iter() {
            let name = spelling(key, lower);
            let spelled = spelled.child(key);
            let under: Vec<&Value> = lower.iter().filter_map(|value| value.child(&name)).collect();
            self.above.push(name.clone());
            match child {
                Value::Map(child) if !child.is_empty() => {
                    typed.push(name, Value::Map(self.map(child, &spelled, &under)));
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

    /// The typed value; none, with a warning, where the text is nothing of the type.
    fn text(&mut self, raw: &Str, spelled: &Path, like: Option<&Value>) -> Option<Value> {
        let Some(like) = like else { return Some(Value::String(raw.clone())) };
        match coerce_like(raw, like) {
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
                    let message = format!("the value that stays in force is a {}", like.type_name());
                    let related = Error::new(Code::Type, message).with_origin(layer.origin(&path));
                    warning = warning.with_related(related.with_path(path.clone()));
                }
                self.warnings.push(warning.with_path(path));
                None
            }
        }
    }
}

/// The key as a lower layer spells it: variables cannot carry case or dashes.
fn spelling(key: &Str, lower: &[&Value]) -> Str {
    if lower.iter().any(|value| value.child(key).is_some()) {
        return key.clone();
    }
    let fold = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    let alike = |other: &&Str| other.len() == key.len() && other.chars().map(fold).eq(key.chars().map(fold));
    let maps = lower.iter().filter_map(|value| value.as_map());
    maps.flat_map(Map::keys).find(alike).unwrap_or(key).clone()
}

fn respell(path: &Path, lower: &[Value]) -> Path {
    let mut under: Vec<&Value> = lower.iter().collect();
    let mut spelled = Vec::with_capacity(path.len());
    for segment in path.segments() {
        let name = spelling(segment, &under);
        under = under.into_iter().filter_map(|value| value.child(&name)).collect();
        spelled.push(name);
    }
    spelled.into_iter().collect()
}
