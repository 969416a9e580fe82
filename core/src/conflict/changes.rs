//! Competing changes of one key, settled by a caller that holds them all.

use super::mean_of;
use crate::canonical::{canonical, content_hash};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::diff::diff;
use crate::error::{Code, Error, Result};
use crate::policy::ConflictStrategy;
use crate::sequence::{Content, Kind, Operation, Side, Step, transform};
use crate::value::{List, Map, Number, Str, Value};

/// One of several competing changes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who made it; orders changes of one millisecond.
    pub author: Str,
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The value that it sets.
    pub value: Value,
    /// The value that its author changed, where known.
    pub base: Option<Value>,
}

impl Change {
    /// Reads `{"author", "timestamp", "value", "base"?}`; the timestamp is a text as RFC 3339 has it, or milliseconds since
    /// 1970.
    ///
    /// # Errors
    /// [`Code::Usage`] for a missing, unknown or misspelt field.
    pub fn from_value(value: &Value) -> Result<Change> {
        const FIELDS: &str = "a change is a map of `author`, `timestamp`, `value` and, where known, `base`";
        let bad = |why: String| Error::new(Code::Usage, why).with_hint(FIELDS);
        let map = value.as_map().ok_or_else(|| bad(format!("a change is a map, not a {}", value.type_name())))?;
        if let Some(other) = map.keys().find(|key| !["author", "timestamp", "value", "base"].contains(&key.as_str())) {
            return Err(bad(format!("a change has no field `{other}`")));
        }
        let field = |name: &str| map.get(name).ok_or_else(|| bad(format!("a change lacks `{name}`")));
        let author = field("author")?.as_str().ok_or_else(|| bad("the author of a change is a text".to_owned()))?;
        let time = field("timestamp")?;
        let at_ms = time
            .as_u64()
            .or_else(|| time.as_str().and_then(parse_rfc3339))
            .ok_or_else(|| bad("the timestamp of a change is no time such as `2026-11-21T10:00:00Z`".to_owned()))?;
        let (value, base) = (field("value")?.clone(), map.get("base").cloned());
        Ok(Change { author: author.into(), at_ms, value, base })
    }

    fn to_value(&self) -> Value {
        let fields = [
            ("author", Value::String(self.author.clone())),
            ("timestamp", rfc3339(self.at_ms).into()),
            ("value", self.value.clone()),
        ];
        fields.into_iter().chain(self.base.iter().map(|base| ("base", base.clone()))).collect()
    }
}

/// What [`resolve_changes`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The key.
    pub key: Str,
    /// The strategy that was asked for.
    pub strategy: ConflictStrategy,
    /// How it was settled: `no_changes`, `single_change`, `last_write_wins`, `first_write_wins`, `dictionary_merge`,
    /// `list_merge`, `numeric_average`, `operational_transform` or `manual_resolution_pending`. A strategy that does not
    /// fit the types of the values falls to `last_write_wins`.
    pub method: &'static str,
    /// The value; `None` without changes, and while a person has to decide.
    pub value: Option<Value>,
    /// The changes, oldest first; equal times are ordered by author, then by value.
    pub changes: Vec<Change>,
    /// What only some methods have to say.
    pub details: Details,
}

/// What only some methods have to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Details {
    /// Nothing.
    None,
    /// One change won whole.
    Winner {
        /// Its index in [`Resolution::changes`].
        index: usize,
    },
    /// Maps were merged.
    Maps,
    /// Lists were merged.
    Lists {
        /// Items of all lists together.
        original_length: usize,
        /// Items of the result.
        deduplicated_length: usize,
    },
    /// Numbers were averaged.
    Numbers {
        /// The numbers, oldest change first.
        values: Vec<Number>,
    },
    /// Edits were transformed over each other.
    Edits {
        /// How many insertions and deletions were applied.
        operations_applied: usize,
        /// What they were applied to.
        base: Value,
    },
    /// A person has to decide.
    Pending {
        /// Names the conflict: the same for the same key and changes, wherever it is computed.
        conflict_id: String,
    },
}

