//! The account of a value: who won, by which rule, and what was overridden. Worked out when asked.

use std::fmt;

use crate::canonical::canonical;
use crate::clock::rfc3339;
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::{MergeStrategy, Rule};
use crate::value::{Map, Str, Value, compare_keys, index};

use super::strategy::{Held, Shape, governing, inherited_below};
use super::{Layer, Merged, Withheld};

/// What became of a layer's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CandidateState {
    /// It is the value, or the part of the union that counts most.
    Wins,
    /// It is part of the union.
    Contributes,
    /// A layer above overrides it.
    Overridden,
    /// A layer above removes it.
    Removed,
}

impl CandidateState {
    /// The name as users read it.
    pub fn as_str(self) -> &'static str {
        match self {
            CandidateState::Wins => "wins",
            CandidateState::Contributes => "contributes",
            CandidateState::Overridden => "overridden",
            CandidateState::Removed => "removed",
        }
    }
}

/// One layer's value for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The layer's id.
    pub source: Str,
    /// The layer's priority.
    pub priority: i32,
    /// Its value, secrets masked.
    pub value: Value,
    /// Where it stands: line and column, variable.
    pub origin: Origin,
    /// What became of it.
    pub state: CandidateState,
    /// When the layer was loaded, in milliseconds since 1970, where it was fetched from elsewhere.
    pub loaded_ms: Option<u64>,
}

/// Why a path that layers hold is not in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The layer that is to blame, and where.
    pub origin: Origin,
    /// The path that it removes or overrides: the explained one or one above it.
    pub path: Path,
    /// Whether it removes the path; else it holds another value there.
    pub unset: bool,
}

/// The account of one path. Secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The path.
    pub path: Path,
    /// The value in force; none where it was removed or overridden from above.
    pub value: Option<Value>,
    /// The strategy that governs the path.
    pub rule: MergeStrategy,
    /// The pattern of the policy's rule that says so; none where it is a layer's strategy.
    pub pattern: Option<String>,
    /// The layers that the value is made of, in display order: lowest first, for `append_list` highest first.
    pub sources: Vec<Str>,
    /// The highest layer that the value is made of.
    pub winner: Option<Candidate>,
    /// Every other layer that holds the path, highest first.
    pub others: Vec<Candidate>,
    /// Why nothing is there, where nothing is.
    pub absence: Option<Absence>,
    /// What was written there or above and is not in force.
    pub withheld: Option<Withheld>,
}

/// What the walk down to a path finds.
struct Place<'a> {
    held: Vec<Held<'a>>,
    strategy: MergeStrategy,
    rule: Option<&'a Rule>,
    shape: Shape,
    /// Inside an item of a keyed list: where each layer has it in its own list. No rule holds there.
    own: Option<Vec<(usize, Path)>>,
}

impl<'a> Place<'a> {
    /// The layers that the value is made of.
    fn used(&self) -> impl DoubleEndedIterator<Item = Held<'a>> + '_ {
        let more = self.held.iter().skip(1).filter(|(_, value)| self.shape.takes(value));
        self.held.first().into_iter().chain(more).copied()
    }

