//! Names that somebody claims: only who has their key is believed.

use super::*;
use crate::clock::VersionVector;
use crate::identity::{Introduction, Key, Meeting, PublicKey};
use crate::protocol::{Envelope, Greeting, Message, Offer, decode, encode};
use crate::replica::Delta;

fn settling(has_peers: bool) -> DocumentOptions {
    DocumentOptions { shared: true, settle: true, has_peers, ..DocumentOptions::default() }
}

/// Two members of a document that drops its history, connected.
pub(super) fn pair() -> World {
    let mut world = World::new();
    world.now.wall_ms = 1_000_000_000;
    world.add_with(1, None, settling(false));
    world.add_with(2, None, settling(true));
    world.connect(1, 0);
    world.run();
    world.set(0, "a", 1);
    world.run();
    assert_eq!(members(&world, 0).len(), 2);
    world
}

pub(super) fn members(world: &World, at: usize) -> Vec<ReplicaId> {
    world.hosts[at].engine.members(&name())
}

pub(super) fn own(world: &World, at: usize) -> ReplicaId {
    world.hosts[at].engine.documents[&name()].shared.as_ref().unwrap().author()
}

pub(super) fn seen(world: &World, at: usize) -> VersionVector {
    world.hosts[at].engine.documents[&name()].shared.as_ref().unwrap().founded().unwrap().seen().clone()
}

/// What host 0 wrote down.
pub(super) fn audits(world: &World) -> String {
    let audits = world.hosts[0].events.iter().filter(|event| matches!(event, Event::Audit(_)));
    audits.map(|event| format!("{event:?}\n")).collect()
}

/// Somebody who dialed host 0 and says what they like.
pub(super) struct Stranger {
    pub(super) peer: PeerId,
    pub(super) key: Key,
    number: u8,
    /// What host 0 wants to have signed.
    asked: std::cell::Cell<Option<(PublicKey, [u8; 16])>>,
}

impl Stranger {
    pub(super) fn dial(world: &mut World, number: u8) -> Stranger {
        let peer = PeerId(10_000 + u64::from(number));
        world.hosts[0].engine.handle_connected(peer, Link::Accepted, world.now);
        Stranger { peer, key: Key::from_seed(&[100 + number; 32]), number, asked: Default::default() }
    }

    pub(super) fn name(&self) -> ReplicaId {
        self.key.public().name([self.number; 6])
    }

    pub(super) fn say(&self, world: &mut World, message: &Message) {
        let instance = InstanceId::from_bytes([200 + self.number; 16]);
        let hlc = Stamp::from_u64(world.now.wall_ms << 16);
        let envelope = Envelope { event_id: "s".into(), instance, wall_ms: world.now.wall_ms, hlc };
        let frame = Frame::Text(encode(message, &envelope).into());
        world.hosts[0].engine.handle_message(self.peer, &frame, world.now);
    }

    /// Greets with what it likes, and answers what it is asked with its own key, or with what somebody else signed.
    pub(super) fn greet(&self, world: &mut World, greeting: &Greeting, claimed: PublicKey) {
        let offer = Offer { versions: vec![1], codecs: Vec::new(), compress: Vec::new() };
        let nonce = [self.number; 16];
        let hello = |proof| Message::Hello {
            offer: offer.clone(),
            documents: vec![greeting.clone()],
            introduction: Some(Introduction { key: claimed, nonce, proof }),
        };
        self.say(world, &hello(None));
        world.settle(0);
        for (_, frame) in world.strays.drain(..).filter(|(peer, _)| *peer == self.peer) {
            if let Some(Ok((Message::Hello { introduction: Some(said), .. }, _))) = frame.as_text().map(decode) {
                self.asked.set(Some((said.key, said.nonce)));
            }
        }
        let meeting = Meeting { speaker: (claimed, nonce), listener: self.asked.get().unwrap(), is_dialer: true };
        let proof = self.key.prove(&meeting);
        self.say(world, &hello(proof));
        world.settle(0);
        world.run();
    }
}

pub(super) fn greeting(world: &World, replica: ReplicaId, former: Option<ReplicaId>) -> Greeting {
    Greeting {
        document: name(),
        genesis: world.hosts[0].engine.documents[&name()]
            .shared
            .as_ref()
            .unwrap()
            .founded()
            .map(|f| f.durable.genesis()),
        standing: Default::default(),
        seen: VersionVector::default(),
        replica: Some(replica),
        former,
        rules: None,
    }
}

