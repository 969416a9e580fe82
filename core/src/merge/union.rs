//! The union of layers, key by key.

use std::cmp::Ordering;

use crate::error::{Code, Error};
use crate::path::Path;
use crate::policy::{MergeStrategy, Rule};
use crate::value::{List, Map, PREFIX, Str, Value, Walk, compare_keys, key_prefix};

use super::strategy::{Held, Shape, inherited_below, join, join_keyed, of_highest, unkeyed};
use super::{Layer, MAX_WARNINGS};

/// What to say of values that do not fit; a document that clashes everywhere says no more than is kept.
pub(super) fn warnings(clashes: &[Clash], layers: &[Layer], effective: &[Value]) -> Vec<Error> {
    clashes.iter().take(MAX_WARNINGS).map(|clash| clash.warning(layers, effective)).collect()
}

/// A value that does not fit.
#[derive(Clone)]
pub(super) struct Clash {
    pub(super) path: Path,
    /// The layer whose value stays.
    pub(super) first: usize,
    /// The layer whose value is left out; none where a rule does not fit the only value.
    pub(super) other: Option<usize>,
    pub(super) strategy: MergeStrategy,
}

impl Clash {
    fn warning(&self, layers: &[Layer], effective: &[Value]) -> Error {
        let place = |at: usize| {
            let kind = effective.get(at).and_then(|value| value.at(&self.path)).map_or("value", Value::type_name);
            let origin = layers.get(at).map(|layer| layer.origin(&self.path));
            (kind, origin)
        };
        let (kind, origin) = place(self.first);
        let mut error = match self.other.map(place) {
            None if self.strategy == MergeStrategy::KeyedList && kind == "list" => {
                let message =
                    "`keyed_list` needs items that are maps, each with a key of its own: the highest list overrides";
                Error::new(Code::Type, message).with_hint("give every item the key field, and no two of them the same")
            }
            None => Error::new(Code::Type, format!("`{}` does not fit this {kind}, which overrides", self.strategy)),
            Some((other_kind, other_origin)) => {
                let message = format!("types clash: {kind} here, {other_kind} in a lower layer, which is left out");
                let related = Error::new(Code::Type, format!("the {other_kind} that is left out"));
                Error::new(Code::Type, message)
                    .with_related(match other_origin {
                        Some(origin) => related.with_origin(origin),
                        None => related,
                    })
                    .with_hint("give both the same type, or remove one of them")
            }
        };
        if let Some(origin) = origin {
            error = error.with_origin(origin);
        }
        error.with_path(self.path.clone())
    }
}

pub(super) struct Merger<'a> {
    layers: &'a [Layer],
    /// The path of what is being merged.
    pub(super) above: Vec<&'a Str>,
    pub(super) clashes: Vec<Clash>,
    /// Lists that earlier maps have no use for any more.
    #[expect(clippy::vec_box, reason = "a room goes in and out with every map, and is large")]
    rooms: Vec<Box<Room<'a>>>,
}

/// What the union of maps works with.
#[derive(Default)]
struct Room<'a> {
    cursors: Vec<Cursor<'a>>,
    /// The values of the key at hand, and the cursors that stand at it.
    here: Vec<Held<'a>>,
    next: Vec<usize>,
    merged: Vec<(Str, Value)>,
}

/// How far the walk over one layer's map has come.
struct Cursor<'a> {
    layer: usize,
    map: &'a Map,
    /// The next entry.
    head: Option<&'a (Str, Value)>,
    /// The start of its key, and how long all of it is: they tell most keys apart without a look at them.
    prefix: u128,
    len: usize,
    rest: Walk<'a>,
}

impl<'a> Cursor<'a> {
    /// Goes to the next entry; false after the last.
    #[inline]
    fn advance(&mut self) -> bool {
        self.head = self.rest.next();
        if let Some((key, _)) = self.head {
            self.prefix = key_prefix(key);
            self.len = key.len();
        }
        self.head.is_some()
    }

    /// How the next key compares with that of another cursor, where both start alike.
    #[inline]
    fn order(&self, key: &Str, other: &Cursor<'a>, than: &Str) -> Ordering {
        if self.len == other.len && self.len <= PREFIX { Ordering::Equal } else { compare_keys(key, than) }
    }
}

/// What holds for the values of one key.
pub(super) struct Judgement<'a> {
    pub(super) strategy: MergeStrategy,
    pub(super) shape: Shape,
    /// Whether a rule says so.
    ruled: bool,
    /// The key field of a `keyed_list`.
    key: Option<&'a str>,
    /// The rules that may speak about what lies below.
    pub(super) rules_below: Vec<&'a Rule>,
}

