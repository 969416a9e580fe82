//! What is wrong with a peer stands beside it until it is over.

use super::*;
use crate::protocol::{Greeting, Offer};

fn pair() -> World {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1}"#), false);
    world.add(2, None, true);
    world.connect(1, 0);
    world.run();
    world
}

/// The peers of a host: whether it dialed them, their states, and what is wrong with them.
fn peers(world: &World, at: usize) -> Vec<(bool, LinkState, String)> {
    let peers = world.hosts[at].engine.peers().into_iter();
    let shown = |peer: Peer| {
        let problems: Vec<String> = peer.problems.iter().map(ToString::to_string).collect();
        (peer.is_dialed, peer.state, problems.join("; "))
    };
    peers.map(shown).collect()
}

fn states(world: &World) -> Vec<LinkState> {
    (0..world.hosts.len()).flat_map(|at| peers(world, at)).map(|(_, state, _)| state).collect()
}

#[test]
fn who_dialed_whom_and_who_is_behind_is_told_on_both_sides() {
    let mut world = pair();
    let quiet = |is_dialed| vec![(is_dialed, LinkState::InStep, String::new())];
    assert_eq!((peers(&world, 0), peers(&world, 1)), (quiet(false), quiet(true)));
    let ends: Vec<_> = (0..2).map(|at| world.hosts[at].engine.peers()[0].clone()).collect();
    assert_eq!(ends[0].instance, Some(world.hosts[1].engine.instance()));
    assert_eq!(ends[1].instance, Some(world.hosts[0].engine.instance()));
    assert_eq!(ends[0].since_ms, 1_000_000);
    world.set(0, "a", 2);
    assert_eq!(states(&world), [LinkState::Behind, LinkState::InStep], "nothing has arrived yet");
    world.run();
    assert_eq!(states(&world), [LinkState::InStep, LinkState::InStep]);
    world.disconnect_all();
    assert_eq!(states(&world), []);
}

#[test]
fn guests_are_no_peers() {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1}"#), false);
    world.hosts[0].engine.handle_connected(PeerId(77), Link::Accepted, world.now);
    assert_eq!((states(&world), world.hosts[0].engine.guest_count()), (vec![], 1));
    world.hosts[0].engine.handle_message(PeerId(77), "{}", world.now);
    assert_eq!(states(&world), [], "what a guest says wrong makes no peer of it");
}

