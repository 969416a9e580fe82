//! What guests made while their host went on without them.

use super::*;
use crate::pattern::Pattern;
use crate::policy::{ConflictStrategy, Policy, Rule, Stale};

fn under(strategy: ConflictStrategy) -> DocumentOptions {
    let rule = Rule { conflict: Some(strategy), ..Rule::on(Pattern::parse("*").unwrap()) };
    DocumentOptions { shared: true, policy: Policy::of([rule]).unwrap(), ..DocumentOptions::default() }
}

/// A host and guests of it, in this order; `x` and `y` are set, and all guests are offline.
fn apart(options: DocumentOptions, guests: u8, x: Value) -> World {
    let mut world = World::new();
    world.add_with(1, None, options);
    world.set(0, "x", x);
    world.set(0, "y", 0);
    for guest in 0..guests {
        add_guest(&mut world, 100 + guest);
    }
    meet(&mut world);
    world.disconnect_all();
    world
}

fn add_guest(world: &mut World, byte: u8) {
    world.add_with(byte, None, DocumentOptions::default());
    world.hosts.last_mut().unwrap().engine.open_guest(name());
}

fn meet(world: &mut World) {
    for guest in 1..world.hosts.len() {
        world.connect_as(guest, 0, Link::Host);
    }
    world.run();
}

fn lists(world: &World, all: bool) -> Vec<Conflict> {
    world.hosts[0].engine.conflicts(&name(), all)
}

fn values(conflict: &Conflict) -> Vec<Option<Value>> {
    conflict.sides.iter().map(|side| side.value.clone()).collect()
}

fn assert_shown(world: &World, want: &str) {
    for at in 0..world.hosts.len() {
        assert_eq!(world.value(at), json(want), "host {at}");
    }
}

