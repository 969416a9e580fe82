//! Runs of conditional writes: a counter and what is listed as lost are what was acknowledged.

use super::*;
use crate::conflict::Meanwhile;
use crate::format::Format;
use crate::testing::Random;

const PLACE: &str = "n";

/// Writes what it shows plus one, only because that is what it shows.
fn count_by(replica: &mut Replica, options: &WriteOptions<'_>, at: u64) {
    let view = replica.view().value;
    let next = view.at(&path(PLACE)).and_then(Value::as_u64).unwrap_or(0) + 1;
    let edit = Edit { path: path(PLACE), value: Some(next.into()) };
    let options = WriteOptions { is_conditional: true, ..options.clone() };
    let effect = replica.write(&view, &[edit], &options, at).unwrap().unwrap();
    assert!(effect.added[0].run.is_some());
}

fn count(replica: &mut Replica, at: u64) {
    count_by(replica, &WriteOptions::under(&Policy::default()), at);
}

/// What it shows, what is lost in conflicts that are listed, and in closed ones.
fn told(replica: &Replica) -> (u64, Lost, Lost) {
    let view = replica.view();
    let sides = view.disagreements.iter().filter(|found| found.path == path(PLACE)).flat_map(|found| &found.sides);
    let open = sides.fold(Lost::default(), |sum, side| sum.and(side.lost()));
    let closed = replica.losses().fold(Lost::default(), |sum, (_, found)| sum.and(found.closed.count()));
    (view.value.at(&path(PLACE)).and_then(Value::as_u64).unwrap_or(0), open, closed)
}

fn lost(updates: u64) -> Lost {
    Lost { updates, or_more: false }
}

#[test]
fn a_run_goes_on_across_authors_and_the_side_that_loses_names_all_of_it() {
    let (mut one, mut two, mut three) = (replica(1), replica(2), replica(3));
    count(&mut one, 1);
    sync(&one, &mut two);
    sync(&one, &mut three);
    count(&mut two, 2);
    sync(&two, &mut three);
    count(&mut three, 3);
    count(&mut one, 10);
    sync(&three, &mut one);
    assert_eq!(told(&one), (2, lost(2), lost(0)), "the increments of the second and of the third are lost");
    count(&mut one, 11);
    assert_eq!(told(&one), (3, lost(0), lost(2)), "and stay so");
    let mut late = replica(4);
    sync(&one, &mut late);
    assert_eq!(told(&late), (3, lost(0), lost(2)), "whoever comes later is told");
}

#[test]
fn equal_values_of_conditional_writes_are_a_conflict_and_of_others_none() {
    let (mut one, mut two) = (replica(1), replica(2));
    count(&mut one, 1);
    sync(&one, &mut two);
    count(&mut one, 2);
    count(&mut two, 3);
    sync(&one, &mut two);
    sync(&two, &mut one);
    assert_eq!(told(&one), (2, lost(1), lost(0)));
    let found = one.view().disagreements;
    assert_eq!(found, two.view().disagreements);
    assert_eq!(found[0].sides.iter().map(|side| side.lost().updates).collect::<Vec<_>>(), [0, 1]);
    let plain = concurrent((PLACE, Some(7.into()), 1), (PLACE, Some(7.into()), 2), &[]);
    assert_eq!(plain.disagreements, []);
}

#[test]
fn equal_maps_of_conditional_writes_are_a_conflict_at_the_map() {
    let (mut one, mut two) = (replica(1), replica(2));
    let rules = Policy::default();
    let options = WriteOptions { is_conditional: true, ..WriteOptions::under(&rules) };
    for (replica, at) in [(&mut one, 1), (&mut two, 2)] {
        let edit = Edit { path: path("m"), value: Some(map(&[("n", 7.into()), ("o", 1.into())])) };
        let view = replica.view().value;
        replica.write(&view, &[edit], &options, at).unwrap();
    }
    sync(&one, &mut two);
    let found = two.view().disagreements;
    assert_eq!((found.len(), &found[0].path), (1, &path("m")));
    assert_eq!(
        (found[0].sides[1].lost(), found[0].sides[1].value.clone()),
        (lost(1), Some(map(&[("n", 7.into()), ("o", 1.into())])))
    );
}

