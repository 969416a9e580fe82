//! The replicated document against its model; [`mixed`] is the simulator.

mod base;
mod claims;
mod laws;
mod mixed;
mod moved;
mod runs;
mod settling;
mod strategies;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::Policy;
use crate::replica::{Applied, Edit};

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn map(entries: &[(&str, Value)]) -> Value {
    entries.iter().map(|(k, v)| (*k, v.clone())).collect()
}

fn replica(byte: u8) -> Replica {
    Replica::new(ReplicaId::from_bytes([byte; 16]), Genesis::from_bytes([0; 16]))
}

fn write(replica: &mut Replica, at: u64, place: &str, value: Option<Value>) -> Option<Effect> {
    write_by(replica, &Policy::default(), at, place, value).unwrap()
}

fn write_by(
    replica: &mut Replica,
    policy: &Policy,
    at: u64,
    place: &str,
    value: Option<Value>,
) -> crate::Result<Option<Effect>> {
    let view = replica.view().value;
    replica.write(&view, &[Edit { path: path(place), value }], &WriteOptions::under(policy), at)
}

fn sync(from: &Replica, to: &mut Replica) {
    let delta = from.delta(to.seen());
    let delta = Delta::from_value(&delta.to_value()).unwrap();
    to.apply(&delta, 0).unwrap();
}

/// Two replicas that agreed on nothing, wrote `a` and `b`, and met.
fn concurrent(a: (&str, Option<Value>, u64), b: (&str, Option<Value>, u64), base: &[(&str, Value)]) -> View {
    let (mut one, mut two) = (replica(1), replica(2));
    for (place, value) in base {
        write(&mut one, 1, place, Some(value.clone()));
    }
    sync(&one, &mut two);
    write(&mut one, a.2, a.0, a.1);
    write(&mut two, b.2, b.0, b.1);
    sync(&one, &mut two);
    sync(&two, &mut one);
    assert_eq!(one.view(), two.view());
    one.view()
}

#[test]
fn concurrent_maps_at_one_path_fall_to_the_later_one_whole() {
    let [a, b] = [map(&[("host", "a".into()), ("port", 1.into())]), map(&[("host", "b".into()), ("ssl", 1.into())])];
    let view = concurrent(("db", Some(a), 5_000), ("db", Some(b.clone()), 6_000), &[]);
    assert_eq!(view.value, map(&[("db", b)]));
    assert_eq!(view.disagreements.len(), 3, "{:?}", view.disagreements);
}

#[test]
fn deleting_a_subtree_beside_a_write_below_it_falls_to_the_later_one() {
    let base = [("db.host", Value::from("a"))];
    let gone = concurrent(("db", None, 9_000), ("db.port", Some(2.into()), 8_000), &base);
    assert_eq!(gone.value, Value::empty_map());
    let kept = concurrent(("db", None, 9_000), ("db.port", Some(2.into()), 10_000), &base);
    assert_eq!(kept.value, map(&[("db", map(&[("port", 2.into())]))]));
}

#[test]
fn a_scalar_that_lost_to_children_is_listed_and_never_comes_back() {
    let (mut one, mut two) = (replica(1), replica(2));
    write(&mut one, 8_000, "db", Some("x".into()));
    write(&mut two, 9_000, "db.port", Some(1.into()));
    sync(&one, &mut two);
    sync(&two, &mut one);
    let view = one.view();
    assert_eq!(view.value, map(&[("db", map(&[("port", 1.into())]))]));
    assert_eq!(view.disagreements[0].sides[0].value, Some("x".into()));
    write(&mut one, 10_000, "db.port", None);
    assert_eq!(one.view().value.at(&path("db")), Some(&Value::empty_map()), "the map stays, as in RFC 6902");
}

#[test]
fn a_write_is_never_beaten_by_what_its_author_had_seen_whatever_the_clocks_say() {
    let (mut one, mut two) = (replica(1), replica(2));
    write(&mut one, 10 * 365 * 86_400_000, "a", Some(1.into()));
    sync(&one, &mut two);
    write(&mut two, 5, "a", Some(2.into()));
    sync(&two, &mut one);
    assert_eq!(one.view().value, map(&[("a", 2.into())]));
    assert_eq!(one.live_len(), 1, "the overwritten value is gone");
}

#[test]
fn edits_inside_a_list_are_written_as_the_whole_list() {
    let mut one = replica(1);
    write(&mut one, 1, "l", Some(vec![1.into(), 2.into()].into()));
    let wrote = write(&mut one, 2, "l.1", Some(3.into())).unwrap();
    assert_eq!(wrote.added[0].path, path("l"));
    assert_eq!(one.view().value, map(&[("l", vec![1.into(), 3.into()].into())]));
    let view = one.view().value;
    let error = one
        .write(&view, &[Edit { path: path("l.7"), value: Some(1.into()) }], &WriteOptions::under(&Policy::default()), 3)
        .unwrap_err();
    assert_eq!(error.code(), crate::Code::NotFound);
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let mut one = replica(1);
    write(&mut one, 1, "a.b", Some(1.into()));
    let seen = one.seen().clone();
    assert_eq!(write(&mut one, 2, "a.b", Some(1.into())), None);
    assert_eq!(write(&mut one, 2, "a.x.y", None), None);
    assert_eq!(one.seen(), &seen);
}

