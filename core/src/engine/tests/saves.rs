//! Saves from editors that hold an older text, and from scripts that read a while ago.

use super::*;

/// An instance with a file of these keys, and one without a file that writes meanwhile.
pub(super) fn mirrored(text: &str) -> World {
    let mut world = World::new();
    world.add(1, Some(text), false);
    world.add_with(2, None, DocumentOptions { shared: true, has_peers: true, ..Default::default() });
    world.connect(1, 0);
    world.run();
    world
}

pub(super) fn write(world: &mut World, place: &str, value: impl Into<Value>) {
    world.set(1, place, value);
    world.run();
}

fn remove(world: &mut World, place: &str) {
    let now = world.now;
    world.hosts[1].engine.unset(&name(), path(place), now);
    world.settle(1);
    world.run();
}

pub(super) fn assert_shows(world: &World, want: &str) {
    for at in 0..2 {
        assert_eq!(world.value(at), json(want), "host {at}");
    }
    assert_eq!(world.file_value(0), json(want));
}

pub(super) fn conflicts(world: &World) -> Vec<(String, Stays)> {
    let status = world.hosts[0].engine.status().remove(0);
    status.save_conflicts.iter().map(|conflict| (conflict.path.to_string(), conflict.stays)).collect()
}

#[test]
fn an_editor_that_holds_an_old_text_takes_back_nothing_and_its_own_change_arrives() {
    let mut world = mirrored(r#"{"a":1,"b":2,"c":3}"#);
    write(&mut world, "a", 10);
    write(&mut world, "new", true);
    world.save(0, r#"{"a":1,"b":20,"c":3}"#);
    world.run();
    assert_shows(&world, r#"{"a":10,"b":20,"c":3,"new":true}"#);
    assert_eq!(conflicts(&world), [("a".to_owned(), Stays::Theirs), ("new".to_owned(), Stays::Theirs)]);
    let notices = world.notices(0);
    assert!(notices.contains("with 1 here; what others wrote since, 10, stays"), "{notices}");
    let listed = world.hosts[0].engine.conflicts(&name(), true);
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].sides[0].value, Some(10.into()));
    assert_eq!(listed[0].sides[1].value, Some(1.into()));
    assert!(world.hosts[0].engine.conflicts(&name(), false).is_empty());
    let audits = world.hosts[0]
        .events
        .iter()
        .filter(|event| matches!(event, Event::Audit(audit) if matches!(audit.entry, AuditEntry::SaveMerged { .. })));
    assert_eq!(audits.count(), 1);
}

#[test]
fn what_the_save_changed_itself_wins_and_is_told() {
    let mut world = mirrored(r#"{"a":1,"b":2}"#);
    write(&mut world, "a", 10);
    write(&mut world, "b", 5);
    world.save(0, r#"{"a":7,"b":2,"c":1}"#);
    world.run();
    assert_shows(&world, r#"{"a":7,"b":5,"c":1}"#);
    assert_eq!(conflicts(&world), [("a".to_owned(), Stays::Saved), ("b".to_owned(), Stays::Theirs)]);
}

#[test]
fn a_removal_of_what_others_wrote_since_does_not_count_and_a_removal_of_the_rest_does() {
    let mut world = mirrored(r#"{"a":{"x":1,"y":2},"b":{"z":1},"k":1}"#);
    write(&mut world, "a.x", 10);
    write(&mut world, "k", 2);
    world.save(0, r#"{"k":1,"n":1}"#);
    world.run();
    assert_shows(&world, r#"{"a":{"x":10},"k":2,"n":1}"#);
    assert_eq!(conflicts(&world), [("a.x".to_owned(), Stays::Theirs), ("k".to_owned(), Stays::Theirs)]);
}

#[test]
fn what_others_removed_stays_removed() {
    let mut world = mirrored(r#"{"a":1,"b":2,"c":3,"s":{"t":1}}"#);
    remove(&mut world, "a");
    remove(&mut world, "s");
    world.save(0, r#"{"a":1,"b":2,"c":30,"s":{"t":1}}"#);
    world.run();
    assert_shows(&world, r#"{"b":2,"c":30}"#);
}

#[test]
fn an_old_text_saved_unchanged_changes_nothing_and_is_told_once() {
    let mut world = mirrored(r#"{"a":1,"b":2}"#);
    write(&mut world, "a", 10);
    write(&mut world, "b", 20);
    let revision = world.hosts[1].engine.snapshot(&name()).unwrap().revision;
    for _ in 0..3 {
        world.save(0, r#"{"a":1,"b":2}"#);
        world.run();
    }
    assert_shows(&world, r#"{"a":10,"b":20}"#);
    assert_eq!(world.hosts[1].engine.snapshot(&name()).unwrap().revision, revision);
    assert_eq!(world.notices(0).matches("stays").count(), 2, "{}", world.notices(0));
}

#[test]
fn one_value_set_back_by_hand_is_an_edit_and_told() {
    let mut world = mirrored(r#"{"a":1,"b":2}"#);
    write(&mut world, "a", 10);
    world.save(0, r#"{"a":1,"b":2}"#);
    world.run();
    assert_shows(&world, r#"{"a":1,"b":2}"#);
    assert_eq!(conflicts(&world), [("a".to_owned(), Stays::Saved)]);
}

#[test]
fn what_the_file_had_shown_when_somebody_saved_it_stays_what_others_wrote() {
    let mut world = mirrored(r#"{"a":0,"l":[1,3],"q":1,"x":10}"#);
    write(&mut world, "l", json("[1,2,3]"));
    write(&mut world, "x", 20);
    write(&mut world, "z", 1);
    // Of the text with 20, but it differs as little from the first one: then 20 seems to be new.
    world.save(0, r#"{"a":0,"l":[1,3],"q":5,"x":20}"#);
    world.run();
    // Surely of the first one.
    world.save(0, r#"{"a":7,"l":[1,3],"q":1,"x":10}"#);
    world.run();
    assert_eq!(world.value(1).child("x"), Some(&20.into()));
    assert!(conflicts(&world).contains(&("x".to_owned(), Stays::Theirs)), "{:?}", conflicts(&world));
}

#[test]
fn what_only_this_file_changed_is_its_own_to_change_back() {
    let mut world = mirrored(r#"{"a":1,"b":2,"c":3}"#);
    world.save(0, r#"{"a":10,"b":20,"c":3}"#);
    world.run();
    write(&mut world, "c", 30);
    // Undone in the editor, which never saw the write of another instance.
    world.save(0, r#"{"a":1,"b":2,"c":3}"#);
    world.run();
    assert_shows(&world, r#"{"a":1,"b":2,"c":30}"#);
}

#[test]
fn the_older_states_survive_a_restart() {
    for written in [0, 3, 40, 300] {
        let mut world = mirrored(r#"{"a":1,"b":2,"c":{"n":0}}"#);
        for n in 0..written {
            write(&mut world, "c.n", n + 1);
        }
        write(&mut world, "a", 10);
        world.restart(0);
        world.connect(1, 0);
        world.run();
        world.save(0, &format!(r#"{{"a":1,"b":20,"c":{{"n":{written}}}}}"#));
        world.run();
        assert_shows(&world, &format!(r#"{{"a":10,"b":20,"c":{{"n":{written}}}}}"#));
    }
}

#[test]
fn a_save_made_while_the_instance_was_down_is_merged_from_the_text_that_it_descends_from() {
    let mut world = mirrored(r#"{"a":1,"b":2,"c":3}"#);
    write(&mut world, "a", 10);
    write(&mut world, "c", 30);
    world.kill(0);
    world.hosts[0].file = Some(r#"{"a":1,"b":20,"c":3}"#.to_owned());
    world.restart(0);
    world.connect(1, 0);
    world.run();
    assert_shows(&world, r#"{"a":10,"b":20,"c":30}"#);
}

#[test]
fn an_edit_of_a_mirror_write_that_nobody_looked_at_yet_descends_from_that_write() {
    let mut world = mirrored(r#"{"a":1,"b":2}"#);
    world.hosts[0].writes_files = false;
    write(&mut world, "a", 2);
    let planned = world.hosts[0].due.pop_front().unwrap();
    world.hosts[0].write_file(planned);
    world.kill(0);
    // Written, edited by somebody, and only then does the process come back; meanwhile others wrote the same key again.
    world.hosts[0].file = Some(r#"{"a":2,"b":20}"#.to_owned());
    world.set(1, "a", 3);
    world.hosts[0].writes_files = true;
    world.restart(0);
    world.connect(1, 0);
    world.run();
    assert_shows(&world, r#"{"a":3,"b":20}"#);
}

#[test]
fn a_save_that_removes_more_than_half_is_taken_and_the_text_before_is_kept() {
    let text = r#"{"a":1,"b":2,"c":3,"d":4}"#;
    let mut world = mirrored(text);
    world.save(0, r#"{"a":1}"#);
    world.run();
    assert_shows(&world, r#"{"a":1}"#);
    assert_eq!(world.hosts[0].copies, [(".before-edit".to_owned(), text.to_owned())]);
    assert!(world.notices(0).contains("removed 3: `b`, `c`, `d`"), "{}", world.notices(0));
}

#[test]
fn a_half_that_was_saved_first_costs_nobody_a_value() {
    let mut world = mirrored(r#"{"a":1,"b":2,"c":3,"d":4,"e":5}"#);
    world.save(0, r#"{"a":1,"b":2}"#);
    world.run();
    write(&mut world, "d", 40);
    world.save(0, r#"{"a":1,"b":20,"c":3,"d":4,"e":5}"#);
    world.run();
    assert_shows(&world, r#"{"a":1,"b":20,"c":3,"d":40,"e":5}"#);
}

#[test]
fn what_a_save_removes_from_an_unknown_text_is_told_and_kept_where_it_is_much() {
    for (left, is_kept) in [(79, false), (45, true)] {
        let keys: Vec<String> = (0..80).map(|n| format!(r#""k{n}":{n}"#)).collect();
        let mut world = mirrored(&format!("{{{},\"n\":0}}", keys.join(",")));
        for n in 0..300 {
            write(&mut world, "n", n + 1);
        }
        world.save(0, &format!("{{{},\"n\":0}}", keys[..left].join(",")));
        world.run();
        let notices = world.notices(0);
        assert!(notices.contains("from a text that nobody here remembers: `k"), "{notices}");
        assert_eq!(!world.hosts[0].copies.is_empty(), is_kept, "{notices}");
        // Whether its author meant these, nobody knows.
        let listed: Vec<String> = conflicts(&world).into_iter().map(|(path, _)| path).collect();
        let mut removed: Vec<String> = (left..80).map(|n| format!("k{n}")).chain(["n".to_owned()]).collect();
        removed.sort();
        assert_eq!(listed, removed);
    }
}

#[test]
fn an_editor_may_hold_a_text_over_many_writes_and_over_more_nothing_is_taken_back_in_silence() {
    for (count, is_known) in [(31, true), (200, true), (300, false)] {
        let mut world = mirrored(r#"{"a":1,"b":1,"gone":1,"n":0}"#);
        write(&mut world, "b", 2);
        remove(&mut world, "gone");
        write(&mut world, "added", true);
        for n in 0..count {
            write(&mut world, "n", n + 1);
        }
        world.save(0, r#"{"a":5,"b":1,"gone":1,"n":0}"#);
        world.run();
        let listed: Vec<String> = conflicts(&world).into_iter().map(|(path, _)| path).collect();
        for place in ["added", "b", "n"] {
            assert!(listed.contains(&place.to_owned()), "{place} after {count}: {listed:?}");
        }
        if is_known {
            assert_shows(&world, &format!(r#"{{"a":5,"added":true,"b":2,"n":{count}}}"#));
        }
    }
}

#[test]
fn a_conflict_of_a_save_is_settled_like_any_other_and_ends_when_somebody_writes() {
    let mut world = mirrored(r#"{"a":1,"b":2,"c":3}"#);
    write(&mut world, "a", 10);
    write(&mut world, "b", 20);
    world.save(0, r#"{"a":1,"b":2,"c":30}"#);
    world.run();
    let listed = world.hosts[0].engine.conflicts(&name(), true);
    let now = world.now;
    let command = Command::Resolve(listed[0].id, Choice::Take(1));
    world.hosts[0].engine.write(&name(), command, WriteTerms::default(), now);
    world.settle(0);
    world.run();
    assert_shows(&world, r#"{"a":1,"b":20,"c":30}"#);
    assert_eq!(world.hosts[0].engine.conflicts(&name(), true).len(), 1);
    world.restart(0);
    assert_eq!(world.hosts[0].engine.conflicts(&name(), true).len(), 1);
    world.connect(1, 0);
    world.run();
    write(&mut world, "b", 21);
    assert!(world.hosts[0].engine.status()[0].save_conflicts.is_empty());
    let listed = world.hosts[0].engine.conflicts(&name(), true);
    let sides: Vec<_> = listed.iter().flat_map(|one| one.sides.iter().map(|side| side.value.clone())).collect();
    assert!(listed.iter().all(|one| one.is_closed), "{listed:?}");
    assert_eq!(sides, [Some(20.into()), Some(2.into())]);
}

#[test]
fn a_secret_is_told_without_its_value() {
    let mut world = World::new();
    let binding = FileBinding { id: "1.json".into(), format: Format::Json, is_named: false };
    let rule = crate::policy::Rule::on(crate::Pattern::parse("key").unwrap()).secret(true);
    let policy = crate::Policy::of([rule]).unwrap();
    let options = DocumentOptions { shared: true, file: Some(binding), policy, ..Default::default() };
    world.add_with(1, Some(r#"{"key":"old-word","b":1}"#), options);
    world.set(0, "key", "new-word");
    world.save(0, r#"{"key":"old-word","b":2}"#);
    let status = format!("{:?}", world.hosts[0].engine.status()[0].save_conflicts);
    let told = format!("{}{status}{:?}", world.notices(0), world.hosts[0].engine.conflicts(&name(), true));
    assert!(status.contains("Theirs") && !told.contains("-word"), "{told}");
}

#[test]
fn a_state_costs_the_store_what_changed_and_not_what_the_file_holds() {
    let leaves: Vec<String> = (0..2_000).map(|n| format!("\"key{n:04}\":\"a value of some length {n}\"")).collect();
    let mut world = World::new();
    world.add(1, Some(&format!("{{{}}}", leaves.join(",\n"))), false);
    let mut bytes = 0;
    for n in 0..64 {
        world.hosts[0].persists = false;
        world.set(0, &format!("key{n:04}"), n);
        world.hosts[0].persists = true;
        while let Some(batch) = world.hosts[0].batches.pop_front() {
            bytes += batch.writes.iter().map(written).sum::<usize>();
            world.hosts[0].apply(&batch);
            let now = world.now;
            world.hosts[0].engine.handle_persisted(batch.ticket, now);
            world.hosts[0].persists = false;
            world.settle(0);
        }
        world.hosts[0].persists = true;
    }
    assert_eq!(world.file_value(0), world.value(0));
    assert!(bytes / 64 < 4_000, "{} bytes a write of one key of 2,000", bytes / 64);
}

fn written(write: &StoreWrite) -> usize {
    match write {
        StoreWrite::Put { key, bytes } => key.len() + bytes.len(),
        StoreWrite::Delete { key } => key.len(),
    }
}

#[test]
fn a_save_that_says_a_first_value_again_is_no_second_one() {
    let mut world = World::new();
    let rule = crate::policy::Rule::on(crate::Pattern::parse("id").unwrap());
    let policy = crate::Policy::of([rule.conflict(crate::policy::ConflictStrategy::FirstWriteWins)]).unwrap();
    let options = |file: Option<&str>| DocumentOptions {
        shared: true,
        has_peers: file.is_none(),
        file: file.map(|id| FileBinding { id: id.into(), format: Format::Json, is_named: false }),
        policy: policy.clone(),
        ..DocumentOptions::default()
    };
    world.add_with(1, Some(r#"{"a":1}"#), options(Some("1.json")));
    world.add_with(2, None, options(None));
    world.connect(1, 0);
    world.run();
    let edits = [("id", 7), ("x", 1), ("y", 1), ("z", 1)];
    let edits = edits.map(|(place, value)| crate::replica::Edit { path: path(place), value: Some(value.into()) });
    let now = world.now;
    world.hosts[1].engine.write(&name(), Command::Edits(edits.into()), WriteTerms::default(), now);
    world.settle(1);
    world.run();
    // Nearer to the text before: its author wrote `id` too.
    world.save(0, r#"{"a":1,"id":7}"#);
    world.run();
    assert_shows(&world, r#"{"a":1,"id":7,"x":1,"y":1,"z":1}"#);
    assert_eq!(world.notices(0).matches("first value").count(), 0, "{}", world.notices(0));
}

#[test]
fn a_map_that_a_save_leaves_without_entries_is_an_empty_map_and_not_gone() {
    let mut world = mirrored(r#"{"r":{"l":{"c":1}},"t":3}"#);
    world.save(0, r#"{"r":{},"t":3}"#);
    world.run();
    assert_shows(&world, r#"{"r":{},"t":3}"#);
    // What another instance writes there meanwhile stays.
    write(&mut world, "r.n", 1);
    world.save(0, r#"{"r":{},"t":4}"#);
    world.run();
    assert_shows(&world, r#"{"r":{"n":1},"t":4}"#);
}
