use super::*;

fn pair() -> World {
    let mut world = World::new();
    world.add(1, Some("{\n  \"a\": 1,\n  \"b\": 2\n}\n"), false);
    world.add(2, None, true);
    world.connect(1, 0);
    world.run();
    world
}

#[test]
fn a_crash_between_a_write_and_its_mirroring_reverts_nothing() {
    let mut world = pair();
    world.hosts[0].writes_files = false;
    world.set(0, "a", 10);
    assert_eq!(world.hosts[0].due.len(), 1, "the file write is due");
    assert_eq!(world.file_value(0), json(r#"{"a":1,"b":2}"#));
    world.hosts[0].writes_files = true;
    world.restart(0);
    world.connect(1, 0);
    world.run();
    world.assert_agreement(r#"{"a":10,"b":2}"#);
}

#[test]
fn a_crash_right_after_the_file_was_written_is_no_edit() {
    let mut world = pair();
    world.hosts[0].writes_files = false;
    world.set(0, "a", 10);
    let write = world.hosts[0].due.pop_front().unwrap();
    world.hosts[0].write_file(write);
    // The process dies before it learns of its own file; meanwhile the other one changes the same key.
    world.kill(0);
    world.set(1, "a", 11);
    world.hosts[0].writes_files = true;
    world.restart(0);
    world.connect(1, 0);
    world.run();
    world.assert_agreement(r#"{"a":11,"b":2}"#);
}

#[test]
fn an_edit_of_a_file_that_the_mirror_has_just_made_is_an_edit_and_nothing_is_put_aside() {
    for is_killed in [false, true] {
        let mut world = World::new();
        world.add(1, None, false);
        world.hosts[0].writes_files = false;
        world.set(0, "a.b", 1);
        world.set(0, "c", 1);
        let write = world.hosts[0].due.pop_front().unwrap();
        world.hosts[0].write_file(write);
        // Somebody edits it before anybody looked, and others write the same key meanwhile.
        world.hosts[0].file = Some(r#"{"a":{"b":2},"mine":true}"#.to_owned());
        world.hosts[0].writes_files = true;
        if is_killed {
            world.restart(0);
        } else {
            world.hosts[0].engine.handle_file_written(&name());
            world.look(0);
        }
        world.run();
        assert!(world.hosts[0].kept.is_empty() && world.hosts[0].copies.is_empty(), "{is_killed}");
        let shown = world.value(0);
        assert_eq!(shown.at(&path("a.b")), Some(&2.into()), "{is_killed}: {shown:?}");
        assert_eq!(shown.at(&path("mine")), Some(&true.into()), "{is_killed}: {shown:?}");
        assert_eq!(world.file_value(0), shown);
    }
}

#[test]
fn a_save_while_a_mirror_write_is_pending_loses_neither_side() {
    let mut world = pair();
    world.hosts[0].writes_files = false;
    world.set(1, "a", 10);
    world.run();
    assert_eq!(world.hosts[0].due.len(), 1);
    // The person saves another key before the mirror write comes to it.
    world.hosts[0].file = Some("{\"a\": 1, \"b\": 20}".to_owned());
    world.hosts[0].writes_files = true;
    world.settle(0);
    world.run();
    world.assert_agreement(r#"{"a":10,"b":20}"#);
}

#[test]
fn a_save_of_the_very_key_that_a_pending_mirror_write_changes_wins_and_is_reported() {
    let mut world = pair();
    world.hosts[0].writes_files = false;
    world.set(1, "a", 10);
    world.run();
    world.hosts[0].file = Some("{\"a\": 5, \"b\": 2}".to_owned());
    world.hosts[0].writes_files = true;
    world.settle(0);
    world.run();
    world.assert_agreement(r#"{"a":5,"b":2}"#);
    assert!(world.notices(0).contains("wrote 10"), "{}", world.notices(0));
}

#[test]
fn files_edited_while_apart_are_merged_by_key() {
    let mut world = pair();
    world.disconnect_all();
    world.save(0, r#"{"a":1,"b":20,"left":true}"#);
    world.save(1, r#"{"a":10,"right":true}"#);
    world.connect(0, 1);
    world.run();
    // Key b: changed on one side, removed on the other; both files were saved at the same reading of the clock, so only
    // the rule is certain: both sides agree, and the losing side is listed.
    let value = world.value(0);
    assert_eq!(value, world.value(1));
    assert_eq!(value.without(&path("b")), json(r#"{"a":10,"left":true,"right":true}"#));
    assert_eq!(world.file_value(0), value);
    assert_eq!(world.file_value(1), value);
    assert_eq!(world.hosts[0].engine.status()[0].disagreements[0].path, path("b"));
}

#[test]
fn a_file_edited_while_the_instance_was_down_is_an_edit() {
    let mut world = pair();
    world.kill(0);
    world.hosts[0].file = Some("{\"a\": 1, \"b\": 3}".to_owned());
    world.set(1, "a", 7);
    world.restart(0);
    world.connect(1, 0);
    world.run();
    world.assert_agreement(r#"{"a":7,"b":3}"#);
}

#[test]
fn a_broken_file_keeps_the_last_good_content_and_is_never_written_over() {
    let mut world = pair();
    let broken = "{\"a\": 1, \"b\": ";
    world.save(0, broken);
    assert_eq!(world.value(0), json(r#"{"a":1,"b":2}"#));
    let source = world.hosts[0].engine.status()[0].sources.last().unwrap().clone();
    let SourceState::Stale(error) = &source.state else { panic!("{source:?}") };
    assert_eq!(error.origin().unwrap().source, "1.json");
    world.set(1, "a", 9);
    world.run();
    assert_eq!(world.value(0), json(r#"{"a":9,"b":2}"#));
    assert_eq!(world.hosts[0].file.as_deref(), Some(broken));
    world.save(0, "{\"a\": 1, \"b\": 5}");
    world.run();
    world.assert_agreement(r#"{"a":9,"b":5}"#);
}

#[test]
fn a_file_with_a_reserved_key_is_refused_and_left_alone() {
    let mut world = pair();
    let text = "{\"a\": 1, \"b\": 2, \"$confmesh\": {}}";
    world.save(0, text);
    assert!(world.notices(0).contains("reserved"), "{}", world.notices(0));
    world.set(1, "a", 9);
    world.run();
    assert_eq!(world.hosts[0].file.as_deref(), Some(text));
}

#[test]
fn a_deleted_file_comes_back_with_the_next_change() {
    let mut world = pair();
    world.hosts[0].file = None;
    world.look(0);
    assert_eq!(world.value(0), json(r#"{"a":1,"b":2}"#));
    world.set(1, "c", 3);
    world.run();
    world.assert_agreement(r#"{"a":1,"b":2,"c":3}"#);
}

#[test]
fn a_file_that_cannot_be_written_is_reported_and_tried_again() {
    let mut world = pair();
    world.hosts[0].writes_files = false;
    world.set(0, "a", 10);
    world.hosts[0].due.clear();
    world.hosts[0].engine.handle_file_failed(&name(), Error::new(Code::File, "cannot write `1.json`: read-only"));
    world.hosts[0].writes_files = true;
    world.look(0);
    world.run();
    world.assert_agreement(r#"{"a":10,"b":2}"#);
}

#[test]
fn saving_the_same_values_in_another_form_changes_nothing_and_keeps_the_form() {
    let mut world = pair();
    let revision = world.hosts[1].engine.snapshot(&name()).unwrap().revision;
    world.save(0, "{\"b\": 2,\n\n \"a\": 1}");
    world.run();
    assert_eq!(world.hosts[0].file.as_deref(), Some("{\"b\": 2,\n\n \"a\": 1}"));
    assert_eq!(world.hosts[1].engine.snapshot(&name()).unwrap().revision, revision);
}

/// Found by the random histories: the mirror wrote what was durable, without the edit that was on its way to the store.
#[test]
fn a_mirror_write_never_takes_back_an_edit_that_is_on_its_way_to_the_store() {
    let mut world = pair();
    world.hosts[0].writes_files = false;
    world.set(0, "a", 10);
    world.save(0, r#"{"a":1,"b":2,"mine":true}"#);
    world.hosts[0].writes_files = true;
    world.settle(0);
    world.run();
    world.assert_agreement(r#"{"a":10,"b":2,"mine":true}"#);
}

#[test]
fn an_edit_that_the_store_refused_is_taken_again_with_the_next_look() {
    let mut world = pair();
    world.hosts[0].persists = false;
    world.save(0, r#"{"a":7,"b":2}"#);
    let batch = world.hosts[0].batches.pop_front().unwrap();
    let (reason, now) = (Error::new(Code::Store, "disk full"), world.now);
    world.hosts[0].engine.handle_persist_failed(batch.ticket, &reason, now);
    world.hosts[0].persists = true;
    world.settle(0);
    assert_eq!(world.value(0), json(r#"{"a":1,"b":2}"#));
    assert_eq!(world.file_value(0), json(r#"{"a":7,"b":2}"#), "the file stays as it was saved");
    world.look(0);
    world.run();
    world.assert_agreement(r#"{"a":7,"b":2}"#);
}

#[test]
fn an_emptied_file_is_a_save_that_was_interrupted_and_no_edit() {
    let mut world = World::new();
    let binding = FileBinding { id: "a.yaml".into(), format: Format::Yaml, is_named: false };
    world.add_with(
        1,
        Some("a: 1\n"),
        DocumentOptions { shared: true, file: Some(binding), ..DocumentOptions::default() },
    );
    for emptied in ["", "\n"] {
        world.save(0, emptied);
        assert_eq!(world.value(0), json(r#"{"a":1}"#));
        assert_eq!(world.hosts[0].file.as_deref(), Some(emptied), "it is left alone");
        let status = world.hosts[0].engine.status();
        assert!(matches!(status[0].sources[0].state, SourceState::Stale(_)), "{status:?}");
    }
    world.save(0, "# nothing\n");
    assert_eq!(world.value(0), json("{}"));
}

#[test]
fn a_write_in_place_that_a_crash_cut_off_anywhere_is_finished_at_the_next_start() {
    let old = "{\n  \"a\": 1,\n  \"b\": 2\n}\n";
    let mut cut = 0;
    loop {
        let mut world = pair();
        world.hosts[0].writes_files = false;
        world.set(0, "a", 10);
        world.hosts[0].due.clear();
        world.hosts[0].engine.handle_file_fixed(&name());
        world.look(0);
        world.set(1, "c", "a text that makes the file longer");
        world.run();
        let write = world.hosts[0].due.pop_front().unwrap();
        assert!(write.in_place);
        if cut > write.text.len() {
            break;
        }
        // What the process had written when it died, over what was there.
        let torn = write.text.bytes().take(cut).chain(old.bytes().skip(cut)).collect();
        world.kill(0);
        world.hosts[0].file = Some(String::from_utf8(torn).unwrap());
        world.set(1, "b", 3);
        world.hosts[0].writes_files = true;
        world.restart(0);
        world.connect(1, 0);
        world.run();
        world.assert_agreement(r#"{"a":10,"b":3,"c":"a text that makes the file longer"}"#);
        cut += 1;
    }
}

#[test]
fn a_json_file_that_gets_comments_is_read_as_such_from_then_on_and_told() {
    let mut world = pair();
    world.save(0, "{\n  \"a\": 1, // one\n  \"b\": 3,\n}\n");
    world.run();
    assert_eq!(world.value(1), json(r#"{"a":1,"b":3}"#));
    let notes = |world: &World| {
        let layer = world.hosts[0].engine.snapshot(&name()).unwrap().warnings().to_vec();
        layer.iter().filter(|warning| warning.message().contains("read as JSONC")).count()
    };
    assert_eq!(notes(&world), 1);
    world.set(1, "a", 2);
    world.run();
    assert_eq!(world.hosts[0].file.as_deref(), Some("{\n  \"a\": 2, // one\n  \"b\": 3,\n}\n"));
    world.kill(0);
    world.restart(0);
    world.connect(1, 0);
    world.set(1, "b", 4);
    world.run();
    assert_eq!(world.hosts[0].file.as_deref(), Some("{\n  \"a\": 2, // one\n  \"b\": 4,\n}\n"));
    // What is wrong behind a comment stays out, and the last good content in force.
    world.save(0, "{\n  \"a\": 2, // one\n  \"b\": ,\n}\n");
    world.run();
    assert_eq!(world.value(1), json(r#"{"a":2,"b":4}"#));
    assert!(matches!(world.hosts[0].engine.status()[0].sources[0].state, SourceState::Stale(_)));
    world.save(0, r#"{"a":5,"b":4}"#);
    world.run();
    assert_eq!(world.value(1), json(r#"{"a":5,"b":4}"#));
    assert_eq!(notes(&world), 0);
}

#[test]
fn json_that_is_named_so_stays_strict() {
    let mut world = World::new();
    let binding = FileBinding { id: "a.json".into(), format: Format::Json, is_named: true };
    let options = DocumentOptions { shared: true, file: Some(binding), ..DocumentOptions::default() };
    world.add_with(1, Some(r#"{"a":1}"#), options);
    world.save(0, "{\"a\": 2} // two\n");
    assert_eq!(world.value(0), json(r#"{"a":1}"#));
    assert!(matches!(world.hosts[0].engine.status()[0].sources[0].state, SourceState::Stale(_)));
}

#[test]
fn a_bound_dotenv_file_nests_at_two_underscores() {
    let mut world = World::new();
    let bound = |id: &str, format| {
        let binding = FileBinding { id: id.into(), format, is_named: false };
        DocumentOptions { shared: true, file: Some(binding), has_peers: id == ".env", ..DocumentOptions::default() }
    };
    world.add_with(1, Some("db:\n  host: h\n  port: 5432 # pg\n"), bound("a.yaml", Format::Yaml));
    world.add_with(2, None, bound(".env", Format::Dotenv));
    world.connect(1, 0);
    world.run();
    assert_eq!(world.hosts[1].file.as_deref(), Some("db__host=h\ndb__port=5432\n"));
    world.save(1, "db__host=h\ndb__port=6432\ndb__user=u # new\n");
    world.run();
    assert_eq!(world.value(0), json(r#"{"db":{"host":"h","port":6432,"user":"u"}}"#));
    let text = "db:\n  host: h\n  port: 6432 # pg\n  user: u\n";
    assert_eq!(world.hosts[0].file.as_deref(), Some(text));
    world.save(0, &text.replace("  host: h\n", ""));
    world.run();
    assert_eq!(world.hosts[1].file.as_deref(), Some("db__port=6432\ndb__user=u # new\n"));
}

#[test]
fn comments_travel_with_their_items_in_the_file_of_another_instance() {
    for (format, text) in [
        (Format::Yaml, "l:\n- n: a # A\n- n: b # B\n- n: c # C\n"),
        (
            Format::Jsonc,
            "{\n  \"l\": [\n    {\"n\": \"a\"}, // A\n    {\"n\": \"b\"}, // B\n    {\"n\": \"c\"} // C\n  ]\n}\n",
        ),
        (Format::Toml, "[[l]]\nn = \"a\" # A\n\n[[l]]\nn = \"b\" # B\n\n[[l]]\nn = \"c\" # C\n"),
    ] {
        let mut world = World::new();
        let bound = |id: &str, format: Format, has_peers| {
            let binding = FileBinding { id: id.into(), format, is_named: false };
            DocumentOptions { shared: true, file: Some(binding), has_peers, ..DocumentOptions::default() }
        };
        world.add_with(1, Some(text), bound("a", format, false));
        world.add_with(2, None, bound("b.yaml", Format::Yaml, true));
        world.connect(1, 0);
        world.run();
        world.save(1, "l:\n- n: c\n- n: a\n- n: d\n");
        world.run();
        let file = world.hosts[0].file.clone().unwrap();
        assert_eq!(crate::format::parse(&file, format).unwrap(), json(r#"{"l":[{"n":"c"},{"n":"a"},{"n":"d"}]}"#));
        let line = |mark: &str| file.lines().find(|line| line.ends_with(mark)).unwrap_or_default().to_owned();
        assert!(line("A").contains("\"a\"") || line("A").contains("n: a"), "{file}");
        assert!(line("C").contains("\"c\"") || line("C").contains("n: c"), "{file}");
        assert_eq!(line("B"), "", "what was removed takes its comment along: {file}");
    }
}