#[test]
fn reserved_keys_and_roots_that_are_no_map_are_refused() {
    let mut one = replica(1);
    for (place, value) in [("$confmesh", Some(1.into())), ("$confmesh.x", None), ("", Some(1.into())), ("", None)] {
        let edit = Edit { path: path(place), value };
        assert!(
            one.write(&Value::empty_map(), &[edit], &WriteOptions::under(&Policy::default()), 1).is_err(),
            "{place}"
        );
    }
    assert!(one.seen().is_empty());
}

#[test]
fn a_delta_with_a_gap_changes_nothing_and_says_so() {
    let (mut one, mut two) = (replica(1), replica(2));
    write(&mut one, 1, "a", Some(1.into()));
    let before = one.seen().clone();
    write(&mut one, 2, "b", Some(2.into()));
    let gap = one.delta(&before);
    assert_eq!(two.apply(&gap, 0).unwrap(), Applied::Gap);
    assert!(two.seen().is_empty());
    sync(&one, &mut two);
    assert_eq!(two.apply(&gap, 0).unwrap(), Applied::Duplicate);
}

#[test]
fn deltas_in_any_order_show_what_their_replicas_show() {
    let (mut one, mut two) = (replica(1), replica(2));
    let mut deltas = Vec::new();
    for (at, place) in [(1, "a"), (2, "b"), (3, "a")] {
        let before = one.seen().clone();
        write(&mut one, at, place, Some(at.into()));
        deltas.push(one.delta(&before));
    }
    write(&mut two, 4, "a", Some("x".into()));
    deltas.push(two.delta(&VersionVector::default()));
    sync(&two, &mut one);
    assert_eq!(one.view().disagreements.len(), 1);
    for _ in 0..deltas.len() {
        deltas.rotate_left(1);
        let again = [deltas.as_slice(), deltas.as_slice()].concat();
        assert_eq!(view_of(&again).unwrap(), one.view());
    }
    deltas.retain(|delta| !delta.since.is_empty());
    assert_eq!(view_of(&deltas).unwrap_err().code(), crate::Code::Message);
}

#[derive(Clone, Debug)]
enum Step {
    Write { who: usize, place: usize, value: Option<Value>, clock: u64 },
    Sync { from: usize, to: usize },
}

const PLACES: &[&str] = &["a", "b", "a.x", "a.y", "a.x.p", "b.x", "c.d.e", "c.d", ""];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![
        2 => (0i64..4).prop_map(|n| Some(Value::from(n))),
        1 => Just(Some(map(&[("x", 7.into())]))),
        1 => Just(Some(map(&[("x", map(&[("p", 8.into())])), ("y", 9.into())]))),
        1 => Just(Some(Value::empty_map())),
        1 => Just(Some(vec![1.into(), 2.into()].into())),
        2 => Just(None),
    ];
    let step = prop_oneof![
        3 => (0usize..3, 0..PLACES.len(), value, 0u64..50)
            .prop_map(|(who, place, value, clock)| Step::Write { who, place, value, clock }),
        2 => (0usize..3, 0usize..3).prop_map(|(from, to)| Step::Sync { from, to }),
    ];
    prop::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_that_saw_the_same_writes_show_the_same_document(steps in steps(), order in any::<u64>()) {
        let mut replicas = [replica(1), replica(2), replica(3)];
        let mut history: Vec<Arc<Assertion>> = Vec::new();
        for step in steps {
            match step {
                Step::Write { who, place, value, clock } => {
                    let view = replicas[who].view().value;
                    let edit = Edit { path: path(PLACES[place]), value };
                    if let Ok(Some(wrote)) = replicas[who].write(&view, std::slice::from_ref(&edit), &WriteOptions::under(&Policy::default()), clock) {
                        let after = replicas[who].view().value;
                        let wish = match &edit.value {
                            Some(value) => view.with(&edit.path, value.clone()),
                            None => view.without(&edit.path),
                        };
                        prop_assert_eq!(after, wish, "a writer reads its own write");
                        history.extend(wrote.added);
                    }
                }
                Step::Sync { from, to } if from != to => {
                    let source = replicas[from].clone();
                    sync(&source, &mut replicas[to]);
                }
                Step::Sync { .. } => {}
            }
        }
        for _ in 0..2 {
            for from in 0..3 {
                for to in 0..3 {
                    let source = replicas[from].clone();
                    sync(&source, &mut replicas[to]);
                }
            }
        }
        let view = replicas[0].view();
        for other in &replicas {
            prop_assert_eq!(&other.view(), &view);
            prop_assert_eq!(other.seen(), replicas[0].seen());
        }
        // The oracle: the same writes, never pruned.
        let mut oracle = replica(9);
        for assertion in &history {
            oracle.live.insert(Arc::clone(assertion));
        }
        prop_assert_eq!(&oracle.view().value, &view.value);
        // Any order of arrival leaves the same live set.
        let mut shuffled = history.clone();
        let mut state = order | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let mut late = replica(8);
        for assertion in shuffled {
            late.insert(assertion, &mut Effect::default());
        }
        prop_assert_eq!(late.live().collect::<Vec<_>>(), replicas[0].live().collect::<Vec<_>>());
    }
}
