//! Frames that somebody makes up, bends or plays back, against two honest instances: these agree afterwards, whatever was
//! taken of it, and somebody new can join.

use super::identity::Stranger;
use super::*;
use crate::clock::{Dot, VersionVector};
use crate::protocol::{Message, Part, Pulse};
use crate::replica::{Assertion, Delta};
use crate::testing::{Random, cases};

/// One frame with some of its bytes changed, cut or doubled.
fn bent(random: &mut Random, frame: &Frame) -> Frame {
    let mut bytes = match frame {
        Frame::Text(text) => text.as_bytes().to_vec(),
        Frame::Binary(bytes) => bytes.to_vec(),
    };
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            2 => bytes.extend_from_within(at..),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        }
    }
    match (frame, String::from_utf8(bytes)) {
        (Frame::Text(_), Ok(text)) => Frame::Text(text.into()),
        (_, Ok(text)) => Frame::Binary(text.into_bytes().into()),
        (_, Err(error)) => Frame::Binary(error.into_bytes().into()),
    }
}

fn vector(random: &mut Random, known: &VersionVector) -> VersionVector {
    let mut vector: VersionVector = known
        .iter()
        .filter(|_| random.below(4) > 0)
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(author, seq)| (author, seq.saturating_sub(random.below(2) as u64)))
        .collect();
    if random.below(4) == 0 {
        let seq = [1, 2, 1 << 40, u64::MAX - 1, u64::MAX][random.below(5)];
        vector.add(Dot { replica: ReplicaId::from_bytes([random.below(256) as u8; 16]), seq });
    }
    vector
}

/// A delta that holds what its maker likes, made of what is there.
fn delta(random: &mut Random, held: &[Assertion], seen: &VersionVector, author: ReplicaId) -> Delta {
    let mut items = Vec::new();
    let mut to = vector(random, seen);
    let since = [seen.clone(), vector(random, seen), VersionVector::default()][random.below(3)].clone();
    for _ in 0..random.below(3) {
        let Some(like) = held.get(random.below(held.len())) else { continue };
        let mut item = like.clone();
        if random.below(3) > 0 {
            item.context = Arc::new(vector(random, seen));
            let next = item.context.seq(author).saturating_add(1);
            item.dot = Dot { replica: author, seq: if random.below(8) == 0 { u64::MAX } else { next } };
        }
        if random.below(3) == 0 {
            let bits = [0, 1 << 16, u64::MAX, 1_000_000_000 << 16][random.below(4)];
            item.stamp = Stamp::from_u64(bits);
        }
        if random.below(4) == 0 {
            item.path = path(["a", "m.x", "m", "l.0", "$confmesh.members.x"][random.below(5)]);
        }
        if random.below(5) > 0 {
            to.add(item.dot);
            to.join(&item.context);
        }
        items.push(Arc::new(item));
    }
    if random.below(3) > 0 {
        // One that claims what follows from it and no more.
        to = since.clone();
        for item in &items {
            to.add(item.dot);
            to.join(&item.context);
        }
    }
    Delta { since, to, base: None, items }
}

