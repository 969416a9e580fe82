//! Saves of lists and texts that others changed since, and saves of what was written through the same instance.

use super::saves::{assert_shows, conflicts, mirrored, write};
use super::*;
use crate::canonical::canonical;
use crate::policy::{ConflictStrategy, Policy, Rule};

/// Others write, and an editor that had opened the file before saves.
struct Case {
    before: &'static str,
    place: &'static str,
    others: &'static str,
    saved: &'static str,
}

const LIST: Case = Case { before: r#"["a","b"]"#, place: "l", others: r#"["a","x","b"]"#, saved: r#"["a","b","d"]"# };
const MAPS: Case = Case {
    before: r#"[{"name":"a","image":1},{"name":"b","image":1}]"#,
    place: "l.0.image",
    others: "2",
    saved: r#"[{"name":"a","image":1},{"name":"b","image":9}]"#,
};
const NAMELESS: Case = Case {
    before: r#"[{"image":1},{"image":1}]"#,
    place: "l.0.image",
    others: "2",
    saved: r#"[{"image":1},{"image":9}]"#,
};
const LINES: Case =
    Case { before: r#""one\ntwo\n""#, place: "l", others: r#""zero\none\ntwo\n""#, saved: r#""one\ntwo\nthree\n""# };
const WORDS: Case =
    Case { before: r#""hello world""#, place: "l", others: r#""big hello world""#, saved: r#""hello world!""# };

fn value(text: &str) -> Value {
    json(&format!(r#"{{"k":{text}}}"#)).child("k").cloned().unwrap()
}

fn file(list: &str) -> String {
    format!(r#"{{"l":{list},"z":1}}"#)
}

fn listed(world: &World) -> Vec<Vec<Option<Value>>> {
    let listed = world.hosts[0].engine.conflicts(&name(), true);
    listed.iter().map(|one| one.sides.iter().map(|side| side.value.clone()).collect()).collect()
}

/// An instance with a file, and one without, under a rule.
fn begun(case: &Case, rule: ConflictStrategy) -> World {
    let rule = Rule { conflict: Some(rule), ..Rule::on(crate::Pattern::parse("*").unwrap()) };
    let policy = Policy::of([rule]).unwrap();
    let options = |file: Option<&str>| DocumentOptions {
        shared: true,
        has_peers: file.is_none(),
        file: file.map(|id| FileBinding { id: id.into(), format: Format::Json, is_named: false }),
        policy: policy.clone(),
        ..DocumentOptions::default()
    };
    let mut world = World::new();
    world.add_with(1, Some(&file(case.before)), options(Some("1.json")));
    world.add_with(2, None, options(None));
    world.connect(1, 0);
    world.run();
    world
}

/// With the writes made at one of both instances.
fn played(case: &Case, rule: ConflictStrategy, writer: usize) -> World {
    let mut world = begun(case, rule);
    world.set(writer, case.place, value(case.others));
    world.run();
    world.save(0, &file(case.saved));
    world.run();
    world
}

#[test]
fn a_save_of_an_older_list_or_text_lists_what_others_had_made_of_it() {
    for (case, theirs) in [
        (&LIST, LIST.others),
        (&NAMELESS, r#"[{"image":2},{"image":1}]"#),
        (&LINES, LINES.others),
        (&WORDS, WORDS.others),
    ] {
        for writer in 0..2 {
            for rule in [ConflictStrategy::LastWriteWins, ConflictStrategy::ManualResolution] {
                let world = played(case, rule, writer);
                assert_shows(&world, &file(case.saved));
                assert_eq!(conflicts(&world), [("l".to_owned(), Stays::Saved)], "{theirs}, {writer}");
                assert_eq!(listed(&world), [[Some(value(case.saved)), Some(value(theirs))]]);
                assert!(world.notices(0).contains("while others wrote"), "{}", world.notices(0));
            }
        }
    }
}

#[test]
fn changes_of_different_items_of_a_list_are_both_taken() {
    for writer in 0..2 {
        let world = played(&MAPS, ConflictStrategy::LastWriteWins, writer);
        assert_shows(&world, &file(r#"[{"name":"a","image":2},{"name":"b","image":9}]"#));
        assert_eq!(conflicts(&world), []);
    }
}

#[test]
fn a_rule_that_keeps_what_all_wrote_holds_for_saves_too() {
    let transform = ConflictStrategy::OperationalTransform;
    for (case, rule, want) in [
        (&LIST, transform, r#"["a","x","b","d"]"#),
        (&WORDS, transform, r#""big hello world!""#),
        (&LINES, transform, r#""zero\none\ntwo\nthree\n""#),
        (&LIST, ConflictStrategy::MergeStrategies, r#"["a","x","b","d"]"#),
    ] {
        let world = played(case, rule, 1);
        assert_shows(&world, &file(want));
        assert_eq!(conflicts(&world), []);
    }
}

#[test]
fn who_saw_the_list_that_others_made_may_change_it() {
    let mut world = mirrored(&file(r#"["a","b"]"#));
    write(&mut world, "l", value(r#"["a","x","b"]"#));
    world.save(0, &file(r#"["a","x","b","d"]"#));
    world.run();
    assert_shows(&world, &file(r#"["a","x","b","d"]"#));
    // Removed as a whole, it tells nothing of what was seen.
    write(&mut world, "l", value(r#"["a","x","b","d","e"]"#));
    world.save(0, r#"{"z":1}"#);
    world.run();
    assert_shows(&world, r#"{"z":1}"#);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn an_edit_of_a_list_in_a_mirror_write_that_nobody_looked_at_yet_takes_nothing_twice() {
    let mut world = begun(&LIST, ConflictStrategy::OperationalTransform);
    world.hosts[0].writes_files = false;
    world.set(1, "l", value(r#"["a","b","x"]"#));
    world.run();
    let planned = world.hosts[0].due.pop_front().unwrap();
    // It comes to the disk and is edited there before anybody looks.
    let edited = json(&planned.text).with(&path("l"), value(r#"["a","b","x","d"]"#));
    world.hosts[0].file = Some(canonical(&edited));
    world.hosts[0].writes_files = true;
    world.hosts[0].engine.handle_file_written(&name());
    world.look(0);
    world.run();
    assert_shows(&world, &file(r#"["a","b","x","d"]"#));
    assert_eq!(conflicts(&world), []);
}

#[test]
fn what_others_added_to_a_list_that_this_file_changed_after_them_is_theirs() {
    let mut world = mirrored(&file(r#"["a","b"]"#));
    write(&mut world, "l", value(r#"["a","x","b"]"#));
    world.save(0, &file(r#"["a","x","b","y"]"#));
    world.run();
    // From an editor that saw neither.
    world.save(0, &file(r#"["a","b","d"]"#));
    world.run();
    assert_shows(&world, &file(r#"["a","b","d"]"#));
    assert_eq!(listed(&world), [[Some(value(r#"["a","b","d"]"#)), Some(value(r#"["a","x","b","y"]"#))]]);
}

#[test]
fn what_others_added_is_theirs_where_a_save_shows_it_before_the_mirror_does() {
    let mut world = mirrored(&file(r#"["a","b"]"#));
    write(&mut world, "l", value(r#"["a","b","x"]"#));
    // Of two editors one had not seen it; the process is killed before it writes the file again.
    world.hosts[0].writes_files = false;
    for text in [r#"{"l":["a","b"],"z":2}"#, r#"{"l":["a","b","x","d"],"z":1}"#] {
        world.kill(0);
        world.hosts[0].file = Some(text.to_owned());
        world.restart(0);
    }
    world.kill(0);
    world.hosts[0].writes_files = true;
    world.restart(0);
    world.connect(1, 0);
    world.run();
    world.save(0, r#"{"l":["a","b"],"n":1,"z":2}"#);
    world.run();
    assert_shows(&world, r#"{"l":["a","b","x","d"],"n":1,"z":2}"#);
}

#[test]
fn what_was_written_through_the_same_instance_is_listed_and_told_as_what_came_from_others() {
    let edits = |edits: &[(&str, i64)]| {
        let edits =
            edits.iter().map(|(place, value)| crate::replica::Edit { path: path(place), value: Some((*value).into()) });
        Command::Edits(edits.collect())
    };
    for writer in 0..2 {
        for commands in [vec![edits(&[("l", 2), ("z", 5)])], vec![edits(&[("l", 2)]), edits(&[("z", 5)])]] {
            let mut world = mirrored(r#"{"l":1,"z":1}"#);
            for command in commands {
                let terms = WriteTerms { user: Some("ann".into()), ..WriteTerms::default() };
                let now = world.now;
                world.hosts[writer].engine.write(&name(), command, terms, now);
                world.settle(writer);
                world.run();
            }
            world.save(0, r#"{"l":3,"z":1}"#);
            world.run();
            assert_shows(&world, r#"{"l":3,"z":5}"#);
            assert_eq!(conflicts(&world), [("l".to_owned(), Stays::Saved), ("z".to_owned(), Stays::Theirs)]);
            assert_eq!(listed(&world), [[Some(3.into()), Some(2.into())], [Some(5.into()), Some(1.into())]]);
            assert_eq!(world.notices(0).matches("stays").count(), 2, "{}", world.notices(0));
        }
    }
}

#[test]
fn what_every_save_of_a_loop_took_back_is_listed_at_its_end() {
    let mut world = mirrored(r#"{"l":[]}"#);
    for turn in 0..8 {
        let read = world.hosts[0].file.clone().unwrap();
        let list = json(&read).child("l").and_then(Value::as_list).cloned().unwrap();
        let with = |item: String| -> Value { list.iter().cloned().chain([item.into()]).collect::<Vec<Value>>().into() };
        write(&mut world, "l", with(format!("client {turn}")));
        world.save(0, &canonical(&json(&read).with(&path("l"), with(format!("script {turn}")))));
        world.run();
    }
    let told = format!("{:?}{:?}", listed(&world), world.value(0));
    for turn in 0..8 {
        assert!(told.contains(&format!("client {turn}")) && told.contains(&format!("script {turn}")), "{turn}: {told}");
    }
    let open = world.hosts[0].engine.conflicts(&name(), true).iter().filter(|one| !one.is_closed).count();
    assert_eq!(open, 1);
}

#[test]
fn a_save_that_is_old_in_many_places_is_told_in_one_line() {
    let with =
        |value: u32| (0..40).fold(Value::empty_map(), |all, at| all.with(&path(&format!("k{at:02}")), value.into()));
    let before = with(1).with(&path("n"), 1.into());
    let mut world = mirrored(&canonical(&before));
    for at in 0..40 {
        write(&mut world, &format!("k{at:02}"), 2);
    }
    world.save(0, &canonical(&before.with(&path("n"), 2.into())));
    world.run();
    let (notices, listed) = (world.notices(0), conflicts(&world).len());
    assert_eq!((listed, notices.matches("descends from an older text").count()), (40, 1), "{notices}");
    assert!(notices.contains("stays at 40 paths: `k00`, `k01`") && notices.contains("`k15` and 24 more"), "{notices}");
}
