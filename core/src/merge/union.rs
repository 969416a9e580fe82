//! The union of layers, key by key.

use crate::error::{Code, Error};
use crate::path::Path;
use crate::policy::{MergeStrategy, Rule};
use crate::value::{List, Map, Str, Value, Walk, compare_keys, key_prefix};

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
    rooms: Vec<Room<'a>>,
}

/// What the union of maps works with.
#[derive(Default)]
struct Room<'a> {
    cursors: Vec<Cursor<'a>>,
    here: Vec<Held<'a>>,
    merged: Vec<(Str, Value)>,
}

/// How far the walk over one layer's map has come.
struct Cursor<'a> {
    layer: usize,
    map: &'a Map,
    /// The next entry, and the start of its key.
    head: Option<&'a (Str, Value)>,
    prefix: u128,
    rest: Walk<'a>,
}

impl<'a> Cursor<'a> {
    fn new(layer: usize, map: &'a Map) -> Cursor<'a> {
        let mut cursor = Cursor { layer, map, head: None, prefix: 0, rest: map.walk() };
        cursor.advance();
        cursor
    }

    #[inline]
    fn advance(&mut self) {
        self.head = self.rest.next();
        self.prefix = self.head.map_or(u128::MAX, |(key, _)| key_prefix(key));
    }

    /// The value, if the next key is this one.
    #[inline]
    fn take(&mut self, prefix: u128, key: &Str) -> Option<&'a Value> {
        let (own, value) = self.head?;
        if self.prefix != prefix || !(std::ptr::eq(own, key) || own == key) {
            return None;
        }
        self.advance();
        Some(value)
    }
}

/// Whether a key comes before another one; most are told apart by their starts.
fn is_before((prefix, key): (u128, &Str), (other, than): (u128, &Str)) -> bool {
    prefix < other || (prefix == other && key != than && compare_keys(key, than).is_lt())
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
            (Shape::Whole, Value::Map(map)) if !rules_below.is_empty() => {
                Value::Map(self.maps(std::iter::once((first_layer, map)), below, &rules_below))
            }
            (Shape::Whole, _) => first.clone(),
            (Shape::Maps, _) if held.len() == 1 && rules_below.is_empty() => first.clone(),
            (Shape::Maps, _) => {
                let maps = held.iter().filter_map(|(at, value)| value.as_map().map(|map| (*at, map)));
                Value::Map(self.maps(maps, below, &rules_below))
            }
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

    /// The union of maps, key by key in one pass over all of them.
    pub(super) fn maps(
        &mut self,
        held: impl Iterator<Item = (usize, &'a Map)>,
        inherited: Option<MergeStrategy>,
        rules: &[&'a Rule],
    ) -> Map {
        let mut room = self.rooms.pop().unwrap_or_default();
        room.cursors.extend(held.map(|(layer, map)| Cursor::new(layer, map)));
        let map = self.union(&mut room, inherited, rules);
        room.cursors.clear();
        room.merged.clear();
        self.rooms.push(room);
        map
    }

    fn union(&mut self, room: &mut Room<'a>, inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Map {
        let Room { cursors, here, merged } = room;
        let Some(Cursor { layer: first_layer, map: first, .. }) = cursors.first() else { return Map::default() };
        let (first_layer, first) = (*first_layer, *first);
        let plain = rules.is_empty() && inherited.is_some();
        if plain && cursors.iter().all(|cursor| cursor.map.ptr_eq(first)) {
            return first.clone();
        }
        let mut shared = true;
        loop {
            let (mut least, mut prefix): (Option<&'a Str>, u128) = (None, u128::MAX);
            let mut live = 0;
            for cursor in cursors.iter() {
                let Some((key, _)) = cursor.head else { continue };
                live += 1;
                if least.is_none_or(|least| is_before((cursor.prefix, key), (prefix, least))) {
                    (least, prefix) = (Some(key), cursor.prefix);
                }
            }
            let Some(least) = least else { break };
            if live == 1 && plain {
                // What is left stands in one layer.
                let rest = cursors.iter_mut().find(|cursor| cursor.head.is_some());
                let entries = rest.into_iter().flat_map(|cursor| {
                    shared &= cursor.layer == first_layer;
                    cursor.head.take().into_iter().chain(std::iter::from_fn(|| cursor.rest.next()))
                });
                merged.extend(entries.cloned());
                break;
            }
            here.clear();
            for cursor in cursors.iter_mut() {
                if let Some(value) = cursor.take(prefix, least) {
                    here.push((cursor.layer, value));
                }
            }
            let value = match here.as_slice() {
                [(_, only)] if plain => (*only).clone(),
                _ => {
                    self.above.push(least);
                    let value = self.value(here, inherited, rules);
                    self.above.pop();
                    value
                }
            };
            shared = shared && here.first().is_some_and(|(at, top)| *at == first_layer && value.ptr_eq(top));
            merged.push((least.clone(), value));
        }
        if shared && merged.len() == first.len() { first.clone() } else { Map::from_ascending(merged) }
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

/// Maps, lists and scalars do not mix; scalars of different types do.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Map(_) => 0,
        Value::List(_) => 1,
        _ => 2,
    }
}
