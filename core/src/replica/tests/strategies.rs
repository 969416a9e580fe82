//! The worked cases of every strategy.

use super::*;
use crate::Code;
use crate::policy::{ConflictStrategy, Rule};
use crate::testing::{Random, cases};

pub(super) fn everywhere(strategy: ConflictStrategy) -> Policy {
    Policy::of([Rule::on(crate::Pattern::parse("*").unwrap()).conflict(strategy)]).unwrap()
}

fn json(text: &str) -> Value {
    crate::format::parse(text, crate::format::Format::Json).unwrap()
}

type Writes<'a> = &'a [(u8, u64, &'a str, Option<&'a str>)];

/// What replicas show that agreed on `base`, wrote apart and met; all of them, in any order.
fn met(strategy: ConflictStrategy, base: Writes<'_>, writes: Writes<'_>) -> View {
    let policy = everywhere(strategy);
    let mut replicas = [replica(1), replica(2), replica(3)];
    let put = |replicas: &mut [Replica; 3], (who, at, place, text): (u8, u64, &str, Option<&str>)| {
        write_by(&mut replicas[usize::from(who) - 1], &policy, at, place, text.map(json)).unwrap().unwrap();
    };
    base.iter().for_each(|write| put(&mut replicas, *write));
    meet(&mut replicas);
    writes.iter().for_each(|write| put(&mut replicas, *write));
    meet(&mut replicas);
    replicas[0].view()
}

pub(super) fn meet(replicas: &mut [Replica]) {
    for _ in 0..2 {
        for from in 0..replicas.len() {
            for to in 0..replicas.len() {
                let source = replicas[from].clone();
                sync(&source, &mut replicas[to]);
            }
        }
    }
    assert!(replicas.windows(2).all(|pair| pair[0].view() == pair[1].view()));
}

