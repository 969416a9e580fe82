use super::*;
use crate::Code;
use crate::id::ReplicaId;

fn dot(byte: u8) -> Dot {
    Dot { replica: ReplicaId::from_bytes([byte; 16]), seq: 1 }
}

fn side(byte: u8, stamp: u64, tag: Tag, value: Option<&Value>) -> Candidate<'_> {
    Candidate::new(dot(byte), Stamp::from_u64(stamp), tag, value)
}

/// The outcome, after checking that no order of the candidates changes it.
fn outcome(candidates: &[Candidate<'_>]) -> Outcome {
    let found = resolve(candidates).unwrap();
    let mut turned = candidates.to_vec();
    for _ in 0..candidates.len() {
        turned.rotate_left(1);
        assert_eq!(resolve(&turned), Some(found.clone()));
        let mut swapped = turned.clone();
        swapped.reverse();
        assert_eq!(resolve(&swapped), Some(found.clone()));
    }
    found
}

fn list(items: &[i64]) -> Value {
    items.iter().map(|n| Value::from(*n)).collect::<Vec<_>>().into()
}

#[test]
fn equal_stamps_have_one_winner_in_any_order() {
    let [one, two] = [Value::from(1), Value::from(2)];
    let (a, b) = (side(1, 7, Tag::LastWriteWins, Some(&one)), side(2, 7, Tag::LastWriteWins, Some(&two)));
    assert_eq!(outcome(&[a, b]).winner, Some(dot(2)));
    assert_eq!(resolve(&[]), None);
}

#[test]
fn the_first_write_wins_over_later_ones_and_over_removals() {
    let [one, two] = [Value::from(1), Value::from(2)];
    let tag = Tag::FirstWriteWins;
    let gone = side(3, 1, tag, None);
    let sides = [side(1, 9, tag, Some(&one)), side(2, 5, tag, Some(&two)), gone.clone()];
    assert_eq!(outcome(&sides).value, Some(two.clone()));
    let implied = Candidate { is_removal: false, ..gone };
    assert_eq!(outcome(&[sides[0].clone(), implied]).value, None);
    let locked = Candidate { fence: 3, ..sides[0].clone() };
    assert_eq!(outcome(&[locked, sides[1].clone()]).value, Some(one), "a lock goes before the clock");
}

#[test]
fn merged_lists_hold_what_anyone_added_and_lack_what_anyone_removed() {
    let (left, right) = (list(&[1, 3, 4]), list(&[1, 2, 5]));
    let (added_left, removed_left, added_right, removed_right) =
        ([Value::from(4)], [Value::from(2)], [Value::from(5)], [Value::from(3)]);
    let a = Candidate { added: &added_left, removed: &removed_left, ..side(1, 1, Tag::Merge, Some(&left)) };
    let b = Candidate { added: &added_right, removed: &removed_right, ..side(2, 2, Tag::Merge, Some(&right)) };
    assert_eq!(outcome(&[a.clone(), b]).value, Some(list(&[1, 4, 5])));
    assert_eq!(outcome(&[a.clone(), side(2, 9, Tag::Merge, None)]).value, Some(left.clone()));
    let text = Value::from("x");
    assert_eq!(outcome(&[a, side(2, 9, Tag::Merge, Some(&text))]).value, Some(text));
}

#[test]
fn a_mean_is_exact_and_only_of_numbers() {
    let mean = |values: &[Value]| {
        let sides: Vec<_> = (1u8..).zip(values).map(|(n, v)| side(n, u64::from(n), Tag::Mean, Some(v))).collect();
        outcome(&sides).value.unwrap()
    };
    assert_eq!(mean(&[2.into(), 4.into()]), 3.into());
    assert_eq!(mean(&[8080.into(), 8081.into()]), Value::Number(Number::from_f64(8080.5).unwrap()));
    assert_eq!(mean(&[u64::MAX.into(), (u64::MAX - 2).into()]), (u64::MAX - 1).into());
    assert_eq!(mean(&[true.into(), false.into()]), false.into());
    assert_eq!(mean(&[1.into(), "x".into()]), "x".into());
    let merge = [Value::from(1), Value::from(2)];
    let sides: Vec<_> = (1u8..).zip(&merge).map(|(n, v)| side(n, u64::from(n), Tag::Merge, Some(v))).collect();
    assert_eq!(outcome(&sides).value, Some(2.into()), "merging numbers takes the latest");
}

#[test]
fn a_manual_conflict_shows_what_its_writes_ask_for_meanwhile() {
    let [one, two, old] = [Value::from(1), Value::from(2), Value::from(0)];
    for (meanwhile, shown) in [(Meanwhile::Last, 2), (Meanwhile::First, 1), (Meanwhile::Previous, 0)] {
        let with = |c| Candidate { meanwhile, previous: Some(&old), ..c };
        let sides = [with(side(1, 1, Tag::Manual, Some(&one))), with(side(2, 2, Tag::Manual, Some(&two)))];
        assert_eq!(outcome(&sides).value, Some(shown.into()), "{meanwhile:?}");
    }
}

#[test]
fn of_differing_rules_the_newest_policy_decides_then_the_greatest_tag() {
    let [one, two] = [Value::from(1), Value::from(2)];
    let (a, b) = (side(1, 1, Tag::FirstWriteWins, Some(&one)), side(2, 2, Tag::LastWriteWins, Some(&two)));
    assert_eq!(outcome(&[a.clone(), b.clone()]).value, Some(1.into()));
    assert_eq!(outcome(&[a, Candidate { policy: 1, ..b }]).value, Some(2.into()));
}

fn change(author: &str, at_ms: u64, value: Value, base: Option<Value>) -> Change {
    Change { author: author.into(), at_ms, value, base }
}

fn settled(changes: &[Change], strategy: ConflictStrategy) -> Resolution {
    let found = resolve_changes("k", changes, strategy).unwrap();
    let mut turned = changes.to_vec();
    turned.reverse();
    assert_eq!(resolve_changes("k", &turned, strategy).unwrap(), found, "the order of arrival does not matter");
    found
}

fn map(text: &str) -> Value {
    crate::format::parse(text, crate::format::Format::Json).unwrap()
}

#[test]
fn no_change_and_one_change_have_defined_results() {
    for strategy in ConflictStrategy::ALL {
        let none = settled(&[], *strategy);
        assert_eq!((none.method, none.value), ("no_changes", None));
        let one = settled(&[change("a", 1, 5.into(), None)], *strategy);
        assert_eq!((one.method, one.value.clone()), ("single_change", Some(5.into())));
        assert_eq!(one.to_value().child("resolved_value"), Some(&5.into()));
    }
}

#[test]
fn the_winner_does_not_depend_on_arrival_and_equal_duplicates_stay_listed() {
    let changes = [change("b", 5, 1.into(), None), change("a", 5, 2.into(), None), change("b", 5, 1.into(), None)];
    let found = settled(&changes, ConflictStrategy::LastWriteWins);
    assert_eq!(found.value, Some(1.into()));
    assert_eq!(found.discarded().len(), 2);
    let found = settled(&changes, ConflictStrategy::FirstWriteWins);
    assert_eq!((found.method, found.winning().unwrap().value.clone()), ("first_write_wins", 2.into()));
    for field in ["resolved_value", "resolution_method", "winning_change", "discarded_changes"] {
        assert!(found.to_value().child(field).is_some(), "{field}");
    }
}

#[test]
fn maps_merge_at_every_depth_with_removals() {
    let base = map(r#"{"db":{"host":"h","port":1},"old":1}"#);
    let changes = [
        change("a", 1, map(r#"{"db":{"host":"x","port":1},"old":1,"new":{"p":1}}"#), Some(base.clone())),
        change("b", 2, map(r#"{"db":{"host":"h","port":2},"new":{"q":2}}"#), Some(base)),
    ];
    let found = settled(&changes, ConflictStrategy::MergeStrategies);
    assert_eq!(found.method, "dictionary_merge");
    assert_eq!(found.value, Some(map(r#"{"db":{"host":"x","port":2},"new":{"p":1,"q":2}}"#)));
    assert_eq!(found.to_value().child("merged_sources"), Some(&vec!["a".into(), "b".into()].into()));
    let apart =
        [change("a", 1, map(r#"{"db":{"host":"x"}}"#), None), change("b", 2, map(r#"{"db":{"port":2}}"#), None)];
    let found = settled(&apart, ConflictStrategy::MergeStrategies);
    assert_eq!(found.value, Some(map(r#"{"db":{"host":"x","port":2}}"#)));
}

#[test]
fn lists_merge_without_confusing_types_and_with_removals() {
    let changes =
        [change("a", 1, map(r#"[1,true,{"x":1}]"#), None), change("b", 2, map(r#"[true,{"x":1},"1"]"#), None)];
    let found = settled(&changes, ConflictStrategy::MergeStrategies);
    assert_eq!(found.value, Some(map(r#"[1,true,{"x":1},"1"]"#)));
    assert_eq!(found.details, Details::Lists { original_length: 6, deduplicated_length: 4 });
    let base = Some(list(&[1, 2, 3]));
    let changes = [change("a", 1, list(&[1, 3]), base.clone()), change("b", 2, list(&[1, 2, 3, 4]), base)];
    assert_eq!(settled(&changes, ConflictStrategy::MergeStrategies).value, Some(list(&[1, 3, 4])));
}

#[test]
fn numbers_are_averaged_only_on_request_and_mixed_types_fall_to_the_last() {
    let changes = [change("a", 1, 10.into(), None), change("b", 2, 20.into(), None)];
    assert_eq!(settled(&changes, ConflictStrategy::MergeStrategies).value, Some(20.into()));
    let found = settled(&changes, ConflictStrategy::NumericAverage).to_value();
    assert_eq!(found.child("resolved_value"), Some(&15.into()));
    assert_eq!((found.child("min_value"), found.child("max_value")), (Some(&10.into()), Some(&20.into())));
    let flags = [change("a", 1, true.into(), None), change("b", 2, false.into(), None)];
    assert_eq!(settled(&flags, ConflictStrategy::NumericAverage).value, Some(false.into()));
    let mixed = [change("a", 1, list(&[1]), None), change("b", 2, "x".into(), None)];
    for strategy in [ConflictStrategy::MergeStrategies, ConflictStrategy::OperationalTransform] {
        assert_eq!(settled(&mixed, strategy).method, "last_write_wins");
    }
}

#[test]
fn edits_of_one_sequence_are_all_kept() {
    let base = Some(list(&[1, 2, 3]));
    let changes = [
        change("a", 1, list(&[0, 1, 2, 3]), base.clone()),
        change("b", 2, list(&[1, 3]), base.clone()),
        change("c", 3, list(&[1, 2, 3, 4]), base),
    ];
    let found = settled(&changes, ConflictStrategy::OperationalTransform);
    assert_eq!(found.value, Some(list(&[0, 1, 3, 4])));
    assert_eq!(found.details, Details::Edits { operations_applied: 3, base: list(&[1, 2, 3]) });
    let apart = [change("a", 1, "x".into(), Some("a".into())), change("b", 2, "y".into(), Some("b".into()))];
    let error = resolve_changes("k", &apart, ConflictStrategy::OperationalTransform).unwrap_err();
    assert_eq!(error.code(), Code::Type);
}

#[test]
fn a_manual_conflict_is_a_record_that_waits_for_a_person() {
    let changes = [change("a", 1, 1.into(), None), change("b", 2_000, 2.into(), None)];
    let found = settled(&changes, ConflictStrategy::ManualResolution);
    assert!(found.is_pending());
    let record = found.to_value();
    assert_eq!(record.child("resolved_value"), Some(&Value::Null));
    assert_eq!(record.child("status"), Some(&"pending_manual_resolution".into()));
    assert_eq!(record.child("created_at"), Some(&"1970-01-01T00:00:02.000Z".into()));
    for field in ["manual_resolution_pending", "conflict_id", "requires_human_intervention", "competing_changes"] {
        assert!(record.child(field).is_some(), "{field}");
    }
    assert_eq!(record.child("assigned_to"), Some(&Value::Null));
}

#[test]
fn no_rule_depends_on_the_order_of_its_candidates_and_every_added_item_stays() {
    use crate::testing::{Random, cases};
    let mut merged = 0;
    for seed in 0..cases(2_000) {
        let mut random = Random::of(seed);
        let items = |random: &mut Random| -> Vec<Value> {
            (0..random.below(4)).map(|_| i64::try_from(random.below(5)).unwrap().into()).collect()
        };
        let count = 2 + random.below(3);
        let lists: Vec<(Vec<Value>, Vec<Value>)> =
            (0..count).map(|_| (items(&mut random), items(&mut random))).collect();
        let all_lists = random.below(2) == 0;
        let values: Vec<Option<Value>> = lists
            .iter()
            .map(|(added, _)| match random.below(if all_lists { 1 } else { 4 }) {
                0 => Some(added.clone().into()),
                1 => None,
                2 => Some("text".into()),
                _ => Some(i64::try_from(random.below(9)).unwrap().into()),
            })
            .collect();
        let mut candidates: Vec<Candidate<'_>> = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let tag = Tag::ALL[random.below(Tag::ALL.len())];
            let stamp = u64::try_from(random.below(3)).unwrap();
            let (added, removed) = &lists[at];
            let previous = values[random.below(count)].as_ref();
            candidates.push(Candidate {
                policy: u32::try_from(random.below(2)).unwrap(),
                fence: u64::try_from(random.below(2)).unwrap(),
                added,
                removed,
                previous,
                ..side(u8::try_from(at + 1).unwrap(), stamp, tag, value.as_ref())
            });
        }
        let first = resolve(&candidates).unwrap();
        for _ in 0..count {
            candidates.rotate_left(1);
            candidates.swap(0, random.below(count));
            assert_eq!(resolve(&candidates).unwrap(), first, "seed {seed}: {candidates:?}");
        }
        let Some(list) = first.value.as_ref().and_then(Value::as_list).filter(|_| first.tag == Tag::Merge) else {
            continue;
        };
        if first.winner.is_none() {
            merged += 1;
            let holds = |item: &Value| list.iter().any(|held| held == item);
            for candidate in candidates.iter().filter(|c| c.value.is_some()) {
                assert!(candidate.added.iter().all(holds), "seed {seed}: {candidates:?}");
                let others = |item: &&Value| !candidates.iter().any(|c| c.value.is_some() && c.added.contains(item));
                assert!(!candidate.removed.iter().filter(others).any(holds), "seed {seed}: {candidates:?}");
            }
        }
    }
    assert!(merged > 20, "{merged}");
}
