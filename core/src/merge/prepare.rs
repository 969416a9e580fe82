//! What happens to layers before they merge: text takes its type, unset paths go.

use crate::error::{Code, Error};
use crate::path::Path;
use crate::policy::Policy;
use crate::value::{Map, Value};

use super::coercion::{Coercion, alike};
use super::removal::without_stray_items;
use super::{Layer, Variable};

/// What came out of preparing one layer, kept for the next time.
pub(super) struct Prepared {
    /// Its value with types, before layers above unset anything.
    pub(super) typed: Value,
    /// What was found wrong on the way.
    warnings: Vec<Error>,
    /// What only layers of raw text need.
    raw: Option<Raw>,
}

struct Raw {
    /// The variables as the layer came with them.
    given: Vec<Variable>,
    /// What lay below when the text took its types.
    below: Vec<Value>,
    /// Whether every variable sets something that the layer holds.
    complete: bool,
}

/// The last merge of the same layers.
pub(super) struct Before<'a> {
    pub(super) layers: &'a [Layer],
    pub(super) prepared: &'a [Prepared],
    /// Whether all texts and variables are the same, so that warnings still name the right places.
    pub(super) same_origins: bool,
}

impl Prepared {
    /// A layer whose texts are typed, as long as nothing is unset.
    pub(super) fn plain(layer: &Layer) -> Prepared {
        if layer.value.as_map().is_some() {
            return Prepared { typed: layer.value.clone(), warnings: Vec::new(), raw: None };
        }
        let message = format!("the layer is a {}, not a map, and is ignored", layer.value.type_name());
        let warning = Error::new(Code::NotAMap, message).with_origin(layer.origin(&Path::root()));
        Prepared { typed: Value::empty_map(), warnings: vec![warning], raw: None }
    }

    /// The variables as the layer came with them.
    pub(super) fn given<'a>(&'a self, layer: &'a Layer) -> &'a [Variable] {
        self.raw.as_ref().map_or(&layer.variables, |raw| &raw.given)
    }
}

impl<'a> Before<'a> {
    /// What a layer of raw text became, and its variables, where all that they depend on is as it was.
    fn prepared(&self, at: usize, layer: &Layer, map: &Map, below: &[Value]) -> Option<(&'a Prepared, &'a [Variable])> {
        let (last, was) = (self.prepared.get(at)?, self.layers.get(at)?);
        let raw = last.raw.as_ref()?;
        let same = raw.complete
            && layer.value == was.value
            && layer.variables == raw.given
            && (last.warnings.is_empty() || self.same_origins)
            && !raw.below.iter().zip(below).any(|(old, new)| speaks_of(map, old, new));
        same.then_some((last, was.variables.as_slice()))
    }
}

/// Whether raw text is spelled or typed after anything that differs.
fn speaks_of(raw: &Map, old: &Value, new: &Value) -> bool {
    if old.ptr_eq(new) {
        return false;
    }
    let (Value::Map(old), Value::Map(new)) = (old, new) else { return true };
    old.differences(new).any(|(key, old, new)| {
        raw.iter().filter(|(own, _)| alike(own, key)).any(|(_, own)| match (own, old, new) {
            (Value::Map(own), Some(old), Some(new)) => speaks_of(own, old, new),
            _ => true,
        })
    })
}

/// What was wrong with the layers, from the lowest up.
pub(super) fn warnings(layers: &[Layer], prepared: &[Prepared], policy: &Policy) -> Vec<Error> {
    let found = layers.iter().zip(prepared).rev();
    let found = found.flat_map(|(layer, prepared)| layer.warnings.iter().chain(&prepared.warnings));
    let may_be_quiet = |warning: &Error| matches!(warning.code(), Code::Ambiguous | Code::DuplicateKey);
    let is_told =
        |warning: &&Error| !(may_be_quiet(warning) && warning.path().is_some_and(|path| policy.is_quiet(path)));
    found.filter(is_told).cloned().collect()
}

/// The value of every layer as it takes part in the merge. Variables get the paths that they really set.
pub(super) fn prepare(
    layers: &mut [Layer],
    policy: &Policy,
    before: Option<&Before<'_>>,
) -> (Vec<Value>, Vec<Prepared>) {
    let mut effective: Vec<Value> = vec![Value::empty_map(); layers.len()];
    let mut all = Vec::with_capacity(layers.len());
    for at in (0..layers.len()).rev() {
        // From the lowest up: what lies below is complete when a layer asks for its types.
        let Some((upper, below)) = effective.split_at_mut_checked(at + 1) else { continue };
        let Some((upper_layers, lower_layers)) = layers.split_at_mut_checked(at + 1) else { continue };
        let Some(layer) = upper_layers.last_mut() else { continue };
        let mut prepared = Prepared::plain(layer);
        if layer.marks_items {
            prepared.typed = without_stray_items(layer, policy, &mut prepared.warnings);
        }
        if layer.raw
            && let Value::Map(map) = &layer.value
        {
            let again = before.and_then(|before| before.prepared(at, layer, map, below));
            let complete =
                again.is_some() || layer.variables.iter().all(|variable| layer.value.at(&variable.path).is_some());
            let variables = match again {
                Some((last, variables)) => {
                    prepared.typed = last.typed.clone();
                    prepared.warnings.extend(last.warnings.iter().cloned());
                    variables.to_vec()
                }
                None => {
                    let warnings = &mut prepared.warnings;
                    let coercion = Coercion { layer, lower_layers, below, policy, above: Vec::new(), warnings };
                    let (typed, variables) = coercion.run(map);
                    prepared.typed = typed;
                    variables
                }
            };
            let given = std::mem::replace(&mut layer.variables, variables);
            prepared.raw = Some(Raw { given, below: below.to_vec(), complete });
        }
        for path in &layer.unset {
            for lower in below.iter_mut() {
                *lower = lower.without(path);
            }
        }
        if let Some(slot) = upper.last_mut() {
            *slot = prepared.typed.clone();
        }
        all.push(prepared);
    }
    all.reverse();
    (effective, all)
}
