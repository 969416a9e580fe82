//! Many layers, one document: merging by strategy, and the account of every value.
//!
//! A result shares every subtree that one layer alone decides. Nothing is kept per leaf: [`Merged`] holds the layers and
//! works out where a value comes from when somebody asks.

mod accounts;
mod coercion;
mod compose;
mod explain;
#[cfg(feature = "serde")]
mod extract;
mod interpolate;
#[cfg(test)]
mod interpolate_tests;
mod layer;
mod layer_value;
mod meant;
mod options;
mod prepare;
mod profiles;
mod reference;
mod removal;
mod strategy;
mod typed;
mod union;
mod update;
mod variables;
mod withheld;

pub use compose::{Composed, Composition, InvalidVariables};
pub use explain::{Absence, Candidate, CandidateState, Explanation};
pub use interpolate::{MAX_COPIED_NODES, MAX_REFERENCES_DEEP, interpolate};
pub use layer::{Fetched, Layer, SourceText};
pub use options::{Checked, MergeOptions, Variables, merge_with};
pub use profiles::{BASE, PROFILES, split_profiles};
pub use variables::{EnvMode, Variable};
pub use withheld::Withheld;

use std::sync::Arc;

use crate::error::{Code, Error};
use crate::path::Path;
use crate::policy::{Policy, Rule};
use crate::value::{Map, Value};

use prepare::Prepared;
use strategy::{Held, of_highest};
use union::{Clash, Merger};

/// The default priorities of layers; lower numbers win.
pub mod priority {
    /// What the program sets while it runs.
    pub const RUNTIME: i32 = 0;
    /// Environment variables.
    pub const ENV: i32 = 10;
    /// Dotenv files.
    pub const DOTENV: i32 = 15;
    /// The replicated part of the document.
    pub const SHARED: i32 = 20;
    /// Files.
    pub const FILE: i32 = 30;
    /// HTTP sources.
    pub const HTTP: i32 = 40;
    /// The defaults of a schema.
    pub const DEFAULT: i32 = i32::MAX;
}

/// How many warnings a merge keeps: a document that clashes everywhere must not cost more than it tells.
const MAX_WARNINGS: usize = 100;

/// The merge of layers; O(1) to clone.
#[derive(Clone)]
pub struct Merged {
    /// The effective document: a map.
    pub value: Value,
    /// Types that clash and text that has no such type, each with its path and the places of both values.
    pub warnings: Vec<Error>,
    /// The layers by priority, and what of each took part.
    layers: Arc<Vec<Layer>>,
    effective: Arc<Vec<Value>>,
    policy: Policy,
    /// What the next merge can start from, see [`Merged::update`].
    prepared: Arc<Vec<Prepared>>,
    clashes: Arc<Vec<Clash>>,
    clash_warnings: Arc<Vec<Error>>,
}

/// Merges layers: the lower priority number wins, of equal ones the first in the slice.
///
/// For every key the strategy is what the most specific rule of the policy says, else the strategy of the highest layer
/// that holds the key; it holds below until a rule refines it (below `merge_dict` values override). It applies also
/// where one layer alone holds the key. A value that does not fit the strategy overrides if it is the highest one, and is
/// left out otherwise; both are reported in [`Merged::warnings`]. Rules do not look into list items, not even
/// into those that `keyed_list` merges: there maps merge at every level, and everything else overrides in silence.
///
/// ```
/// use confmesh::{Path, Policy, Value, merge::{Layer, merge}};
/// let base = Layer::new("base", 30, [("port", 80), ("workers", 4)].into_iter().collect());
/// let local = Layer::new("local", 10, [("port", 8080)].into_iter().collect());
/// let merged = merge(&[base, local], &Policy::default());
/// assert_eq!(merged.value, [("port", 8080), ("workers", 4)].into_iter().collect());
/// assert_eq!(merged.source_of(&Path::parse("port")?).as_deref(), Some("local"));
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn merge(layers: &[Layer], policy: &Policy) -> Merged {
    let mut layers = by_priority(layers, policy);
    let (effective, prepared) = prepare::prepare(&mut layers, policy, None);
    let mut merger = Merger::new(&layers);
    let held: Vec<Held<'_>> = effective.iter().enumerate().collect();
    let value = Value::Map(merger.maps(&held, None, &merge_rules(policy)));
    let clashes = Arc::new(merger.clashes);
    let clash_warnings = Arc::new(union::warnings(&clashes, &layers, &effective));
    Merged::of(value, layers, effective, policy, prepared, clashes, clash_warnings)
}