    fn within_item(held: Vec<Held<'a>>, own: Vec<(usize, Path)>) -> Place<'a> {
        let strategy = MergeStrategy::DeepMerge;
        let shape = Shape::of(strategy, &held, None);
        Place { held, strategy, rule: None, shape, own: Some(own) }
    }

    fn inherited_below(&self) -> MergeStrategy {
        inherited_below(self.strategy)
    }
}

impl Merged {
    /// The account of a path; none where no layer holds or removes it.
    pub fn explain(&self, path: &Path) -> Option<Explanation> {
        let (place, depth) = self.walk(path);
        let value = (depth == path.len()).then(|| self.value.at(path)).flatten();
        let used: Vec<usize> = if value.is_some() { place.used().map(|(at, _)| at).collect() } else { Vec::new() };
        let in_composed_list = matches!(place.shape, Shape::Lists | Shape::Keyed) && depth < path.len();
        let mut candidates = Vec::new();
        for (at, (layer, effective)) in self.layers.iter().zip(self.effective.iter()).enumerate() {
            // An item of a composed list stands elsewhere in its own list.
            let held = place.held.iter().find(|(held, _)| *held == at && value.is_some()).map(|(_, value)| *value);
            let (found, state) = match (
                held.or_else(|| effective.at(path).filter(|_| place.own.is_none())),
                used.iter().position(|used| *used == at),
            ) {
                (Some(found), Some(0)) => (found, CandidateState::Wins),
                (Some(found), Some(_)) => (found, CandidateState::Contributes),
                (Some(found), None) => (found, CandidateState::Overridden),
                (None, _) => match layer.value.at(path) {
                    Some(found) if !in_composed_list && place.own.is_none() && self.is_unset(at, path) => {
                        (found, CandidateState::Removed)
                    }
                    _ => continue,
                },
            };
            if path.is_root() && found.as_map().is_some_and(Map::is_empty) {
                continue;
            }
            let own = place.own.iter().flatten().find(|(layer, _)| *layer == at).map(|(_, own)| own);
            let mut candidate = self.candidate(layer, path, found, state);
            if let Some(own) = own {
                candidate.origin = layer.origin(own);
            }
            candidates.push(candidate);
        }
        let absence = if value.is_some() { None } else { self.absence(path, &place, depth) };
        if value.is_none() && candidates.is_empty() && !absence.as_ref().is_some_and(|absence| absence.unset) {
            return None;
        }
        let (winner, others) = match candidates.iter().position(|candidate| candidate.state == CandidateState::Wins) {
            Some(at) => (Some(candidates.remove(at)), candidates),
            None => (None, candidates),
        };
        Some(Explanation {
            path: path.clone(),
            value: value.map(|value| self.policy.masked(path, value)),
            rule: place.strategy,
            pattern: place.rule.map(|rule| rule.pattern.to_string()),
            sources: if value.is_some() { self.display_order(&place) } else { Vec::new() },
            winner,
            others,
            absence,
            withheld: None,
        })
    }

    /// The source of a value as one text: a layer's id, or `base+environment+local` for what several make up.
    pub fn source_of(&self, path: &Path) -> Option<String> {
        self.value.at(path)?;
        let (place, _) = self.walk(path);
        Some(joined(&self.display_order(&place)))
    }

    /// Every leaf of the document, and every key that `merge_dict` united, with its source as [`Merged::source_of`]
    /// gives it, in RFC 8785 key order.
    pub fn provenance(&self) -> impl Iterator<Item = (Path, String)> + use<> {
        let mut found = Vec::new();
        self.collect(&Path::root(), &self.root(), &mut found);
        found.into_iter()
    }

    fn collect(&self, path: &Path, place: &Place<'_>, found: &mut Vec<(Path, String)>) {
        let used: Vec<Held<'_>> = place.used().collect();
        let source = || joined(&self.display_order(place));
        if place.shape == Shape::Maps && place.strategy == MergeStrategy::MergeDict && !path.is_root() {
            found.push((path.clone(), source()));
        }
        let maps: Vec<&Map> = used.iter().filter_map(|(_, value)| value.as_map()).collect();
        let alone = used.len() == 1 && !path.is_root() && !self.policy.may_merge_below(path);
        let listed = found.last().is_some_and(|(last, _)| last == path);
        if maps.iter().all(|map| map.is_empty()) {
            if !listed && !path.is_root() {
                found.push((path.clone(), source()));
            }
        } else if let ([(_, only)], true) = (used.as_slice(), alone) {
            let source = source();
            only.for_each_leaf(&mut |below, _| found.push((path.join(below), source.clone())));
        } else {
            let mut keys: Vec<&Str> = maps.iter().flat_map(|map| map.keys()).collect();
            keys.sort_unstable_by(|a, b| compare_keys(a, b));
            keys.dedup();
            for key in keys {
                let below = path.child(key);
                self.collect(&below, &self.step(place, key, &below), found);
            }
        }
    }

    /// The whole document: the union of all layers.
    fn root(&self) -> Place<'_> {
        let held: Vec<Held<'_>> =
            self.effective.iter().enumerate().filter(|(_, v)| **v != Value::empty_map()).collect();
        let strategy = super::of_highest(&self.layers, &held);
        Place { held, strategy, rule: None, shape: Shape::Maps, own: None }
    }

    /// Goes down as far as the document goes; the depth says how far that was.
    fn walk(&self, path: &Path) -> (Place<'_>, usize) {
        let mut place = self.root();
        let mut here = Path::root();
        for (depth, segment) in path.segments().iter().enumerate() {
            here = here.child(segment);
            let next = self.step(&place, segment, &here);
            if next.held.is_empty() {
                return (place, depth);
            }
            place = next;
        }
        (place, path.len())
    }