#[test]
fn the_later_of_an_offline_edit_and_the_hosts_is_in_force_and_the_other_is_listed() {
    for guest_is_later in [true, false] {
        let mut world = apart(under(ConflictStrategy::LastWriteWins), 1, 0.into());
        for at in if guest_is_later { [0, 1] } else { [1, 0] } {
            world.set(at, "x", if at == 0 { "host" } else { "guest" });
            world.pass(1_000);
        }
        meet(&mut world);
        let (wins, loses) = if guest_is_later { ("guest", "host") } else { ("host", "guest") };
        assert_shown(&world, &format!(r#"{{"x":"{wins}","y":0}}"#));
        let listed = lists(&world, true);
        assert_eq!(listed.len(), 1);
        assert_eq!(values(&listed[0]), [Some(wins.into()), Some(loses.into())]);
        let here = world.hosts[0].engine.instance();
        assert!(listed[0].sides.iter().all(|side| side.instance == Some(here)), "this host wrote both");
    }
}

#[test]
fn the_first_value_stays_whoever_was_offline() {
    for guest_is_first in [true, false] {
        let mut world = apart(under(ConflictStrategy::FirstWriteWins), 1, 0.into());
        for at in if guest_is_first { [1, 0] } else { [0, 1] } {
            world.set(at, "new", if at == 0 { "host" } else { "guest" });
            world.pass(1_000);
        }
        meet(&mut world);
        let first = if guest_is_first { "guest" } else { "host" };
        assert_shown(&world, &format!(r#"{{"new":"{first}","x":0,"y":0}}"#));
        assert_eq!(lists(&world, true).len(), 1);
    }
}

#[test]
fn lists_that_were_edited_on_both_sides_unite() {
    let mut world = apart(under(ConflictStrategy::MergeStrategies), 1, json(r#"["a","b"]"#));
    world.set(1, "x", json(r#"["b","guest"]"#));
    world.set(0, "x", json(r#"["a","b","host"]"#));
    meet(&mut world);
    let shown = world.value(0).at(&path("x")).unwrap().clone();
    let mut items: Vec<&str> = shown.as_list().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
    items.sort_unstable();
    assert_eq!(
        items,
        ["b", "guest", "host"],
        "what the guest took out is gone, although the host wrote the list since"
    );
    assert_eq!(world.value(1), world.value(0));
}

#[test]
fn somebody_has_to_decide_between_an_offline_edit_and_the_hosts() {
    let mut world = apart(under(ConflictStrategy::ManualResolution), 1, 0.into());
    let request = world.set(1, "x", "guest");
    world.set(0, "x", "host");
    meet(&mut world);
    assert!(world.answer(1, request).unwrap().is_ok());
    let open = lists(&world, false);
    assert_eq!(open.len(), 1);
    let mut sides = values(&open[0]);
    sides.sort_by_key(|side| format!("{side:?}"));
    assert_eq!(sides, [Some("guest".into()), Some("host".into())]);
    assert_eq!(world.value(1), world.value(0));
    // Who has seen both decides.
    world.set(1, "x", "both");
    world.run();
    assert_eq!(lists(&world, false), []);
    assert_shown(&world, r#"{"x":"both","y":0}"#);
}

#[test]
fn insertions_of_both_sides_keep_their_places_and_are_made_once() {
    for restarts in [false, true] {
        let mut world = apart(under(ConflictStrategy::OperationalTransform), 1, json(r#"["a","b"]"#));
        world.set(1, "x.2", "guest");
        world.set(0, "x", json(r#"["host","a","b"]"#));
        // The host writes it, and the answer is lost.
        world.connect_as(1, 0, Link::Host);
        while !world.wires.is_empty() {
            let (to, peer, frame) = world.wires.pop_front().unwrap();
            let is_answer = frame.as_text().is_some_and(|text| text.contains("config_change_response"));
            let is_update = frame.as_text().is_some_and(|text| text.contains("config_update"));
            if to == 0 || !(is_answer || is_update) {
                world.hosts[to].engine.handle_message(peer, &frame, world.now);
                world.settle(to);
            }
        }
        let want = r#"{"x":["host","a","b","guest"],"y":0}"#;
        assert_eq!(world.value(0), json(want));
        world.disconnect_all();
        if restarts {
            world.restart(0);
        }
        meet(&mut world);
        assert_shown(&world, want);
        assert_eq!(lists(&world, false), []);
    }
}

#[test]
fn edits_of_different_paths_all_stand_and_nothing_is_disputed() {
    let mut world = apart(under(ConflictStrategy::ManualResolution), 1, 0.into());
    world.set(1, "x", 1);
    world.set(1, "x", 2);
    world.set(1, "deep.er", 3);
    world.set(0, "y", 9);
    world.set(0, "deep.host", 4);
    meet(&mut world);
    assert_shown(&world, r#"{"deep":{"er":3,"host":4},"x":2,"y":9}"#);
    assert_eq!(lists(&world, true), [], "a guest never disagrees with itself");
}

#[test]
fn a_guest_that_writes_faster_than_it_is_answered_does_not_disagree_with_itself() {
    for strategy in [ConflictStrategy::ManualResolution, ConflictStrategy::MergeStrategies] {
        let mut world = apart(under(strategy), 1, 0.into());
        meet(&mut world);
        for value in 1..=5 {
            world.set(1, "x", value);
        }
        world.set(0, "y", 1);
        world.set(1, "x", 6);
        world.run();
        world.set(1, "x", 7);
        world.run();
        assert_shown(&world, r#"{"x":7,"y":1}"#);
        assert_eq!(lists(&world, true), []);
    }
}

#[test]
fn a_host_that_restarted_in_between_takes_new_names_and_its_peers_agree() {
    let mut world = apart(under(ConflictStrategy::ManualResolution), 2, 0.into());
    world.set(1, "x", "first guest");
    world.set(0, "x", "host");
    world.restart(0);
    world.connect_as(1, 0, Link::Host);
    world.run();
    assert_eq!(lists(&world, false)[0].sides.len(), 2);
    world.restart(0);
    world.set(2, "x", "second guest");
    world.connect_as(2, 0, Link::Host);
    world.run();
    let conflict = lists(&world, false).remove(0);
    let mut authors: Vec<_> = conflict.sides.iter().map(|side| side.replica).collect();
    authors.sort();
    authors.dedup();
    assert_eq!(authors.len(), 3, "{conflict:?}");
    let late =
        world.add_with(3, None, DocumentOptions { has_peers: true, ..under(ConflictStrategy::ManualResolution) });
    world.connect(late, 0);
    world.run();
    assert_eq!(world.value(late), world.value(0));
    assert_eq!(world.hosts[late].engine.conflicts(&name(), false)[0].id, conflict.id);
}

#[test]
fn a_name_is_used_again_by_who_has_seen_its_last_write() {
    let mut world = apart(under(ConflictStrategy::LastWriteWins), 1, 0.into());
    for round in 0..20 {
        world.set(1, "x", round);
        world.set(0, "y", round);
        meet(&mut world);
        world.disconnect_all();
    }
    let founded = world.hosts[0].engine.documents[&name()].shared.as_ref().unwrap().founded().unwrap();
    assert_eq!(founded.seen().len(), 2, "the host's name and one for its guests: {:?}", founded.seen());
}

#[test]
fn three_guests_of_two_hosts_come_back_and_all_agree() {
    for strategy in [
        ConflictStrategy::LastWriteWins,
        ConflictStrategy::FirstWriteWins,
        ConflictStrategy::MergeStrategies,
        ConflictStrategy::ManualResolution,
        ConflictStrategy::OperationalTransform,
    ] {
        let mut world = World::new();
        world.add_with(1, None, under(strategy));
        world.set(0, "list", json(r#"["a","b"]"#));
        world.add_with(2, None, DocumentOptions { has_peers: true, ..under(strategy) });
        for guest in 3..=5 {
            add_guest(&mut world, guest);
        }
        let together = |world: &mut World| {
            world.connect(1, 0);
            for (guest, host) in [(2, 0), (3, 1), (4, 1)] {
                world.connect_as(guest, host, Link::Host);
            }
            world.run();
        };
        together(&mut world);
        world.disconnect_all();
        for at in 0..5 {
            world.set(at, "list", json(&format!(r#"["of{at}","a","b"]"#)));
            world.set(at, "one", at as u64);
            world.set(at, &format!("own.of{at}"), true);
            world.set(at, &format!("own.of{at}"), "twice");
        }
        // One guest comes back to the other host.
        world.connect_as(2, 1, Link::Host);
        world.run();
        world.disconnect_all();
        together(&mut world);
        for at in 1..5 {
            assert_eq!(world.value(at), world.value(0), "{strategy:?}, {at}");
        }
        let own: Value = if strategy == ConflictStrategy::FirstWriteWins { true.into() } else { "twice".into() };
        for at in 0..5 {
            assert_eq!(world.value(0).at(&path(&format!("own.of{at}"))), Some(&own), "{strategy:?}");
        }
        let ids = |at: usize| -> Vec<_> {
            world.hosts[at].engine.conflicts(&name(), true).iter().map(|conflict| conflict.id).collect()
        };
        assert_eq!(ids(0), ids(1), "{strategy:?}");
        if matches!(strategy, ConflictStrategy::MergeStrategies | ConflictStrategy::OperationalTransform) {
            let list = world.value(0).at(&path("list")).unwrap().clone();
            assert_eq!(list.as_list().unwrap().len(), 7, "{strategy:?}: {list:?}");
        }
    }
}

/// What a plain client gets for a message.
fn ask(world: &mut World, client: PeerId, message: &str) -> Vec<Value> {
    let (now, engine) = (world.now, &mut world.hosts[0].engine);
    engine.handle_message(client, message, now);
    while let Some(batch) = engine.poll_persist() {
        engine.handle_persisted(batch.ticket, now);
    }
    std::iter::from_fn(|| engine.poll_transmit()).map(|sent| json(sent.frame.as_text().unwrap())).collect()
}

#[test]
fn a_plain_client_says_what_its_edit_was_made_on_or_writes_on_what_is_there() {
    let mut world = apart(under(ConflictStrategy::ManualResolution), 0, 0.into());
    let (client, now) = (PeerId(77), world.now);
    world.hosts[0].engine.handle_connected(client, Link::Accepted, now);
    let shown = ask(&mut world, client, r#"{"type":"config_request"}"#).pop().unwrap();
    let seen = crate::canonical::canonical(shown.child("seen").unwrap());
    world.set(0, "x", "host");
    let plain = r#"{"type":"config_change","config_key":"x","new_value":"plain","request_id":"1"}"#;
    let sent = ask(&mut world, client, plain);
    let sync = sent.iter().find(|message| message.child("type") == Some(&"config_sync".into())).unwrap();
    assert!(sync.child("seen").is_some());
    assert_eq!(lists(&world, true), [], "without `seen` it is made on what the host has");
    let aware = format!(
        r#"{{"type":"config_change","config_key":"x","new_value":"aware","old_value":0,"seen":{seen},"request_id":"2"}}"#
    );
    ask(&mut world, client, &aware);
    assert_eq!(lists(&world, false).len(), 1);
    assert_eq!(lists(&world, false)[0].sides.len(), 2);
    // Knowledge that nobody can have: the host's writes are known, but not what they go on from.
    let bad = r#"{"type":"config_change","config_key":"x","new_value":1,"seen":{"x":1},"request_id":"3"}"#;
    let answer = ask(&mut world, client, bad).pop().unwrap();
    assert_eq!(answer.child("type"), Some(&"error".into()));
}

#[test]
fn where_the_history_is_dropped_an_offline_edit_is_refused_or_merged_by_rule() {
    for merges in [false, true] {
        let pattern = Pattern::parse("*").unwrap();
        let rule = Rule { stale: merges.then_some(Stale::Merge), ..Rule::on(pattern) }
            .conflict(ConflictStrategy::MergeStrategies);
        let policy = Policy::of([rule]).unwrap();
        let options = DocumentOptions { shared: true, settle: true, policy, ..DocumentOptions::default() };
        let mut world = apart(options, 1, json(r#"["a","b"]"#));
        let list = world.set(1, "x", json(r#"["b","guest"]"#));
        let other = world.set(1, "z", 1);
        let again = world.set(1, "z", 2);
        world.set(0, "x", json(r#"["a","b","host"]"#));
        world.pass(120_000);
        meet(&mut world);
        for request in [other, again] {
            assert!(world.answer(1, request).unwrap().is_ok(), "nobody else wrote there");
        }
        let answer = world.answer(1, list).unwrap();
        if merges {
            assert!(answer.is_ok());
            assert_shown(&world, r#"{"x":["b","host","guest"],"y":0,"z":2}"#);
        } else {
            assert_eq!(answer.unwrap_err().code(), Code::Stale);
            assert_shown(&world, r#"{"x":["a","b","host"],"y":0,"z":2}"#);
        }
    }
}

#[test]
fn second_names_for_guests_are_few_and_used_again_after_a_restart() {
    let mut world = apart(under(ConflictStrategy::LastWriteWins), 1, 0.into());
    let authors = |world: &World| {
        let shared = world.hosts[0].engine.documents[&name()].shared.as_ref().unwrap();
        shared.founded().unwrap().seen().len()
    };
    for round in 1..5 {
        world.set(0, "x", round);
        world.set(1, "x", 100 + round);
        meet(&mut world);
        assert_eq!(authors(&world), 2, "round {round}");
        world.disconnect_all();
        world.restart(0);
    }
    assert_eq!(world.value(0), world.value(1));
    // Many who come back at once have seen nothing of each other: some are asked to look again.
    for guest in 0..10 {
        add_guest(&mut world, 110 + guest);
    }
    meet(&mut world);
    world.disconnect_all();
    world.set(0, "x", "host");
    let requests: Vec<_> = (1..12).map(|guest| (guest, world.set(guest, &format!("g{guest}"), 1))).collect();
    meet(&mut world);
    assert_eq!(authors(&world), 1 + 8);
    let answers = requests.into_iter().map(|(guest, request)| world.answer(guest, request).unwrap().clone());
    let refused: Vec<Error> = answers.filter_map(Result::err).collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|error| error.code() == Code::Stale && error.hint().is_some()), "{refused:?}");
}