#[test]
fn instances_without_a_document_are_joining() {
    let mut world = World::new();
    let options = DocumentOptions { shared: true, has_peers: true, joins_only: true, ..DocumentOptions::default() };
    world.add_with(1, None, options.clone());
    world.add_with(2, None, options);
    world.connect(0, 1);
    world.run();
    world.pass(60_000);
    assert_eq!(states(&world), [LinkState::Joining, LinkState::Joining]);
    assert!(world.hosts.iter().all(|host| host.engine.status()[0].is_unfounded), "they wait for one that has it");
    world.add(3, Some(r#"{"a":1}"#), false);
    world.connect(1, 2);
    world.run();
    world.pass(6_000);
    assert_eq!(states(&world), [LinkState::InStep; 4]);
}

#[test]
fn an_instance_that_dials_itself_stands_in_its_own_list_until_it_hangs_up() {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1}"#), false);
    world.connect(0, 0);
    world.run();
    let found = peers(&world, 0);
    assert!(!found.is_empty() && found.iter().all(|(_, state, _)| *state == LinkState::Itself), "{found:?}");
    assert!(found[0].2.contains("the peer is this very instance"), "{found:?}");
    world.pass(20_000);
    assert_eq!(peers(&world, 0).len(), found.len());
    world.disconnect_all();
    assert_eq!(states(&world), []);
}

#[test]
fn two_documents_that_were_both_shared_are_told_on_both_sides() {
    let mut world = World::new();
    for byte in [1, 3] {
        let founder = world.add(byte, Some(&format!(r#"{{"who":{byte}}}"#)), false);
        let joiner = world.add(byte + 1, None, true);
        world.connect(joiner, founder);
    }
    world.run();
    world.pass(700_000);
    world.connect(0, 2);
    world.run();
    for at in [0, 2] {
        let found = peers(&world, at);
        let apart: Vec<_> = found.iter().filter(|(_, state, _)| *state == LinkState::OtherDocument).collect();
        assert_eq!((found.len(), apart.len()), (2, 1), "{found:?}");
        assert!(apart[0].2.contains("another document"), "{found:?}");
    }
}

#[test]
fn a_peer_that_speaks_no_common_version_is_refused_until_it_greets_in_one() {
    let mut world = pair();
    let peer = world.hosts[0].engine.peers()[0].peer;
    let hello = |versions: &str| {
        format!(r#"{{"v":1,"type":"hello","instance_id":"{}","versions":{versions},"documents":[]}}"#, "2".repeat(32))
    };
    world.hosts[0].engine.handle_message(peer, hello("[7]").as_str(), world.now);
    let found = peers(&world, 0);
    assert_eq!(found[0].1, LinkState::Refused, "{found:?}");
    assert!(!found[0].2.is_empty(), "{found:?}");
    world.hosts[0].engine.handle_message(peer, hello("[1]").as_str(), world.now);
    assert_ne!(peers(&world, 0)[0].1, LinkState::Refused);
}

#[test]
fn what_a_peer_does_not_take_stands_beside_it_until_both_show_the_same() {
    let mut world = pair();
    let peer = world.hosts[0].engine.peers()[0].peer;
    world.hosts[0].engine.handle_message(peer, "this is no message", world.now);
    world.settle(0);
    assert_eq!(peers(&world, 0)[0].1, LinkState::Refused, "{:?}", peers(&world, 0));
    world.run();
    let reported = peers(&world, 1);
    assert_eq!(reported[0].1, LinkState::Refused);
    assert!(reported[0].2.starts_with("a peer reports: "), "{reported:?}");
    world.pass(11_000);
    assert_eq!(states(&world), [LinkState::InStep, LinkState::InStep], "heartbeats agree");
}

#[test]
fn instances_that_never_stop_writing_are_in_step_as_of_a_moment_ago() {
    let mut world = pair();
    let in_step_ms = |world: &World, at: usize| world.hosts[at].engine.status()[0].in_step_ms;
    for number in 0..40 {
        world.now = Now { wall_ms: world.now.wall_ms + 1_000, mono_ms: world.now.mono_ms + 1_000 };
        let on_their_way = world.wires.len();
        world.set(0, "a", number);
        world.set(1, "b", number);
        for (to, peer, frame) in world.wires.drain(..on_their_way).collect::<Vec<_>>() {
            world.hosts[to].engine.handle_message(peer, &frame, world.now);
            world.settle(to);
        }
        assert_eq!(states(&world), [LinkState::Behind, LinkState::Behind], "something is on its way, always");
    }
    for at in 0..2 {
        let age = world.now.mono_ms - in_step_ms(&world, at).unwrap();
        assert!((1..=5_000).contains(&age), "host {at}: {age} ms");
    }
    world.run();
    let before = in_step_ms(&world, 0);
    world.disconnect_all();
    world.pass(60_000);
    assert_eq!(in_step_ms(&world, 0), before, "what was in step stays known");
}

#[test]
fn a_peer_with_other_conflict_rules_is_told_on_both_sides_until_it_comes_back_with_the_same() {
    let rules = |text: &str| {
        let policy = crate::policy::Policy::from_value(&json(text)).unwrap();
        DocumentOptions { shared: true, policy, ..DocumentOptions::default() }
    };
    let mut world = World::new();
    world.add_with(
        1,
        None,
        rules(r#"[{"pattern":"a","conflict":"manual_resolution"},{"pattern":"b","merge":"override"}]"#),
    );
    let joins = |options: DocumentOptions| DocumentOptions { has_peers: true, ..options };
    world.add_with(2, None, joins(rules("[]")));
    world.connect(1, 0);
    world.run();
    world.pass(20_000);
    for at in 0..2 {
        let found = peers(&world, at);
        assert_eq!(found[0].1, LinkState::InStep, "writes go on: {found:?}");
        assert!(found[0].2.starts_with("other rules: instance "), "{found:?}");
        assert_eq!(world.notices(at).matches("other rules: ").count(), 1, "told once: {}", world.notices(at));
    }
    assert_eq!(world.hosts[0].engine.peers()[0].problems[0].code(), Code::OtherRules);
    world.set(1, "a", 2);
    world.run();
    world.assert_agreement(r#"{"a":2}"#);
    world.hosts[1].options = joins(rules(r#"[{"pattern":"a","conflict":"manual_resolution"}]"#));
    world.restart(1);
    world.connect(1, 0);
    world.run();
    assert_eq!(peers(&world, 0), [(false, LinkState::InStep, String::new())]);
    assert_eq!(peers(&world, 1), [(true, LinkState::InStep, String::new())]);
}

#[test]
fn a_peer_from_before_rules_were_told_is_not_said_to_have_others() {
    let mut world = pair();
    let peer = world.hosts[0].engine.peers()[0].peer;
    let greeting = super::identity::greeting(&world, ReplicaId::from_bytes([9; 16]), None);
    let say = |rules: Option<u64>, world: &mut World| {
        let message = Message::Hello {
            offer: Offer { versions: vec![1], codecs: Vec::new(), compress: Vec::new() },
            documents: vec![Greeting { rules, ..greeting.clone() }],
            introduction: None,
        };
        let envelope = Envelope {
            event_id: "1".to_owned(),
            instance: InstanceId::from_bytes([2; 16]),
            wall_ms: 0,
            hlc: Stamp::from_u64(0),
        };
        let text = crate::protocol::encode(&message, &envelope);
        world.hosts[0].engine.handle_message(peer, text.as_str(), world.now);
        world.hosts[0].engine.peers()[0].problems.iter().any(|problem| problem.code() == Code::OtherRules)
    };
    assert_eq!([None, Some(1), None].map(|rules| say(rules, &mut world)), [false, true, false]);
}