#[test]
fn lists_that_unite_and_sequences_lose_nothing() {
    for rule in ["merge_strategies", "operational_transform"] {
        let rules = crate::format::parse(&format!(r#"[{{"pattern": "l", "conflict": "{rule}"}}]"#), Format::Json);
        let rules = Policy::from_value(&rules.unwrap()).unwrap();
        let options = WriteOptions { is_conditional: true, ..WriteOptions::under(&rules) };
        let (mut one, mut two) = (replica(1), replica(2));
        for (replica, at) in [(&mut one, 1), (&mut two, 2)] {
            let edit = Edit { path: path("l"), value: Some(vec!["a".into()].into()) };
            let view = replica.view().value;
            replica.write(&view, &[edit], &options, at).unwrap();
        }
        sync(&one, &mut two);
        assert_eq!(two.view().disagreements, [], "{rule}");
        assert_eq!(two.losses().count(), 0);
    }
}

#[test]
fn an_unconditional_write_carries_nothing_and_ends_a_run() {
    let (mut one, mut two) = (replica(1), replica(2));
    count(&mut one, 1);
    count(&mut one, 2);
    let effect = write(&mut one, 3, PLACE, Some(0.into())).unwrap();
    assert_eq!(effect.added[0].run, None);
    assert!(!crate::canonical::canonical(&effect.added[0].to_value()).contains("run"));
    sync(&one, &mut two);
    count(&mut one, 4);
    write(&mut two, 9, PLACE, Some(50.into()));
    sync(&two, &mut one);
    assert_eq!(told(&one), (50, lost(1), lost(0)), "what was built on is over; what came after is lost");
}

#[test]
fn a_delta_whose_runs_name_what_their_authors_cannot_have_seen_is_refused() {
    let mut one = replica(1);
    count(&mut one, 1);
    let good = one.delta(&VersionVector::default());
    let stretch = |first, last| Stretch { replica: one.id(), first, last };
    for part in [0, 1] {
        let links = Links::of(vec![stretch(1, 5)], false).unwrap();
        let run = if part == 0 { Run { links, ..Run::default() } } else { Run { lost: links, ..Run::default() } };
        let mut bad = good.clone();
        bad.items = vec![Arc::new(Assertion { run: Some(Arc::new(run)), ..Assertion::clone(&good.items[0]) })];
        assert_eq!(replica(2).apply(&bad, 0).unwrap_err().code(), crate::Code::Message);
    }
    let many = |n: u64| (0..n).map(|at| stretch(2 * at + 1, 2 * at + 1)).collect::<Vec<_>>();
    assert!(Links::of(many(64), true).is_some());
    for stretches in [many(65), vec![stretch(0, 1)], vec![stretch(2, 1)], vec![stretch(1, 4), stretch(4, 6)]] {
        assert_eq!(Links::of(stretches.clone(), false), None, "{stretches:?}");
        let name = one.id().to_string();
        let written = stretches.iter().map(|s| vec![name.as_str().into(), s.first.into(), s.last.into()].into());
        let run: Value = [("links", Value::from(written.collect::<Vec<Value>>()))].into_iter().collect();
        let value = good.items[0].to_value().with(&Path::root().child("run"), run);
        assert!(Assertion::from_value(&value).is_err());
    }
}

#[test]
fn a_counter_and_what_is_listed_are_what_was_acknowledged_whatever_meets_when() {
    let first_wins = crate::format::parse(r#"[{"pattern": "n", "conflict": "first_write_wins"}]"#, Format::Json);
    let rules = [Policy::default(), Policy::from_value(&first_wins.unwrap()).unwrap()];
    for seed in 0..400 {
        let mut random = Random::of(seed);
        let rules = &rules[random.below(2)];
        let options = WriteOptions { force: true, meanwhile: Some(Meanwhile::Last), ..WriteOptions::under(rules) };
        let mut all: Vec<Replica> = (1..=2 + random.below(4) as u8).map(replica).collect();
        let mut acknowledged: Vec<Dot> = Vec::new();
        let (steps, others) = (10 + random.below(150), random.below(3) == 0);
        for step in 0..steps {
            let (a, b) = (random.below(all.len()), random.below(all.len()));
            let at = random.below(1_000) as u64;
            match random.below(if others { 4 } else { 3 }) {
                0 => {
                    let from = all[a].clone();
                    sync(&from, &mut all[b]);
                }
                1 | 2 => {
                    count_by(&mut all[a], &options, at);
                    acknowledged.push(Dot { replica: all[a].id(), seq: all[a].seen().seq(all[a].id()) });
                }
                // Numbers of writes elsewhere make the stretches short.
                _ => drop(write(&mut all[a], at, "other", Some((step as u64).into()))),
            }
            let here = &all[b];
            let known = acknowledged.iter().filter(|dot| here.seen().contains(**dot)).count() as u64;
            let (shown, open, closed) = told(here);
            let sum = shown + open.updates + closed.updates;
            let is_exact = !open.or_more && !closed.or_more;
            assert!(sum <= known && (sum == known || !is_exact), "seed {seed}: {shown} {open:?} {closed:?} of {known}");
            assert!(others || is_exact, "seed {seed}: a counter alone takes few stretches");
        }
    }
}

#[test]
fn a_run_longer_than_a_write_carries_says_or_more() {
    let (mut one, mut two) = (replica(1), replica(2));
    for n in 0..100_u64 {
        count(&mut one, n);
        write(&mut one, n, "other", Some(n.into()));
    }
    count(&mut two, 1_000);
    sync(&one, &mut two);
    assert_eq!(told(&two), (1, Lost { updates: 64, or_more: true }, lost(0)));
    let run = one.live().find(|held| held.path == path(PLACE)).unwrap().to_value().child("run").unwrap().clone();
    assert_eq!(run.child("links").unwrap().as_list().unwrap().len(), 64);
}