    fn step<'a>(&'a self, above: &Place<'a>, segment: &str, path: &Path) -> Place<'a> {
        if above.shape == Shape::Keyed {
            return self.keyed_item(above, path);
        }
        let held: Vec<Held<'a>> = match above.shape {
            Shape::Whole => {
                above.held.first().and_then(|(at, value)| Some((*at, value.child(segment)?))).into_iter().collect()
            }
            Shape::Maps => above.used().filter_map(|(at, value)| Some((at, value.child(segment)?))).collect(),
            Shape::Lists | Shape::Keyed => self.item(above, segment, path).into_iter().collect(),
        };
        if let Some(own) = &above.own {
            let own = own.iter().map(|(at, own)| (*at, own.child(segment))).collect();
            return Place::within_item(held, own);
        }
        let inherited = if path.len() == 1 { None } else { Some(above.inherited_below()) };
        let (strategy, rule) = governing(&self.policy, &self.layers, path, &held, inherited);
        let shape = Shape::of(strategy, &held, rule.and_then(|rule| rule.key.as_deref()));
        Place { held, strategy, rule, shape, own: None }
    }

    /// The maps that an item of a keyed list is made of.
    fn keyed_item<'a>(&'a self, list: &Place<'a>, path: &Path) -> Place<'a> {
        let (mut held, mut own) = (Vec::new(), Vec::new());
        let key = list.rule.and_then(|rule| rule.key.as_deref()).unwrap_or_default();
        if let (Some(id), Some(above)) = (self.value.at(path).and_then(|item| item.child(key)), path.parent()) {
            let id = canonical(id);
            for (layer, value) in list.used() {
                let mut items = value.as_list().into_iter().flat_map(|items| items.iter()).enumerate();
                let is_same = |item: &Value| item.child(key).is_some_and(|other| canonical(other) == id);
                if let Some((at, item)) = items.find(|(_, item)| is_same(item)) {
                    held.push((layer, item));
                    own.push((layer, above.child(&at.to_string())));
                }
            }
        }
        Place::within_item(held, own)
    }

    /// Whose item stands at an index of a composed list.
    fn item<'a>(&'a self, list: &Place<'a>, segment: &str, path: &Path) -> Option<Held<'a>> {
        let at = index(segment)?;
        let items = list.used().flat_map(|(layer, value)| {
            value.as_list().into_iter().flat_map(move |items| items.iter().map(move |item| (layer, item)))
        });
        if list.strategy == MergeStrategy::UnionSet {
            let wanted = self.value.at(path)?;
            items.into_iter().find(|(_, item)| *item == wanted)
        } else {
            items.into_iter().nth(at)
        }
    }

    fn display_order(&self, place: &Place<'_>) -> Vec<Str> {
        let ids = place.used().filter_map(|(at, _)| self.layers.get(at)).map(|layer| layer.id.clone());
        if place.strategy == MergeStrategy::AppendList { ids.collect() } else { ids.rev().collect() }
    }

    fn candidate(&self, layer: &Layer, path: &Path, value: &Value, state: CandidateState) -> Candidate {
        Candidate {
            source: layer.id.clone(),
            priority: layer.priority,
            value: self.policy.masked(path, value),
            origin: layer.origin(path),
            state,
            loaded_ms: layer.fetched.map(|fetched| fetched.loaded_ms),
        }
    }

    /// The highest layer above `below` that removes the path or one above it.
    fn unsetting(&self, below: usize, path: &Path) -> Option<(&Layer, &Path)> {
        self.layers.iter().take(below).find_map(|layer| {
            let unset = layer.unset.iter().find(|unset| path.starts_with(unset))?;
            Some((layer, unset))
        })
    }

    fn is_unset(&self, at: usize, path: &Path) -> bool {
        self.unsetting(at, path).is_some()
    }

    fn absence(&self, path: &Path, place: &Place<'_>, depth: usize) -> Option<Absence> {
        if let Some((layer, unset)) = self.unsetting(self.layers.len(), path) {
            return Some(Absence { origin: Origin::source(&layer.id), path: unset.clone(), unset: true });
        }
        let above = path.prefix(depth);
        let (at, _) = place.held.first()?;
        let layer = self.layers.get(*at)?;
        (depth > 0).then(|| Absence { origin: layer.origin(&above), path: above, unset: false })
    }
}

fn joined(ids: &[Str]) -> String {
    ids.iter().map(Str::as_str).collect::<Vec<_>>().join("+")
}