#[test]
fn the_worked_cases_come_out_as_written_down() {
    use ConflictStrategy::{FirstWriteWins as Fww, LastWriteWins as Lww, MergeStrategies as Merge};
    let host = [(1, 1_000, "db.host", Some("\"a\""))];
    let maps: Writes<'_> =
        &[(1, 5_000, "db", Some(r#"{"host":"a","port":1}"#)), (2, 6_000, "db", Some(r#"{"host":"b","ssl":1}"#))];
    let early: Writes<'_> = &[(1, 9_000, "db", None), (2, 8_000, "db.port", Some("2"))];
    let late: Writes<'_> = &[(1, 9_000, "db", None), (2, 10_000, "db.port", Some("2"))];
    let shapes: Writes<'_> = &[(1, 8_000, "db", Some("\"x\"")), (2, 9_000, "db.port", Some("1"))];
    for (strategy, base, writes, expected) in [
        (Lww, &[][..], maps, r#"{"db":{"host":"b","ssl":1}}"#),
        (Fww, &[], maps, r#"{"db":{"host":"a","port":1}}"#),
        (Merge, &[], maps, r#"{"db":{"host":"b","port":1,"ssl":1}}"#),
        (Lww, &host, early, "{}"),
        (Merge, &host, early, r#"{"db":{"port":2}}"#),
        (Lww, &host, late, r#"{"db":{"port":2}}"#),
        (Merge, &host, late, r#"{"db":{"port":2}}"#),
        (Lww, &[], shapes, r#"{"db":{"port":1}}"#),
        (Fww, &[], shapes, r#"{"db":"x"}"#),
        (Merge, &[], shapes, r#"{"db":{"port":1}}"#),
    ] {
        let view = met(strategy, base, writes);
        assert_eq!(view.value, json(expected), "{strategy}: {writes:?}");
        if writes == shapes {
            let lost = if strategy == Fww { json("1") } else { json("\"x\"") };
            let sides = view.disagreements.iter().flat_map(|d| &d.sides);
            assert!(sides.clone().any(|side| side.value == Some(lost.clone())), "{strategy}: the loser is listed");
        }
    }
}

#[test]
fn deleting_a_sequence_keeps_what_others_insert_at_the_same_time() {
    let strategy = ConflictStrategy::OperationalTransform;
    let base: Writes<'_> = &[(1, 1_000, "list", Some(r#"["a","b"]"#)), (1, 1_001, "text", Some("\"hello\""))];
    let view = met(strategy, base, &[(1, 9_000, "list", None), (2, 8_000, "list", Some(r#"["a","c","b"]"#))]);
    assert_eq!(view.value.child("list"), Some(&json(r#"["c"]"#)));
    let writes: Writes<'_> = &[(1, 9_000, "text", Some("\"hello!\"")), (2, 8_000, "text", Some("\"oh hello\""))];
    assert_eq!(met(strategy, base, writes).value.child("text"), Some(&"oh hello!".into()));
    let created: Writes<'_> = &[(1, 1, "new", Some("[1]")), (2, 2, "new", Some("[2]"))];
    let both = met(strategy, &[], created).value;
    assert_eq!(both.child("new").and_then(Value::as_list).map(|l| l.len()), Some(2), "{both:?}");
}

#[test]
fn the_first_value_stays_unless_forced() {
    let policy = everywhere(ConflictStrategy::FirstWriteWins);
    let mut one = replica(1);
    write_by(&mut one, &policy, 1, "a.b", Some(1.into())).unwrap();
    for (place, value) in [("a.b", Some(2.into())), ("a.b", None), ("a", None), ("a", Some(3.into()))] {
        let error = write_by(&mut one, &policy, 2, place, value).unwrap_err();
        assert_eq!(error.code(), Code::AlreadySet, "{place}");
    }
    assert_eq!(one.seen().seq(one.id()), 1, "nothing was written");
    write_by(&mut one, &policy, 3, "a.c", Some(2.into())).unwrap().unwrap();
    let view = one.view().value;
    let forced = WriteOptions { force: true, ..WriteOptions::under(&policy) };
    one.write(&view, &[Edit { path: path("a.b"), value: Some(9.into()) }], &forced, 4).unwrap().unwrap();
    assert_eq!(one.view().value, json(r#"{"a":{"b":9,"c":2}}"#));
}

#[test]
fn among_concurrent_first_writes_the_earliest_wins() {
    let writes: Writes<'_> = &[(1, 7_000, "k", Some("1")), (2, 5_000, "k", Some("2")), (3, 6_000, "k", Some("3"))];
    let view = met(ConflictStrategy::FirstWriteWins, &[], writes);
    assert_eq!(view.value, json(r#"{"k":2}"#));
    assert_eq!(view.disagreements[0].sides.len(), 3);
    assert_eq!(view.disagreements[0].sides[0].value, Some(2.into()));
}

#[test]
fn a_write_on_condition_is_refused_once_anything_else_was_seen() {
    let policy = Policy::default();
    let mut one = replica(1);
    write(&mut one, 1, "a", Some(1.into()));
    let options = WriteOptions { if_version: Some(one.seen().clone()), ..WriteOptions::under(&policy) };
    let edit = |value: i64| [Edit { path: path("a"), value: Some(value.into()) }];
    let view = one.view().value;
    one.write(&view, &edit(2), &options, 2).unwrap().unwrap();
    assert_eq!(one.write(&view, &edit(3), &options, 3).unwrap_err().code(), Code::Stale);
    assert_eq!(one.view().value, json(r#"{"a":2}"#));
}

#[test]
fn a_manual_conflict_is_open_until_somebody_who_saw_all_sides_decides() {
    let policy = everywhere(ConflictStrategy::ManualResolution);
    let mut replicas = [replica(1), replica(2), replica(3)];
    for (at, value) in [(0, 10), (1, 20), (2, 30)] {
        write_by(&mut replicas[at], &policy, 1_000 + at as u64, "k", Some(value.into())).unwrap();
    }
    let source = replicas[1].clone();
    sync(&source, &mut replicas[0]);
    let view = replicas[0].view();
    assert!(view.disagreements[0].is_open());
    assert_eq!(view.value, json(r#"{"k":20}"#));
    let first = view.disagreements[0].id();
    write_by(&mut replicas[0], &policy, 5_000, "k", Some(40.into())).unwrap();
    assert!(replicas[0].view().disagreements.is_empty());
    meet(&mut replicas);
    let reopened = replicas[0].view();
    assert_eq!(reopened.disagreements[0].sides.len(), 2, "the late side opens it again");
    assert_ne!(reopened.disagreements[0].id(), first);
    assert!(replicas.iter().all(|r| r.view().disagreements[0].id() == reopened.disagreements[0].id()));
    write_by(&mut replicas[2], &policy, 1, "k", Some(30.into())).unwrap();
    meet(&mut replicas);
    assert!(replicas[0].view().disagreements.is_empty());
    assert_eq!(replicas[0].view().value, json(r#"{"k":30}"#));
}

#[test]
fn a_manual_conflict_may_show_what_was_there_before() {
    let policy = everywhere(ConflictStrategy::ManualResolution);
    let mut replicas = [replica(1), replica(2)];
    write_by(&mut replicas[0], &policy, 1, "k", Some(1.into())).unwrap();
    meet(&mut replicas);
    for (at, value) in [(0, 2), (1, 3)] {
        let view = replicas[at].view().value;
        let options = WriteOptions { meanwhile: Some(Meanwhile::Previous), ..WriteOptions::under(&policy) };
        let edit = Edit { path: path("k"), value: Some(value.into()) };
        replicas[at].write(&view, &[edit], &options, 9).unwrap();
    }
    meet(&mut replicas);
    assert_eq!(replicas[0].view().value, json(r#"{"k":1}"#));
    assert!(replicas[0].view().disagreements[0].sides.iter().all(|side| !side.in_force));
}

#[test]
fn concurrent_numbers_become_their_mean_only_where_a_rule_asks() {
    let writes: Writes<'_> = &[(1, 5_000, "n", Some("10")), (2, 6_000, "n", Some("30"))];
    assert_eq!(met(ConflictStrategy::NumericAverage, &[], writes).value, json(r#"{"n":20}"#));
    assert_eq!(met(ConflictStrategy::MergeStrategies, &[], writes).value, json(r#"{"n":30}"#));
}

#[test]
fn an_atomic_value_never_mixes() {
    let on = |text: &str| Rule::on(crate::Pattern::parse(text).unwrap());
    let rules = [on("db").atomic(true), on("*").conflict(ConflictStrategy::MergeStrategies)];
    let policy = Policy::of(rules).unwrap();
    let mut replicas = [replica(1), replica(2)];
    write_by(&mut replicas[0], &policy, 1, "db", Some(json(r#"{"host":"a","user":"a"}"#))).unwrap();
    meet(&mut replicas);
    write_by(&mut replicas[0], &policy, 8, "db.host", Some("b".into())).unwrap();
    write_by(&mut replicas[1], &policy, 9, "db.user", Some("c".into())).unwrap();
    meet(&mut replicas);
    assert_eq!(replicas[0].view().value, json(r#"{"db":{"host":"a","user":"c"}}"#));
}

#[test]
fn what_older_versions_stored_loads_with_defaults() {
    let stored = json(
        r#"{"dot":["01010101010101010101010101010101",1],"context":{},"stamp":"65536","tag":0,"path":"/a","value":1}"#,
    );
    let read = Assertion::from_value(&stored).unwrap();
    assert_eq!((read.policy, read.fence, read.meanwhile), (0, 0, Meanwhile::Last));
    assert!(read.edits.is_empty() && read.added.is_empty() && read.previous.is_none());
    assert_eq!(read.to_value(), stored, "and is written as before");
}

/// Distinct numbers in one list, edited by replicas that now and then hear of each other: which are there at the end,
/// which were inserted, and which some author removed.
fn churn(seed: u64, strategy: ConflictStrategy) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let mut random = Random::of(seed);
    let policy = everywhere(strategy);
    let mut replicas: Vec<Replica> = (1..=3).map(replica).collect();
    let (mut next, mut inserted, mut removed) = (0, Vec::new(), Vec::new());
    let items = |replica: &Replica| -> Vec<i64> {
        let view = replica.view().value;
        let list = view.child("l").and_then(Value::as_list).cloned().unwrap_or_default();
        list.iter().map(|v| v.as_i64().unwrap()).collect()
    };
    for _ in 0..random.below(16) + 4 {
        let (who, from) = (random.below(3), random.below(3));
        if random.below(3) == 0 {
            let source = replicas[from].clone();
            sync(&source, &mut replicas[who]);
            continue;
        }
        let mut list = items(&replicas[who]);
        if random.below(3) > 0 {
            list.insert(random.below(list.len() + 1), next);
            inserted.push(next);
            next += 1;
        }
        if !list.is_empty() && random.below(2) == 0 {
            removed.push(list.remove(random.below(list.len())));
        }
        let value: Vec<Value> = list.into_iter().map(Value::from).collect();
        write_by(&mut replicas[who], &policy, random.below(90) as u64 * 1_000, "l", Some(value.into())).unwrap();
    }
    meet(&mut replicas);
    (items(&replicas[0]), inserted, removed)
}

#[test]
fn every_item_of_a_shared_list_is_there_once_unless_someone_who_saw_it_removed_it() {
    for strategy in [ConflictStrategy::OperationalTransform, ConflictStrategy::MergeStrategies] {
        for seed in 0..cases(300) {
            let (end, inserted, removed) = churn(seed, strategy);
            let mut expected: Vec<i64> = inserted.into_iter().filter(|n| !removed.contains(n)).collect();
            let mut found = end.clone();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{strategy}, seed {seed}");
        }
    }
}

#[test]
fn a_removed_map_leaves_each_key_to_its_own_rule() {
    let on = |text: &str| Rule::on(crate::Pattern::parse(text).unwrap());
    let policy = Policy::of([on("db").conflict(ConflictStrategy::MergeStrategies)]).unwrap();
    let mut replicas = [replica(1), replica(2)];
    write_by(&mut replicas[0], &policy, 1, "db", Some(json(r#"{"x":1,"y":1}"#))).unwrap();
    meet(&mut replicas);
    write_by(&mut replicas[0], &policy, 9_000, "db", None).unwrap();
    write_by(&mut replicas[1], &policy, 8_000, "db.x", Some(2.into())).unwrap();
    write_by(&mut replicas[1], &policy, 10_000, "db.y", Some(2.into())).unwrap();
    meet(&mut replicas);
    assert_eq!(replicas[0].view().value, json(r#"{"db":{"y":2}}"#));
}

#[test]
fn a_scalar_that_became_a_map_stays_away_when_the_map_is_emptied_from_two_sides() {
    let policy = everywhere(ConflictStrategy::MergeStrategies);
    let mut replicas = [replica(1), replica(2)];
    write_by(&mut replicas[0], &policy, 1, "db", Some("x".into())).unwrap();
    write_by(&mut replicas[0], &policy, 2, "db", Some(json(r#"{"a":1,"b":2}"#))).unwrap();
    meet(&mut replicas);
    write_by(&mut replicas[0], &policy, 3, "db.a", None).unwrap();
    write_by(&mut replicas[1], &policy, 3, "db.b", None).unwrap();
    meet(&mut replicas);
    assert_eq!(replicas[0].view().value, json("{}"));
}
