//! Settled replicas, case by case; [`super::settling`] is the simulator.

use super::*;
use crate::policy::{ConflictStrategy, Rule};

/// Two members of a document that settles, in step.
fn members() -> (Replica, Replica) {
    let (mut one, mut two) = (replica(1), replica(2));
    one.note(&[settles(), joins(one.id()), joins(two.id())], 0).unwrap();
    sync(&one, &mut two);
    (one, two)
}

fn settle(replica: &mut Replica) -> Settled {
    let view = replica.view();
    replica.settle(&view).unwrap()
}

fn manual() -> Policy {
    Policy::of(vec![Rule::on(crate::Pattern::parse("**").unwrap()).conflict(ConflictStrategy::ManualResolution)])
        .unwrap()
}

#[test]
fn notes_never_show_and_the_root_never_covers_them() {
    let mut one = replica(1);
    let note = Edit { path: path("assigned.x"), value: Some(map(&[("to", "ann".into())])) };
    one.note(std::slice::from_ref(&note), 1).unwrap();
    write(&mut one, 2, "", Some(map(&[("a", 1.into())])));
    assert_eq!(one.view().value, map(&[("a", 1.into())]));
    assert_eq!(one.notes().at(&note.path), note.value.as_ref());
    let error = write_by(&mut one, &Policy::default(), 3, "$confmesh.assigned", None).unwrap_err();
    assert_eq!(error.code(), crate::Code::ReservedKey);
    settle(&mut one);
    assert_eq!(one.notes().at(&note.path), note.value.as_ref());
    one.note(&[Edit { value: None, ..note }], 4).unwrap();
    assert_eq!(*one.notes(), Value::empty_map());
    assert!(one.note(&[Edit { path: Path::root(), value: None }], 5).is_err());
}

#[test]
fn of_competing_notes_on_the_last_write_of_a_member_the_least_counts() {
    let (mut hub, mut other) = members();
    let mut away = replica(3);
    hub.note(&[joins(away.id())], 1).unwrap();
    sync(&hub, &mut away);
    for (at, place) in [(2, "a"), (3, "b")] {
        write(&mut away, at, place, Some(1.into()));
        sync(&away, &mut other);
        if at == 2 {
            sync(&other, &mut hub);
        }
    }
    hub.note(&[leaves(away.id(), 1)], 4).unwrap();
    other.note(&[leaves(away.id(), 2)], 9).unwrap();
    // The hub may have dropped its history by what it counted, so the later note does not bring the second write back.
    let refused = hub.apply(&other.delta(hub.seen()), 9).unwrap();
    assert_eq!(refused, Applied::Refused { author: away.id() });
    assert!(!other.is_expelled());
    sync(&hub, &mut other);
    let number = |replica: &Replica| replica.notes().child("members").unwrap().child(&away.id().to_string()).cloned();
    assert_eq!((number(&hub), number(&other)), (Some(1.into()), Some(1.into())));
    assert!(other.is_expelled() && !hub.is_expelled(), "it holds what the others do not take");
}

#[test]
fn no_later_note_makes_a_member_of_a_name_that_left() {
    let (mut one, mut two) = members();
    let name = replica(3).id();
    two.note(&[leaves(name, 0)], 1).unwrap();
    one.note(&[joins(name)], 9).unwrap();
    sync(&one, &mut two);
    sync(&two, &mut one);
    assert_eq!(one.notes(), two.notes());
    settle(&mut two);
    for replica in [&one, &two] {
        assert!(replica.was_member(name) && !replica.is_member(name) && !replica.is_expelled());
    }
    assert_eq!(one.notes(), two.notes());
}

#[test]
fn nobody_settles_past_the_write_of_a_member_under_a_new_name() {
    let (mut one, mut two) = members();
    write(&mut two, 1, "a", Some(1.into()));
    sync(&two, &mut one);
    let name = two.id();
    let mut renamed = two.reincarnated(replica(3).id());
    renamed.note(&[joins(renamed.id()), leaves(name, 1)], 2).unwrap();
    write(&mut one, 3, "a", Some(2.into()));
    sync(&one, &mut renamed);
    // It says what it has, and its new name has not arrived yet.
    let acknowledged = |seen: &VersionVector| [(name, seen.clone())].into_iter().collect();
    assert!(!one.may_settle(&acknowledged(renamed.seen())));
    assert!(one.may_settle(&acknowledged(one.seen())));
    sync(&renamed, &mut one);
    assert!(!one.may_settle(&acknowledged(renamed.seen())), "the new name has said nothing");
    let both = [(renamed.id(), renamed.seen().clone())].into_iter().collect();
    assert!(one.may_settle(&both));
}

#[test]
fn a_settled_document_holds_nothing_for_its_keys() {
    let mut one = replica(1);
    for at in 0..100 {
        write(&mut one, at, &format!("section.k{at}"), Some(at.into()));
    }
    let view = one.view();
    let settled = one.settle(&view).unwrap();
    assert_eq!((settled.dropped.len(), one.live_len()), (100, 0));
    let base = one.base().unwrap();
    assert!(base.document.ptr_eq(&view.value), "the document is shared, not copied");
    assert_eq!((base.standing.changes(), base.sequences.len()), (Vec::new(), 0));
}

