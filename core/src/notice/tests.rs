//! What is told when, and what becomes of it where the receiver fails, hangs, refuses or comes back.
use super::*;
use crate::backoff::Backoff;
use crate::clock::Now;

fn at(mono_ms: u64) -> Now {
    Now { wall_ms: 1_700_000_000_000 + mono_ms, mono_ms }
}

fn problem(kind: Kind, key: &str) -> Problem {
    Problem { kind, key: key.into(), data: [("of", Value::from(key))].into_iter().collect() }
}

fn told(notices: &[Notice]) -> Vec<(&str, &str)> {
    notices.iter().map(|notice| (notice.kind, notice.data.child("of").and_then(Value::as_str).unwrap())).collect()
}

#[test]
fn what_begins_and_lasts_is_told_once_and_again_when_it_is_over() {
    let mut list = Watchlist::new("a");
    let wrong = [problem(Kind::Conflict, "x"), problem(Kind::Sync, "p")];
    assert_eq!(told(&list.observe(wrong.clone(), at(0))), [("conflict.opened", "x")]);
    assert_eq!(list.due_ms(), Some(5_000));
    assert_eq!(list.observe(wrong.clone(), at(4_999)), []);
    let notices = list.observe(wrong.clone(), at(5_000));
    assert_eq!(told(&notices), [("sync.failed", "p")]);
    assert_eq!((notices[0].id.as_str(), notices[0].at_ms), ("a-2", at(5_000).wall_ms));
    assert_eq!((list.observe(wrong, at(60_000)), list.due_ms()), (vec![], None));
    assert_eq!(told(&list.observe([problem(Kind::Sync, "p")], at(60_001))), [("conflict.closed", "x")]);
    assert_eq!(told(&list.observe([], at(60_002))), [("sync.restored", "p")]);
}

#[test]
fn what_was_over_before_it_was_told_never_was() {
    let mut list = Watchlist::new("a");
    assert_eq!(list.observe([problem(Kind::Sync, "p")], at(0)), []);
    assert_eq!(list.observe([], at(4_000)), []);
    assert_eq!(list.observe([problem(Kind::Sync, "p")], at(5_000)), [], "it counts from when it began again");
    assert_eq!(list.observe([problem(Kind::Sync, "p")], at(10_000)).len(), 1);
}

#[test]
fn problems_beyond_the_bound_are_told_once_others_are_over() {
    let mut list = Watchlist::new("a");
    let many = |from: usize, to: usize| (from..to).map(|at| problem(Kind::Conflict, &at.to_string()));
    assert_eq!(list.observe(many(0, MAX_PROBLEMS + 1), at(0)).len(), MAX_PROBLEMS);
    assert_eq!(list.observe(many(1, MAX_PROBLEMS + 1), at(1)).len(), 1, "the first one is over");
    let last = list.observe(many(1, MAX_PROBLEMS + 1), at(2));
    assert_eq!(told(&last), [("conflict.opened", MAX_PROBLEMS.to_string().as_str())]);
}

fn outbox() -> Outbox {
    Outbox::new(Backoff { initial_ms: 1_000, factor: 2.0, max_ms: 60_000 })
}

fn notice(number: usize) -> Notice {
    Notice { id: number.to_string().into(), kind: "source.stale", at_ms: 0, data: Value::empty_map() }
}

const FAILED: Outcome = Outcome::Failed { retry_after_ms: None };

