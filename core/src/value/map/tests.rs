//! What maps owe: the order, and a tree that is a function of the keys.

use std::collections::BTreeMap;

use super::tree::FLAT;
use super::*;
use proptest::prelude::*;

#[test]
fn of_equal_keys_the_last_one_stays() {
    let map: Map = [("b", 1), ("a", 2), ("b", 3), ("b", 4)].into_iter().map(|(k, v)| (k.into(), v.into())).collect();
    assert_eq!(map.get("b"), Some(&4.into()));
    assert_eq!(map.len(), 2);
}

#[test]
fn maps_iterate_in_rfc_8785_order() {
    let map: Map = ["\u{fb33}", "😀", "1", "é", ""].into_iter().map(|k| (k.into(), Value::Null)).collect();
    assert_eq!(map.keys().map(Str::as_str).collect::<Vec<_>>(), ["", "1", "é", "😀", "\u{fb33}"]);
}

fn key(at: u32) -> Str {
    Str::from(format!("key-{at:05}"))
}

fn of(keys: impl IntoIterator<Item = u32>) -> Map {
    keys.into_iter().map(|at| (key(at), Value::from(at))).collect()
}

/// How many of the nodes of `new` are not in `old`, by the keys that a walk of the differences looks at.
fn differing(old: &Map, new: &Map) -> Vec<Str> {
    old.differences(new).map(|(key, _, _)| key.clone()).collect()
}

#[test]
fn a_large_map_is_a_tree_of_moderate_nodes() {
    let map = of(0..100_000);
    let shape = map.0.shape();
    assert!((3..=6).contains(&map.0.height()), "{}", map.0.height());
    let leaves = shape.iter().filter(|(height, _, _)| *height == 1);
    let longest = leaves.clone().map(|(_, _, len)| *len).max().unwrap();
    assert!((4_000..10_000).contains(&leaves.count()), "one key in sixteen starts a leaf");
    assert!(longest < 400, "{longest}");
}

#[test]
fn the_shape_depends_on_the_keys_alone() {
    let sorted = of(0..3_000);
    let one_by_one = (0..3_000).rev().fold(Map::default(), |map, at| map.with(key(at), at.into()));
    let shuffled = (0..3_000).map(|at| at * 1_009 % 3_000).fold(Map::default(), |map, at| map.with(key(at), at.into()));
    let shrunk = (0..6_000).rev().filter(|at| at % 2 == 1).fold(
        (0..6_000)
            .map(|at| {
                (if at % 2 == 0 { key(at / 2) } else { Str::from(format!("key-{:05}x", at / 2)) }, Value::from(at / 2))
            })
            .collect::<Map>(),
        |map, at| map.without(&format!("key-{:05}x", at / 2)),
    );
    for other in [&one_by_one, &shuffled, &shrunk] {
        assert!(*other == sorted);
        assert_eq!(other.0.shape(), sorted.0.shape());
    }
}

#[test]
fn two_versions_of_a_large_map_share_all_but_the_way_to_the_change() {
    fn nodes<'a>(node: &'a Node, all: &mut Vec<&'a Node>) {
        all.push(node);
        if let Node::Inner(inner) = node {
            inner.children.iter().for_each(|child| nodes(&child.node, all));
        }
    }
    let old = of(0..20_000);
    for new in [old.with(key(777), "x".into()), old.with("key-00777x".into(), 1.into()), old.without(&key(777))] {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        nodes(&old.0, &mut before);
        nodes(&new.0, &mut after);
        let copied = after.iter().filter(|node| !before.iter().any(|other| other.ptr_eq(node))).count();
        assert!(copied <= 2 * 6, "{copied} of {} nodes are new", after.len());
        assert_eq!(differing(&old, &new).len(), 1);
    }
    assert!(old.without("none").ptr_eq(&old));
}

#[test]
fn a_map_crosses_from_slice_to_tree_and_back() {
    let small = of(0..u32::try_from(FLAT).unwrap());
    assert!(matches!(small.0, Node::Leaf(_)));
    let large = small.with("z".into(), 1.into());
    assert_eq!(large.len(), FLAT + 1);
    assert!(large.without("z") == small);
    assert!(large.without("z").0.shape() == small.0.shape());
}