/// Settles competing changes of one key. Pure, and independent of the order of `changes`.
///
/// Maps are merged key by key at every depth against the changes' bases, removals included; of one key the latest change
/// holds. Lists are joined, oldest first, every item once, without what a change removed from its base. Texts and lists
/// under `operational_transform` keep every edit; changes without a base are taken as edits of nothing. Booleans are no
/// numbers.
///
/// # Errors
/// [`Code::Type`] where changes of one sequence disagree about what they changed.
///
/// ```
/// use confmesh::Value;
/// use confmesh::conflict::{Change, resolve_changes};
/// use confmesh::policy::ConflictStrategy;
///
/// let change = |author: &str, at_ms, value: &str| Change {
///     author: author.into(),
///     at_ms,
///     value: value.into(),
///     base: Some("the fox".into()),
/// };
/// let changes = [change("ann", 1_000, "the quick fox"), change("bob", 2_000, "the fox jumps")];
/// let resolution = resolve_changes("motto", &changes, ConflictStrategy::OperationalTransform)?;
/// assert_eq!(resolution.value, Some(Value::from("the quick fox jumps")));
/// assert_eq!(resolution.to_value().child("operations_applied"), Some(&2.into()));
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn resolve_changes(key: &str, changes: &[Change], strategy: ConflictStrategy) -> Result<Resolution> {
    let mut changes = changes.to_vec();
    changes.sort_by_cached_key(|c| {
        (c.at_ms, c.author.as_str().to_owned(), canonical(&c.value), c.base.as_ref().map(canonical))
    });
    let (method, value, details) = match changes.as_slice() {
        [] => ("no_changes", None, Details::None),
        [only] => ("single_change", Some(only.value.clone()), Details::Winner { index: 0 }),
        all => match strategy {
            ConflictStrategy::LastWriteWins => last(all),
            ConflictStrategy::FirstWriteWins => winner("first_write_wins", all, 0),
            ConflictStrategy::MergeStrategies => merged(all),
            ConflictStrategy::NumericAverage => averaged(all).unwrap_or_else(|| last(all)),
            ConflictStrategy::OperationalTransform => transformed(all)?.unwrap_or_else(|| last(all)),
            ConflictStrategy::ManualResolution => {
                let sides: Value = all.iter().map(Change::to_value).collect::<Vec<Value>>().into();
                let conflict_id = content_hash(&vec![key.into(), sides].into()).to_string();
                ("manual_resolution_pending", None, Details::Pending { conflict_id })
            }
        },
    };
    Ok(Resolution { key: key.into(), strategy, method, value, changes, details })
}