#[test]
fn a_notice_is_sent_again_with_its_id_and_after_ever_longer_waits() {
    let mut outbox = outbox();
    assert_eq!((outbox.attempt(at(0)), outbox.due_ms()), (None, None));
    outbox.push(notice(1), at(0));
    outbox.push(notice(2), at(0));
    let (mut now, mut waits) = (0, Vec::new());
    for number in 0..8 {
        let attempt = outbox.attempt(at(now)).unwrap();
        assert_eq!((attempt.notice.id.as_str(), attempt.number), ("1", number));
        assert_eq!((outbox.attempt(at(now)), outbox.due_ms()), (None, None), "one at a time");
        outbox.answered(FAILED, at(now), u64::MAX);
        let due = outbox.due_ms().unwrap();
        assert_eq!(outbox.attempt(at(due - 1)), None);
        waits.push(due - now);
        now = due;
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    outbox.attempt(at(now)).unwrap();
    outbox.answered(Outcome::Delivered, at(now), 0);
    assert_eq!(outbox.attempt(at(now)).unwrap().notice.id.as_str(), "2", "and then the next at once");
    outbox.answered(Outcome::Delivered, at(now), 0);
    assert_eq!((outbox.progress(), outbox.due_ms()), (Progress { delivered: 2, ..Progress::default() }, None));
}

#[test]
fn a_receiver_says_when_it_wants_to_be_asked_again_within_an_hour() {
    for (asked, waits) in [(7_000, 7_000), (u64::MAX, 3_600_000)] {
        let mut outbox = outbox();
        outbox.push(notice(1), at(0));
        outbox.attempt(at(0)).unwrap();
        outbox.answered(Outcome::Failed { retry_after_ms: Some(asked) }, at(10), 5);
        assert_eq!(outbox.due_ms(), Some(10 + waits));
    }
}

#[test]
fn one_that_the_receiver_will_not_have_does_not_hold_up_the_others_and_is_told_as_dropped() {
    let mut outbox = outbox();
    outbox.push(notice(1), at(0));
    outbox.push(notice(2), at(0));
    let mut now = 0;
    for _ in 0..3 {
        assert_eq!(outbox.attempt(at(now)).unwrap().notice.id.as_str(), "1");
        outbox.answered(Outcome::Refused, at(now), 0);
        now = outbox.due_ms().unwrap();
    }
    let dropped = outbox.attempt(at(now)).unwrap().notice;
    assert_eq!((dropped.kind, dropped.data.child("count")), ("notices.dropped", Some(&1.into())));
    outbox.answered(Outcome::Delivered, at(now), 0);
    assert_eq!(outbox.attempt(at(now)).unwrap().notice.id.as_str(), "2");
    assert_eq!(outbox.progress().dropped, 1);
}

#[test]
fn the_oldest_give_way_to_the_newest_and_how_many_is_told_before_them() {
    let mut outbox = outbox();
    outbox.push(notice(0), at(0));
    assert_eq!(outbox.attempt(at(0)).unwrap().notice.id.as_str(), "0");
    (1..MAX_WAITING + 5).for_each(|number| outbox.push(notice(number), at(0)));
    assert_eq!(outbox.progress().waiting, MAX_WAITING, "the queue is bounded");
    outbox.answered(Outcome::Delivered, at(0), 0);
    let dropped = outbox.attempt(at(0)).unwrap().notice;
    assert_eq!((dropped.kind, dropped.data.child("count")), ("notices.dropped", Some(&5.into())));
    outbox.answered(Outcome::Delivered, at(0), 0);
    assert_eq!(outbox.attempt(at(0)).unwrap().notice.id.as_str(), "6", "the one on its way was not dropped");
}

#[test]
fn what_could_not_be_told_for_a_day_is_dropped() {
    let mut outbox = outbox();
    outbox.push(notice(1), at(0));
    assert_eq!(outbox.attempt(at(MAX_AGE_MS + 1)).unwrap().notice.kind, "notices.dropped");
    outbox.answered(Outcome::Delivered, at(MAX_AGE_MS + 1), 0);
    assert_eq!(outbox.attempt(at(MAX_AGE_MS + 2)), None);
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut outbox = outbox();
    outbox.push(notice(1), at(0));
    outbox.answered(Outcome::Delivered, at(0), 0);
    assert_eq!(outbox.progress().waiting, 1);
}