/// A step: set or remove a key.
fn steps() -> impl Strategy<Value = Vec<(u32, Option<u32>)>> {
    prop::collection::vec((0..300u32, prop::option::weighted(0.6, 0..3u32)), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_map_does_what_a_sorted_map_does(start in prop::collection::btree_map(0..300u32, 0..3u32, 0..200), steps in steps()) {
        let mut model: BTreeMap<u32, u32> = start;
        let mut map: Map = model.iter().map(|(k, v)| (key(*k), Value::from(*v))).collect();
        let mut own: Map = model.iter().map(|(k, v)| (key(*k), Value::from(*v))).collect();
        for (at, value) in steps {
            let before = map.clone();
            let old = model.get(&at).copied();
            // Shared now and then, so that what others hold is at stake.
            let shared = (at % 3 == 0).then(|| (own.clone(), own.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>()));
            match (value, at % 2 == 0) {
                (Some(value), true) => own.alter(&key(at), |held| *held = value.into()),
                (value, _) => own.update(&key(at), |_| value.map(Value::from)),
            }
            if let Some((shared, entries)) = shared {
                prop_assert!(shared.iter().map(|(k, v)| (k.clone(), v.clone())).eq(entries));
            }
            match value {
                Some(value) => {
                    model.insert(at, value);
                    map = map.with(key(at), value.into());
                }
                None => {
                    model.remove(&at);
                    map = map.without(&key(at));
                }
            }
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(differing(&before, &map), if old == value { vec![] } else { vec![key(at)] });
        }
        let wanted: Vec<(Str, Value)> = model.iter().map(|(k, v)| (key(*k), Value::from(*v))).collect();
        let forward: Vec<(Str, Value)> = map.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let mut backward: Vec<(Str, Value)> = map.iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect();
        backward.reverse();
        prop_assert!(forward == wanted && backward == wanted);
        prop_assert!((0..300).all(|at| map.get(&key(at)).and_then(Value::as_u64) == model.get(&at).map(|v| u64::from(*v))));
        let fresh: Map = wanted.into_iter().collect();
        prop_assert!(fresh == map);
        prop_assert_eq!(fresh.0.shape(), map.0.shape());
        prop_assert!(fresh == own);
        prop_assert_eq!(fresh.0.shape(), own.0.shape());
    }

    #[test]
    fn both_ends_of_a_walk_meet_in_the_middle(len in 0..200u32, ends in prop::collection::vec(any::<bool>(), 200)) {
        let map = of(0..len);
        let mut walk = map.iter();
        let (mut front, mut back) = (Vec::new(), Vec::new());
        for from_front in ends {
            let left = walk.len();
            let (side, item) = if from_front { (&mut front, walk.next()) } else { (&mut back, walk.next_back()) };
            prop_assert_eq!(item.is_some(), left > 0);
            side.extend(item.map(|(key, _)| key.clone()));
        }
        front.extend(walk.map(|(key, _)| key.clone()));
        back.reverse();
        front.extend(back);
        prop_assert_eq!(front, (0..len).map(key).collect::<Vec<_>>());
    }

    #[test]
    fn differences_are_those_of_the_entries(
        old in prop::collection::btree_map(0..200u32, 0..2u32, 0..200),
        new in prop::collection::btree_map(0..200u32, 0..2u32, 0..200),
        edits in prop::collection::btree_map(0..200u32, prop::option::of(0..2u32), 0..40),
    ) {
        let map = |model: &BTreeMap<u32, u32>| model.iter().map(|(k, v)| (key(*k), Value::from(*v))).collect::<Map>();
        let wanted: Vec<Str> = (0..200).filter(|at| old.get(at) != new.get(at)).map(key).collect();
        prop_assert_eq!(differing(&map(&old), &map(&new)), wanted);
        let mut edited = old.clone();
        for (at, value) in &edits {
            match value {
                Some(value) => edited.insert(*at, *value),
                None => edited.remove(at),
            };
        }
        let list = edits.iter().map(|(at, value)| (key(*at), value.map(Value::from))).collect();
        prop_assert!(map(&old).edited(list) == map(&edited));
        let wanted: Vec<Str> = (0..200).filter(|at| old.get(at) != edited.get(at)).map(key).collect();
        let own = map(&old);
        let list = edits.iter().map(|(at, value)| (key(*at), value.map(Value::from))).collect();
        prop_assert_eq!(differing(&own, &own.edited(list)), wanted);
    }
}