type Settled = (&'static str, Option<Value>, Details);

fn winner(method: &'static str, changes: &[Change], index: usize) -> Settled {
    (method, changes.get(index).map(|c| c.value.clone()), Details::Winner { index })
}

fn last(changes: &[Change]) -> Settled {
    winner("last_write_wins", changes, changes.len().saturating_sub(1))
}

fn merged(changes: &[Change]) -> Settled {
    if changes.iter().all(|c| c.value.as_map().is_some()) {
        let bases = changes.iter().filter_map(|c| c.base.as_ref()).filter(|base| base.as_map().is_some());
        let start = bases.min_by_key(|base| canonical(base)).cloned().unwrap_or_else(Value::empty_map);
        let empty = Value::empty_map();
        let value = changes.iter().fold(start, |value, change| {
            let base = change.base.as_ref().filter(|base| base.as_map().is_some()).unwrap_or(&empty);
            united(&value, base, &change.value)
        });
        return ("dictionary_merge", Some(value), Details::Maps);
    }
    let Some(lists) = changes.iter().map(|c| c.value.as_list()).collect::<Option<Vec<&List>>>() else {
        return last(changes);
    };
    let base_of = |change: &Change| change.base.as_ref().and_then(Value::as_list).cloned().unwrap_or_default();
    let mut items: Vec<Value> = Vec::new();
    for (at, (change, list)) in changes.iter().zip(&lists).enumerate() {
        let base = base_of(change);
        for item in list.iter() {
            let added = !base.iter().any(|old| old == item);
            let removed = changes.iter().zip(&lists).enumerate().any(|(other, (change, list))| {
                other != at && base_of(change).iter().any(|old| old == item) && !list.iter().any(|new| new == item)
            });
            if (added || !removed) && !items.contains(item) {
                items.push(item.clone());
            }
        }
    }
    let details =
        Details::Lists { original_length: lists.iter().map(|list| list.len()).sum(), deduplicated_length: items.len() };
    ("list_merge", Some(items.into()), details)
}

/// `value` with what leads from `base` to `new`; maps that both sides added unite.
fn united(value: &Value, base: &Value, new: &Value) -> Value {
    diff(base, new).into_iter().fold(value.clone(), |value, change| match (&change.new, value.at(&change.path)) {
        (None, _) => value.without(&change.path),
        (Some(Value::Map(added)), Some(Value::Map(_))) => added.iter().fold(value, |value, (key, child)| {
            let path = change.path.child(key);
            let here = value.at(&path).cloned();
            let child = here
                .filter(|here| here.as_map().is_some() && child.as_map().is_some())
                .map_or_else(|| child.clone(), |here| united(&here, &Value::empty_map(), child));
            value.with(&path, child)
        }),
        (Some(new), _) => value.with(&change.path, new.clone()),
    })
}

fn averaged(changes: &[Change]) -> Option<Settled> {
    let number = |c: &Change| if let Value::Number(number) = &c.value { Some(*number) } else { None };
    let values = changes.iter().map(number).collect::<Option<Vec<Number>>>()?;
    let mean = mean_of(&values)?;
    Some(("numeric_average", Some(Value::Number(mean)), Details::Numbers { values }))
}

fn transformed(changes: &[Change]) -> Result<Option<Settled>> {
    let Some(kind) = changes.first().and_then(|c| Kind::of(&c.value)) else { return Ok(None) };
    if changes.iter().any(|c| Kind::of(&c.value) != Some(kind)) {
        return Ok(None);
    }
    let nothing = Content::empty(kind).to_value();
    let base_of = |c: &Change| c.base.clone().filter(|base| Kind::of(base) == Some(kind)).unwrap_or(nothing.clone());
    let Some(base) = changes.first().map(base_of) else { return Ok(None) };
    if changes.iter().any(|c| base_of(c) != base) {
        return Err(Error::new(Code::Type, "the changes of one sequence have different bases")
            .with_hint("give every change the value that all of them changed"));
    }
    let mut all = Operation::default();
    let mut operations_applied = 0;
    for change in changes {
        let Some(operation) = Operation::between(&base, &change.value) else { return Ok(None) };
        let steps = operation.steps().iter();
        operations_applied += steps.filter(|step| !matches!(step, Step::Retain(_))).count();
        all = all.compose(&transform(&operation, &all, Side::Right))?;
    }
    let value = all.apply(&base)?;
    Ok(Some(("operational_transform", Some(value), Details::Edits { operations_applied, base })))
}

impl Resolution {
    /// Whether a person has to decide.
    pub fn is_pending(&self) -> bool {
        matches!(self.details, Details::Pending { .. })
    }

    /// The change that won whole.
    pub fn winning(&self) -> Option<&Change> {
        if let Details::Winner { index } = self.details { self.changes.get(index) } else { None }
    }

    /// The changes that did not win, equal ones included; none where all were merged.
    pub fn discarded(&self) -> Vec<&Change> {
        match self.details {
            Details::Winner { index } => {
                self.changes.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, change)| change).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The result as a map: `config_key`, `resolved_value` (null where there is none), `resolution_method`,
    /// `resolution_strategy`, `competing_changes_count` and what the method adds. `created_at` of a manual conflict is the
    /// time of its newest change.
    pub fn to_value(&self) -> Value {
        let count = |n: usize| Value::from(u64::try_from(n).unwrap_or(u64::MAX));
        let list = |changes: &[&Change]| Value::from(changes.iter().map(|c| c.to_value()).collect::<Vec<Value>>());
        let mut fields: Vec<(&str, Value)> = vec![
            ("config_key", Value::String(self.key.clone())),
            ("resolved_value", self.value.clone().unwrap_or(Value::Null)),
            ("resolution_method", self.method.into()),
            ("resolution_strategy", self.strategy.as_str().into()),
            ("competing_changes_count", count(self.changes.len())),
        ];
        match &self.details {
            Details::None => {}
            Details::Winner { .. } => {
                fields.push(("winning_change", self.winning().map_or(Value::Null, Change::to_value)));
                fields.push(("discarded_changes", list(&self.discarded())));
            }
            Details::Maps => {
                let authors = self.changes.iter().map(|c| Value::String(c.author.clone()));
                fields.push(("merged_sources", authors.collect::<Vec<Value>>().into()));
            }
            Details::Lists { original_length, deduplicated_length } => {
                fields.push(("original_length", count(*original_length)));
                fields.push(("deduplicated_length", count(*deduplicated_length)));
            }
            Details::Numbers { values } => {
                let by_size = |a: &&Number, b: &&Number| a.as_f64().total_cmp(&b.as_f64());
                let number = |n: Option<&Number>| n.map_or(Value::Null, |n| Value::Number(*n));
                fields.push(("original_values", values.iter().map(|n| Value::Number(*n)).collect::<Vec<_>>().into()));
                fields.push(("min_value", number(values.iter().min_by(by_size))));
                fields.push(("max_value", number(values.iter().max_by(by_size))));
            }
            Details::Edits { operations_applied, base } => {
                fields.push(("operations_applied", count(*operations_applied)));
                fields.push(("base_value", base.clone()));
            }
            Details::Pending { conflict_id } => {
                let newest = self.changes.iter().map(|c| c.at_ms).max().unwrap_or(0);
                fields.push(("manual_resolution_pending", true.into()));
                fields.push(("requires_human_intervention", true.into()));
                fields.push(("conflict_id", conflict_id.as_str().into()));
                fields.push(("competing_changes", list(&self.changes.iter().collect::<Vec<_>>())));
                fields.push(("created_at", rfc3339(newest).into()));
                fields.push(("status", "pending_manual_resolution".into()));
                fields.push(("assigned_to", Value::Null));
            }
        }
        Value::Map(fields.into_iter().map(|(key, value)| (Str::from(key), value)).collect::<Map>())
    }
}