#[test]
fn nobody_leaves_because_somebody_else_says_so() {
    for connected in [true, false] {
        let mut world = pair();
        let before = members(&world, 0);
        let (a, b) = (own(&world, 0), own(&world, 1));
        if !connected {
            world.disconnect_all();
        }
        for (number, former) in [(1, a), (2, b)] {
            let stranger = Stranger::dial(&mut world, number);
            let mine = stranger.key.public();
            let claim = greeting(&world, mine.name([number; 6]), Some(former));
            stranger.greet(&mut world, &claim, mine);
            // With the key of the one whose name it claims it cannot sign.
            let theirs = Key::from_seed(&[2; 32]).public();
            let stranger = Stranger::dial(&mut world, number + 10);
            let claim = greeting(&world, theirs.name([7; 6]), Some(former));
            stranger.greet(&mut world, &claim, theirs);
        }
        let after = members(&world, 0);
        assert!(before.iter().all(|member| after.contains(member)), "{before:?} {after:?}");
        assert!(audits(&world).contains("signature"), "a wrong signature is told");
        world.disconnect_all();
        world.connect(1, 0);
        world.run();
        world.set(0, "x", 1);
        world.set(1, "y", 2);
        world.run();
        for at in 0..2 {
            assert_eq!(world.value(at), json(r#"{"a":1,"x":1,"y":2}"#), "host {at}");
        }
        world.add_with(3, None, settling(true));
        world.connect(2, 0);
        world.run();
        assert_eq!(world.value(2), world.value(0), "somebody new joins");
    }
}

#[test]
fn who_has_no_key_becomes_no_member_and_nothing_is_made_for_names_without_one() {
    let mut world = pair();
    let before = members(&world, 0);
    let stranger = Stranger::dial(&mut world, 1);
    let name = stranger.key.public().name([1; 6]);
    let greeting = greeting(&world, name, None);
    let offer = Offer { versions: vec![1], codecs: Vec::new(), compress: Vec::new() };
    let hello = Message::Hello { offer, documents: vec![greeting.clone()], introduction: None };
    stranger.say(&mut world, &hello);
    world.settle(0);
    assert_eq!(members(&world, 0), before);
    let stranger = Stranger::dial(&mut world, 2);
    let greeting = Greeting { replica: Some(stranger.key.public().name([1; 6])), ..greeting };
    let random = Greeting { replica: Some(ReplicaId::from_bytes([9; 16])), ..greeting.clone() };
    stranger.greet(&mut world, &random, stranger.key.public());
    assert_eq!(members(&world, 0), before);
    stranger.greet(&mut world, &greeting, stranger.key.public());
    assert_eq!(members(&world, 0).len(), before.len() + 1, "with its key it is one");
}

#[test]
fn nobody_acknowledges_in_the_name_of_another() {
    let mut world = pair();
    let b = own(&world, 1);
    world.disconnect_all();
    world.set(0, "x", 1);
    world.run();
    let stranger = Stranger::dial(&mut world, 1);
    let claim = Greeting { seen: seen(&world, 0), ..greeting(&world, b, None) };
    stranger.greet(&mut world, &claim, stranger.key.public());
    let seen = seen(&world, 0);
    stranger.say(&mut world, &Message::Ack { document: name(), seen });
    for _ in 0..30 {
        world.pass(5_000);
        world.run();
    }
    let settling = world.hosts[0].engine.status()[0].settling.clone().unwrap();
    let member = settling.members.iter().find(|member| member.replica == b).unwrap();
    assert!(member.blocks && !member.is_connected, "{settling:?}");
    assert!(settling.held > 0, "what the other member lacks is kept");
}

#[test]
fn a_store_from_before_there_were_keys_takes_a_name_of_its_key_once() {
    for settles in [true, false] {
        let mut world = World::new();
        for at in 0..2 {
            let options = DocumentOptions { settle: settles, ..settling(at > 0) };
            world.add_with(1 + at, None, options);
        }
        world.connect(1, 0);
        world.run();
        world.set(0, "a", 1);
        world.set(1, "b", 2);
        world.run();
        let (old, count) = (own(&world, 1), members(&world, 0).len());
        // The store goes on with another key, as it does with the first one that it ever has.
        world.kill(1);
        world.hosts[1].byte = 9;
        world.hosts[1].engine = new_engine((9, 7), world.old_after_ms, &world.wire, &world.hosts[1].store, false);
        world.boot(1);
        let taken = own(&world, 1);
        assert!(taken != old && Key::from_seed(&[9; 32]).public().has_name(taken));
        assert_eq!(world.value(1), json(r#"{"a":1,"b":2}"#));
        world.connect(1, 0);
        world.run();
        world.set(1, "c", 3);
        world.set(0, "d", 4);
        world.run();
        for at in 0..2 {
            assert_eq!(world.value(at), json(r#"{"a":1,"b":2,"c":3,"d":4}"#), "host {at}");
        }
        assert_eq!(members(&world, 0).len(), count, "the old name left: {:?}", members(&world, 0));
        assert!(!members(&world, 0).contains(&old));
        world.restart(1);
        assert_eq!(own(&world, 1), taken, "once");
    }
}

#[test]
fn a_delta_of_made_up_authors_is_refused_and_counted() {
    let mut world = pair();
    let (before, shown) = (seen(&world, 0), world.value(0));
    let stranger = Stranger::dial(&mut world, 1);
    let greeting = greeting(&world, stranger.key.public().name([1; 6]), None);
    stranger.greet(&mut world, &greeting, stranger.key.public());
    let own = own(&world, 0);
    let after_joining = seen(&world, 0);
    for (author, seq) in [(ReplicaId::from_bytes([77; 16]), 1), (own, before.seq(own) + 1_000)] {
        let mut to = after_joining.clone();
        to.add(crate::clock::Dot { replica: author, seq });
        let delta = Delta { since: VersionVector::default(), to, base: None, items: Vec::new() };
        let genesis = greeting.genesis.unwrap();
        stranger.say(&mut world, &Message::Delta { document: name(), genesis, delta });
        world.settle(0);
        world.run();
    }
    assert_eq!((seen(&world, 0), world.value(0)), (after_joining, shown));
    assert!(audits(&world).contains("more than follows from it"), "{}", audits(&world));
}

#[test]
fn a_document_has_a_bounded_number_of_members_and_who_is_one_too_many_is_told_why() {
    let mut world = World::new();
    world.now.wall_ms = 1_000_000_000;
    world.add_with(1, None, settling(false));
    let key = Key::from_seed(&[9; 32]).public();
    let count = u64::try_from(crate::limits::MAX_MEMBERS).unwrap();
    let others = (1..count).map(|at| crate::replica::joins(key.name([0, 0, 0, 0, (at >> 8) as u8, at as u8])));
    let notes: Vec<_> = others.collect();
    let now = world.now;
    world.hosts[0].engine.note(&name(), &notes, now);
    world.settle(0);
    assert_eq!(members(&world, 0).len(), crate::limits::MAX_MEMBERS);
    world.add_with(2, None, settling(true));
    world.connect(1, 0);
    world.run();
    assert_eq!(members(&world, 0).len(), crate::limits::MAX_MEMBERS);
    assert_eq!(world.value(1), Value::empty_map());
    for at in 0..2 {
        let told = world.notices(at);
        assert_eq!(told.matches("takes no more").count(), 1, "{told}");
    }
    let gone = members(&world, 0).into_iter().find(|member| key.has_name(*member)).unwrap();
    world.hosts[0].engine.expel(&name(), gone, world.now).unwrap();
    world.settle(0);
    world.run();
    assert_eq!(members(&world, 0).len(), crate::limits::MAX_MEMBERS, "the one that waited took the place");
    assert!(members(&world, 0).contains(&own(&world, 1)));
}

#[test]
fn who_lost_its_key_and_knows_no_member_says_so_and_goes_on_after_a_repair() {
    let mut world = World::new();
    world.add_with(1, None, settling(false));
    world.set(0, "a", 1);
    world.run();
    world.kill(0);
    world.hosts[0].byte = 9;
    world.hosts[0].engine = new_engine((9, 7), world.old_after_ms, &world.wire, &world.hosts[0].store, false);
    world.boot(0);
    let orphaned = |world: &World| world.hosts[0].engine.status()[0].settling.clone().unwrap().is_orphaned;
    assert!(orphaned(&world));
    assert_eq!(world.value(0), json(r#"{"a":1}"#));
    world.hosts[0].engine.repair(&name(), world.now).unwrap();
    world.settle(0);
    world.run();
    assert!(!orphaned(&world), "{:?}", world.hosts[0].engine.status()[0].settling);
    world.set(0, "b", 2);
    world.run();
    assert_eq!(world.value(0), json(r#"{"a":1,"b":2}"#));
}

#[test]
fn an_instance_that_is_no_member_and_knows_none_says_so() {
    let mut world = pair();
    let orphaned = |world: &World, at: usize| world.hosts[at].engine.status()[0].settling.clone().unwrap().is_orphaned;
    assert!(!orphaned(&world, 0) && !orphaned(&world, 1));
    let a = own(&world, 0);
    world.hosts[1].engine.expel(&name(), a, world.now).unwrap();
    world.settle(1);
    // The other one hears that it was expelled, and goes away before it can take another name.
    let delta = world.wires.pop_front().unwrap();
    world.wires.clear();
    world.disconnect_all();
    assert!(!orphaned(&world, 1), "it is a member itself");
    drop(delta);
    let b = own(&world, 1);
    let now = world.now;
    world.hosts[0].engine.note(&name(), &[crate::replica::leaves(a, 9), crate::replica::leaves(b, 9)], now);
    world.settle(0);
    assert!(orphaned(&world, 0), "{:?}", world.hosts[0].engine.status()[0].settling);
}