/// The layers from the highest down, with what they take out by rule.
fn by_priority(layers: &[Layer], policy: &Policy) -> Vec<Layer> {
    let mut layers: Vec<Layer> = layers.iter().map(|layer| removal::by_rules(layer.clone(), policy)).collect();
    layers.sort_by_key(|layer| layer.priority);
    layers
}

fn roots(effective: &[Value]) -> Vec<(usize, &Map)> {
    effective.iter().enumerate().filter_map(|(at, value)| value.as_map().map(|map| (at, map))).collect()
}

fn merge_rules(policy: &Policy) -> Vec<&Rule> {
    policy.rules().iter().filter(|rule| rule.merge.is_some()).collect()
}

impl Merged {
    /// What [`merge`] makes of one layer without rules, or of none: what it holds.
    fn of_one(layer: Option<Layer>) -> Merged {
        let layers: Vec<Layer> = layer.into_iter().collect();
        debug_assert!(layers.iter().all(|layer| !layer.raw && layer.unset.is_empty()), "it is not plain");
        let prepared: Vec<Prepared> = layers.iter().map(Prepared::plain).collect();
        let effective: Vec<Value> = prepared.iter().map(|prepared| prepared.typed.clone()).collect();
        let value = effective.first().map_or_else(Value::empty_map, Value::clone);
        Merged::of(value, layers, effective, &Policy::default(), prepared, Arc::default(), Arc::default())
    }

    fn of(
        value: Value,
        layers: Vec<Layer>,
        effective: Vec<Value>,
        policy: &Policy,
        prepared: Vec<Prepared>,
        clashes: Arc<Vec<Clash>>,
        clash_warnings: Arc<Vec<Error>>,
    ) -> Merged {
        let mut warnings = prepare::warnings(&layers, &prepared, policy);
        let total = warnings.len() + clashes.len();
        warnings.extend(clash_warnings.iter().cloned());
        if total > MAX_WARNINGS {
            warnings.truncate(MAX_WARNINGS);
            warnings.push(Error::new(Code::Type, format!("{} more warnings are left out", total - MAX_WARNINGS)));
        }
        Merged {
            value,
            warnings,
            layers: Arc::new(layers),
            effective: Arc::new(effective),
            policy: policy.clone(),
            prepared: Arc::new(prepared),
            clashes,
            clash_warnings,
        }
    }

    /// Whether the text at a path comes from a variable, and is taken as it stands.
    fn is_literal(&self, path: &Path) -> bool {
        self.from(path).is_some_and(|layer| !layer.variables.is_empty() && layer.text.is_none())
    }

    /// Whether the text at a path is this instance's own, and not what others may have written.
    fn is_own(&self, path: &Path) -> bool {
        let is_shared = |id: &str| {
            let id = id.split(['#', ':']).next().unwrap_or(id);
            id == "shared" || id == "runtime"
        };
        !self.from(path).is_some_and(|layer| layer.fetched.is_some() || is_shared(&layer.id))
    }

    /// The layer that a text comes from.
    fn from(&self, path: &Path) -> Option<&Layer> {
        let above = std::iter::successors(Some(path.clone()), Path::parent);
        let source = above.filter(|above| !above.is_root()).find_map(|above| self.explain(&above)?.winner)?.source;
        self.layers.iter().find(|layer| layer.id == source)
    }

    /// Takes out what a strict environment does not allow.
    pub(crate) fn take_unknown_variables(&mut self) -> Vec<Error> {
        if !self.layers.iter().any(|layer| layer.env_mode == EnvMode::Strict) {
            return Vec::new();
        }
        let found = std::mem::take(&mut self.warnings);
        let (errors, warnings) = found.into_iter().partition(|warning| warning.code() == Code::UnknownVariable);
        self.warnings = warnings;
        errors
    }

    /// The layers, highest priority first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The policy that the layers merged by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl std::fmt::Debug for Merged {
    /// Names the layers without their values, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("layers", &self.layers).field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