/// How often something of it was taken, and how often one of the two dropped history.
fn attack(seed: u64, settle: bool) -> [usize; 2] {
    let mut random = Random::of(seed);
    // An old document drops its history, here with every heartbeat that finds both in step.
    let mut world = if settle { World::soon_old() } else { World::new() };
    world.now.wall_ms = 1_790_000_000_000;
    let options = |has_peers| DocumentOptions { shared: true, settle, has_peers, ..DocumentOptions::default() };
    world.add_with(1, None, options(false));
    world.add_with(2, None, options(true));
    world.connect(1, 0);
    let mut captured: Vec<Frame> = Vec::new();
    for round in 0..6 {
        world.set(round % 2, ["a", "m.x", "m.y", "l"][round % 4], json(["1", "\"t\"", "[1,2]", "{}"][round % 4]));
        captured.extend(world.wires.iter().map(|(_, _, frame)| frame.clone()));
        world.run();
    }
    let mut taken = 0;
    let mut stranger = Stranger::dial(&mut world, 1);
    for step in 0..cases(60) {
        let shared = world.hosts[0].engine.documents[&name()].shared.as_ref().unwrap().founded().unwrap();
        let (genesis, seen) = (shared.durable.genesis(), shared.seen().clone());
        let held: Vec<Assertion> = shared.durable.live().map(|held| Assertion::clone(held)).collect();
        let own = shared.durable.id();
        let names: Vec<ReplicaId> = seen.iter().map(|(author, _)| author).chain([stranger.name(), own]).collect();
        let author = names[random.below(names.len())];
        if step % 15 == 14 {
            world.hosts[0].engine.handle_closed(stranger.peer, world.now);
            stranger = Stranger::dial(&mut world, 2 + u8::try_from(step / 15).unwrap());
        }
        match random.below(7) {
            0 => {
                let at = random.below(captured.len());
                let frame = bent(&mut random, &captured[at]);
                world.hosts[0].engine.handle_message(stranger.peer, &frame, world.now);
            }
            1 => {
                let former = (random.below(2) == 0).then(|| names[random.below(names.len())]);
                let replica = if random.below(2) == 0 { stranger.name() } else { author };
                let mut greeting = super::identity::greeting(&world, replica, former);
                greeting.seen = vector(&mut random, &seen);
                let claimed = stranger.key.public();
                stranger.greet(&mut world, &greeting, claimed);
            }
            2 => stranger.say(&mut world, &Message::Ack { document: name(), seen: vector(&mut random, &seen) }),
            3 => {
                let pulse = Pulse {
                    document: name(),
                    genesis,
                    seen: vector(&mut random, &seen),
                    floor: [seen.clone(), VersionVector::default()][random.below(2)].clone(),
                    view_digest: String::new(),
                };
                stranger.say(&mut world, &Message::Heartbeat { documents: vec![pulse] });
            }
            4 => {
                let delta = delta(&mut random, &held, &seen, author);
                let part = Part { number: 1 + random.below(2) as u64, count: 2 };
                stranger.say(&mut world, &Message::Part { document: name(), genesis, part, delta });
            }
            _ => {
                let delta = delta(&mut random, &held, &seen, author);
                stranger.say(&mut world, &Message::Delta { document: name(), genesis, delta });
            }
        }
        let before =
            world.hosts[0].engine.documents[&name()].shared.as_ref().unwrap().founded().unwrap().seen().clone();
        world.settle(0);
        world.run();
        let after = world.hosts[0].engine.documents[&name()].shared.as_ref().unwrap().founded().unwrap().seen().clone();
        taken += usize::from(before != after);
        if step % 10 == 9 {
            world.pass(6_000);
        }
    }
    world.hosts[0].engine.handle_closed(stranger.peer, world.now);
    world.disconnect_all();
    for at in 0..2 {
        world.restart(at);
    }
    world.connect(1, 0);
    for _ in 0..4 {
        world.run();
        world.pass(12_000);
    }
    for at in 0..2 {
        let request = world.set(at, &format!("honest{at}"), 1);
        world.run();
        assert!(world.answer(at, request).is_some_and(|answer| answer.is_ok()), "seed {seed}: host {at} takes writes");
    }
    for _ in 0..3 {
        world.pass(12_000);
        world.run();
    }
    assert_eq!(world.value(0), world.value(1), "seed {seed}, settling {settle}\n{}", world.notices(0));
    assert!(world.value(0).at(&path("honest1")).is_some(), "seed {seed}");
    world.add_with(3, None, options(true));
    world.connect(2, 0);
    for _ in 0..3 {
        world.run();
        world.pass(12_000);
    }
    assert_eq!(world.value(2), world.value(0), "seed {seed}, settling {settle}: somebody new\n{}", world.notices(2));
    let settled = world.hosts[..2].iter().flat_map(|host| &host.events);
    [taken, settled.filter(|event| matches!(event, Event::Settled { .. })).count()]
}

#[test]
fn honest_instances_agree_whatever_a_stranger_says_to_one_of_them() {
    let (mut taken, mut settled) = (0, 0);
    for seed in 0..cases(150) {
        let settle = seed % 2 == 0;
        let [now_taken, now_settled] = attack(seed, settle);
        taken += now_taken;
        settled += now_settled;
        assert!(settle || now_settled == 0, "seed {seed} keeps its history");
    }
    assert!(taken > 0, "nothing of it was ever taken: the frames are too bad to try anything");
    assert!(settled > 0, "no history was ever dropped: nothing of that was tried");
}