impl<'a> Merger<'a> {
    pub(super) fn new(layers: &'a [Layer]) -> Merger<'a> {
        Merger { layers, above: Vec::new(), clashes: Vec::new(), rooms: Vec::new() }
    }

    pub(super) fn path(&self) -> Path {
        self.above.iter().map(|segment| (*segment).clone()).collect()
    }

    /// Which strategy governs the values of one key, and what it makes of them.
    #[inline]
    pub(super) fn judge(
        &self,
        held: &[Held<'a>],
        inherited: Option<MergeStrategy>,
        rules: &[&'a Rule],
    ) -> Judgement<'a> {
        let first = held.first().map_or(&Value::Null, |(_, first)| *first);
        let (mut rule, mut rules_below) = (None, Vec::new());
        if !rules.is_empty() {
            // Most keys end like no pattern, and their paths need not be built.
            let is_map = matches!(first, Value::Map(_));
            let ends = |key: &&Str| rules.iter().any(|rule| rule.pattern.may_end_with(key));
            if is_map || self.above.last().is_some_and(ends) {
                let path = self.path();
                rule = rules.iter().copied().find(|rule| rule.pattern.matches(&path));
                if is_map {
                    rules_below.extend(rules.iter().copied().filter(|rule| rule.pattern.may_match_below(&path)));
                }
            }
        }
        let key = rule.and_then(|rule| rule.key.as_deref());
        let ruled = rule.and_then(|rule| rule.merge);
        let strategy = ruled.or(inherited).unwrap_or_else(|| of_highest(self.layers, held));
        Judgement { strategy, shape: Shape::of(strategy, held, key), key, ruled: rule.is_some(), rules_below }
    }

    /// The value of one key. `rules` are those that may speak about this path, most specific first.
    pub(super) fn value(&mut self, held: &[Held<'a>], inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Value {
        let Some((first_layer, first)) = held.first().copied() else { return Value::Null };
        let judgement = self.judge(held, inherited, rules);
        self.check(held, &judgement);
        let Judgement { strategy, shape, key, rules_below, .. } = judgement;
        let below = Some(inherited_below(strategy));
        match (shape, first) {
            (Shape::Whole, Value::Map(_)) if !rules_below.is_empty() => {
                Value::Map(self.maps(&[(first_layer, first)], below, &rules_below))
            }
            (Shape::Whole, _) => first.clone(),
            (Shape::Maps, _) if held.len() == 1 && rules_below.is_empty() => first.clone(),
            (Shape::Maps, _) => Value::Map(self.maps(held, below, &rules_below)),
            (Shape::Lists, _) => {
                let lists: Vec<&List> = held.iter().filter_map(|(_, value)| value.as_list()).collect();
                Value::List(join(&lists, strategy == MergeStrategy::UnionSet))
            }
            (Shape::Keyed, _) => {
                let lists: Vec<&List> = held.iter().filter_map(|(_, value)| value.as_list()).collect();
                Value::List(join_keyed(&lists, key.unwrap_or_default()))
            }
        }
    }

    /// The union of the maps that are held, key by key in one pass over all of them.
    pub(super) fn maps(&mut self, held: &[Held<'a>], inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Map {
        let mut room = self.rooms.pop().unwrap_or_default();
        for (layer, value) in held {
            let Value::Map(map) = value else { continue };
            // In place, as a cursor is large.
            room.cursors.push(Cursor { layer: *layer, map, head: None, prefix: 0, len: 0, rest: Walk::default() });
            if let Some(cursor) = room.cursors.last_mut() {
                cursor.rest.enter(map);
                cursor.advance();
            }
        }
        let map = self.union(&mut room, inherited, rules);
        room.cursors.clear();
        room.merged.clear();
        self.rooms.push(room);
        map
    }

    fn union(&mut self, room: &mut Room<'a>, inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Map {
        let Room { cursors, here, next, merged } = room;
        let Some(Cursor { layer: first_layer, map: first, .. }) = cursors.first() else { return Map::default() };
        let (first_layer, first) = (*first_layer, *first);
        // Almost every value is governed by what is inherited: that is decided here, without judging it.
        let plain = inherited.filter(|_| rules.is_empty());
        if plain.is_some() && cursors.iter().all(|cursor| cursor.map.ptr_eq(first)) {
            return first.clone();
        }
        let (mut shared, mut ended) = (true, true);
        loop {
            if std::mem::take(&mut ended) {
                cursors.retain(|cursor| cursor.head.is_some());
            }
            if let ([cursor], Some(_)) = (cursors.as_mut_slice(), plain) {
                // What is left stands in one layer.
                shared &= cursor.layer == first_layer;
                while let Some((key, value)) = cursor.head {
                    push_clone(merged, key, value);
                    cursor.head = cursor.rest.next();
                }
                break;
            }
            // Without a branch: which one comes next cannot be foretold.
            let Some(prefix) = cursors.iter().map(|cursor| cursor.prefix).min() else { break };
            let mut least: Option<(&'a Str, &Cursor<'a>)> = None;
            here.clear();
            next.clear();
            for (at, cursor) in cursors.iter().enumerate().filter(|(_, cursor)| cursor.prefix == prefix) {
                let Some((key, value)) = cursor.head else { continue };
                let order = least.map_or(Ordering::Less, |(least, other)| cursor.order(key, other, least));
                if order.is_lt() {
                    least = Some((key, cursor));
                    here.clear();
                    next.clear();
                }
                if order.is_le() {
                    here.push((cursor.layer, value));
                    next.push(at);
                }
            }
            let Some((least, _)) = least else { break };
            for cursor in next.iter() {
                ended |= !cursors.get_mut(*cursor).is_some_and(Cursor::advance);
            }
            let Some(((at, top), below)) = here.split_first() else { break };
            match plain {
                Some(strategy) if below.is_empty() || overrides(top, below, strategy) => {
                    shared &= *at == first_layer;
                    push_clone(merged, least, top);
                }
                _ => {
                    self.above.push(least);
                    let value = match plain {
                        Some(strategy) if here.iter().all(|(_, value)| kind(value) == MAP) => {
                            Value::Map(self.maps(here, Some(strategy), &[]))
                        }
                        _ => self.value(here, inherited, rules),
                    };
                    self.above.pop();
                    shared = shared && *at == first_layer && value.ptr_eq(top);
                    if let Some((own_key, own)) = pushed(merged) {
                        *own_key = least.clone();
                        *own = value;
                    }
                }
            }
        }
        if shared && merged.len() == first.len() {
            return first.clone();
        }
        Map::from_ascending(merged.drain(..))
    }

    /// Notes values that do not fit; null fits everywhere, because a layer may say null on purpose.
    #[inline]
    pub(super) fn check(&mut self, held: &[Held<'a>], judgement: &Judgement<'_>) {
        let Judgement { strategy, shape, ruled, key, .. } = *judgement;
        let Some((first_layer, first)) = held.first().copied() else { return };
        if *first == Value::Null || strategy == MergeStrategy::Override {
            return;
        }
        let unfit = ruled && shape == Shape::Whole && strategy != MergeStrategy::DeepMerge;
        if unfit {
            let is_list = matches!(first, Value::List(_));
            let to_blame = key.filter(|_| is_list).and_then(|key| unkeyed(held, key));
            self.clash(to_blame.unwrap_or(first_layer), None, strategy);
        }
        for (at, value) in held.iter().skip(1) {
            if !unfit && kind(value) != kind(first) && **value != Value::Null {
                self.clash(first_layer, Some(*at), strategy);
            }
        }
    }

    fn clash(&mut self, first: usize, other: Option<usize>, strategy: MergeStrategy) {
        let path = self.path();
        self.clashes.push(Clash { path, first, other, strategy });
    }
}

const BLANK: (Str, Value) = (Str::EMPTY, Value::Null);

/// A new entry to be written in place: one made elsewhere and moved costs more than the rest of a merge.
#[inline]
fn pushed(entries: &mut Vec<(Str, Value)>) -> Option<&mut (Str, Value)> {
    entries.push(BLANK);
    entries.last_mut()
}

#[inline]
fn push_clone(entries: &mut Vec<(Str, Value)>, key: &Str, value: &Value) {
    if let Some((own_key, own)) = pushed(entries) {
        *own_key = key.clone();
        own.clone_from(value);
    }
}

/// Whether the first value overrides the others, and nothing is to be said of that.
fn overrides(first: &Value, below: &[Held<'_>], strategy: MergeStrategy) -> bool {
    let own = kind(first);
    strategy == MergeStrategy::Override || (own != MAP && below.iter().all(|(_, value)| kind(value) == own))
}

const MAP: u8 = 0;

/// Maps, lists and scalars do not mix; scalars of different types do.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Map(_) => MAP,
        Value::List(_) => 1,
        _ => 2,
    }
}