impl Candidate {
    /// `{"source", "priority", "value", "origin": {"source", "line"?, "column"?, "key"?}, "state", "loaded"?}`.
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<(&str, Value)> = vec![
            ("source", self.source.clone().into()),
            ("priority", self.priority.into()),
            ("value", self.value.clone()),
            ("origin", self.origin.to_value()),
            ("state", self.state.as_str().into()),
        ];
        entries.extend(self.loaded_ms.map(|at| ("loaded", rfc3339(at).into())));
        entries.into_iter().collect()
    }
}

impl Explanation {
    /// The account of a path that no layer in force speaks of.
    pub(crate) fn nothing(path: Path) -> Explanation {
        Explanation {
            path,
            value: None,
            rule: MergeStrategy::Override,
            pattern: None,
            sources: Vec::new(),
            winner: None,
            others: Vec::new(),
            absence: None,
            withheld: None,
        }
    }

    /// `{"path", "value"?, "rule", "pattern"?, "source", "sources", "winner"?, "others", "absence"?, "withheld"?}`: `source` is
    /// what [`Merged::source_of`] gives, the rest is named as the fields are.
    pub fn to_value(&self) -> Value {
        let sources: Vec<Value> = self.sources.iter().cloned().map(Value::from).collect();
        let others: Vec<Value> = self.others.iter().map(Candidate::to_value).collect();
        let mut entries: Vec<(Str, Value)> = vec![
            ("path".into(), self.path.to_string().into()),
            ("rule".into(), self.rule.as_str().into()),
            ("source".into(), joined(&self.sources).into()),
            ("sources".into(), sources.into()),
            ("others".into(), others.into()),
        ];
        entries.extend(self.value.clone().map(|value| ("value".into(), value)));
        entries.extend(self.pattern.clone().map(|pattern| ("pattern".into(), pattern.into())));
        entries.extend(self.winner.as_ref().map(|winner| ("winner".into(), winner.to_value())));
        entries.extend(self.absence.as_ref().map(|absence| {
            let fields: [(&str, Value); 3] = [
                ("origin", absence.origin.to_value()),
                ("path", absence.path.to_string().into()),
                ("unset", absence.unset.into()),
            ];
            ("absence".into(), fields.into_iter().collect())
        }));
        entries.extend(self.withheld.as_ref().map(|withheld| ("withheld".into(), withheld.to_value())));
        Value::Map(entries.into_iter().collect())
    }
}

/// How much of a value a table shows.
const SHOWN: usize = 60;

pub(super) fn shown(value: &Value) -> String {
    let text = canonical(value);
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN - 1).chain(['…']).collect() }
}

impl fmt::Display for Explanation {
    /// A table: the value, the rule, then every layer that holds the path, the winner first and marked with `>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_root() { "(document)".to_owned() } else { self.path.to_string() };
        match (&self.value, &self.absence) {
            (Some(value), _) => writeln!(f, "{path} = {}", shown(value))?,
            (None, Some(Absence { origin, path: removed, unset: true })) => {
                writeln!(f, "{path} is not set: {origin} removes `{removed}`")?;
            }
            (None, Some(Absence { origin, path: above, .. })) => {
                writeln!(f, "{path} is not set: {origin} overrides `{above}`")?;
            }
            (None, None) => writeln!(f, "{path} is not set")?,
        }
        match &self.pattern {
            Some(pattern) => writeln!(f, "rule: {} (by the pattern `{pattern}`)", self.rule)?,
            None => writeln!(f, "rule: {}", self.rule)?,
        }
        if self.sources.len() > 1 {
            writeln!(f, "from: {}", joined(&self.sources))?;
        }
        let rows: Vec<[String; 5]> = self
            .winner
            .iter()
            .chain(&self.others)
            .map(|candidate| {
                let mark = if candidate.state == CandidateState::Wins { ">" } else { " " };
                [
                    mark.to_owned(),
                    candidate.origin.to_string(),
                    candidate.priority.to_string(),
                    shown(&candidate.value),
                    match candidate.loaded_ms {
                        Some(at) => format!("{} (loaded {})", candidate.state.as_str(), rfc3339(at)),
                        None => candidate.state.as_str().to_owned(),
                    },
                ]
            })
            .collect();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let (origins, priorities, values) = (width(1), width(2), width(3));
        for [mark, origin, priority, value, state] in &rows {
            writeln!(f, "{mark} {origin:origins$}  {priority:>priorities$}  {value:values$}  {state}")?;
        }
        if let Some(withheld) = &self.withheld {
            writeln!(f, "{withheld}")?;
        }
        Ok(())
    }
}