#[test]
fn maps_that_nobody_asserted_go_with_their_last_key_after_settling_too() {
    let mut one = replica(1);
    write(&mut one, 1, "said", Some(map(&[("x", 1.into())])));
    write(&mut one, 2, "grown.x", Some(1.into()));
    settle(&mut one);
    let mut other = replica(2);
    other.apply(&one.delta(&VersionVector::default()), 0).unwrap();
    let held = |replica: &Replica| (replica.holds_map(&path("said")), replica.holds_map(&path("grown")));
    assert_eq!((held(&one), held(&other)), ((true, false), (true, false)));
}

#[test]
fn a_write_by_somebody_who_had_not_seen_the_floor_is_refused_and_so_is_a_stranger() {
    let (mut one, two) = members();
    let mut old = two.clone();
    write(&mut one, 1, "a", Some(1.into()));
    let mut newer = two;
    sync(&one, &mut newer);
    let said = [(newer.id(), newer.seen().clone())].into_iter().collect();
    assert!(one.may_settle(&said));
    settle(&mut one);
    let before = one.clone();
    let since = old.seen().clone();
    let late = write(&mut old, 9, "a", Some(2.into())).unwrap();
    let late = Delta { since, to: old.seen().clone(), base: None, items: late.added };
    assert_eq!(one.apply(&late, 0).unwrap(), Applied::Refused { author: old.id() });
    let mut stranger = one.reincarnated(ReplicaId::from_bytes([9; 16]));
    let unknown = write(&mut stranger, 9, "a", Some(3.into())).unwrap();
    let unknown = Delta { since: one.seen().clone(), to: stranger.seen().clone(), base: None, items: unknown.added };
    assert_eq!(one.apply(&unknown, 0).unwrap(), Applied::Refused { author: stranger.id() });
    assert_eq!((one.view(), one.seen()), (before.view(), before.seen()));
    assert_eq!(old.apply(&one.delta(old.seen()), 0).unwrap(), Applied::Behind);
}

#[test]
fn an_open_conflict_outlives_the_history_until_somebody_writes_there() {
    let (mut one, mut two) = members();
    write_by(&mut one, &manual(), 1_000, "p", Some("s".into())).unwrap();
    write_by(&mut two, &manual(), 2_000, "p", Some(Value::empty_map())).unwrap();
    sync(&one, &mut two);
    sync(&two, &mut one);
    let open = one.view().disagreements;
    assert_eq!(open.len(), 1);
    assert!(settle(&mut one).decided.is_empty());
    assert_eq!((one.view().disagreements, two.view().disagreements), (open.clone(), open));
    // Below the place, there and gone again: who did it had seen both sides.
    for value in [Some(1.into()), None] {
        write_by(&mut two, &manual(), 3_000, "p.y", value).unwrap();
        sync(&two, &mut one);
        assert_eq!(one.view(), two.view());
        assert!(one.view().disagreements.is_empty());
    }
}

#[test]
fn what_was_not_shared_is_written_again_over_what_the_others_made_of_it() {
    let (mut one, mut two) = members();
    write(&mut one, 1, "both", Some(map(&[("mine", 1.into()), ("theirs", 1.into())])));
    write(&mut one, 2, "list", Some(vec![1.into(), 2.into()].into()));
    sync(&one, &mut two);
    let synced = two.view().value;
    write(&mut two, 3, "both.mine", Some(2.into()));
    write(&mut two, 4, "gone", Some(1.into()));
    write(&mut two, 5, "gone", None);
    let merged =
        Policy::of(vec![Rule::on(crate::Pattern::parse("list").unwrap()).conflict(ConflictStrategy::MergeStrategies)]);
    let merged = merged.unwrap();
    write_by(&mut two, &merged, 6, "list", Some(vec![2.into(), 3.into()].into())).unwrap();
    write(&mut one, 7, "both.theirs", Some(3.into()));
    write_by(&mut one, &merged, 8, "list", Some(vec![1.into(), 2.into(), 4.into()].into())).unwrap();
    let id = ReplicaId::from_bytes([7; 16]);
    one.note(&[joins(id), leaves(two.id(), 0)], 9).unwrap();
    settle(&mut one);
    let delta = one.delta(two.seen());
    let rebased =
        two.rebased(id, &delta, &delta.to, (&synced, Heeds::Later), &WriteOptions::under(&merged), 10).unwrap();
    let expected = map(&[
        ("both", map(&[("mine", 2.into()), ("theirs", 3.into())])),
        ("list", vec![2.into(), 4.into(), 3.into()].into()),
    ]);
    assert_eq!((&rebased.replica.view().value, rebased.refused), (&expected, 0));
    sync(&rebased.replica, &mut one);
    assert_eq!(one.view().value, expected);
}

#[test]
fn who_learned_that_it_was_expelled_still_holds_what_it_writes_itself() {
    let (mut one, mut two) = members();
    one.note(&[leaves(two.id(), two.seen().seq(two.id()))], 1).unwrap();
    sync(&one, &mut two);
    let mut durable = two.clone();
    let since = two.seen().clone();
    let own = write(&mut two, 2, "a", Some(1.into())).unwrap();
    let own = Delta { since, to: two.seen().clone(), base: None, items: own.added };
    assert!(matches!(durable.apply(&own, 0).unwrap(), Applied::Advanced { .. }));
    assert_eq!(durable.view(), two.view());
    assert_eq!(one.apply(&own, 0).unwrap(), Applied::Refused { author: two.id() });
}
