//! Random histories: writes, saves of files, broken links, kills at any point between store, file and network.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Set(usize),
    Save(usize),
    Overwrite(usize),
    Connect(usize, usize),
    Disconnect,
    Deliver(usize),
    LoseFrames,
    HoldStore(usize, bool),
    HoldFiles(usize, bool),
    Kill(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let host = 0usize..3;
    prop_oneof![
        6 => host.clone().prop_map(Step::Set),
        4 => host.clone().prop_map(Step::Save),
        2 => host.clone().prop_map(Step::Overwrite),
        4 => (host.clone(), host.clone()).prop_map(|(a, b)| Step::Connect(a, b)),
        1 => Just(Step::Disconnect),
        6 => (1usize..12).prop_map(Step::Deliver),
        1 => Just(Step::LoseFrames),
        2 => (host.clone(), any::<bool>()).prop_map(|(at, on)| Step::HoldStore(at, on)),
        2 => (host.clone(), any::<bool>()).prop_map(|(at, on)| Step::HoldFiles(at, on)),
        2 => host.prop_map(Step::Kill),
        1 => (1u64..8_000).prop_map(Step::Pass),
    ]
}

fn deliver(world: &mut World, count: usize) {
    for _ in 0..count {
        let Some((to, peer, frame)) = world.wires.pop_front() else { return };
        world.hosts[to].engine.handle_message(peer, &frame, world.now);
        world.settle(to);
    }
}

/// A person adds a key to whatever is in the file now.
fn save(world: &mut World, at: usize, key: &str) -> bool {
    let Some(text) = &world.hosts[at].file else { return false };
    let value = json(text).with(&path(key), true.into());
    let text = crate::format::rewrite(text, Format::Json, &value).unwrap();
    world.save(at, &text);
    true
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_breaks_and_whenever_nothing_accepted_is_lost_and_all_agree(
        steps in prop::collection::vec(step(), 1..60),
        settle in any::<bool>(),
    ) {
        let mut world = if settle { World::soon_old() } else { World::new() };
        let binding = FileBinding { id: "1.json".into(), format: Format::Json, is_named: false };
        let options = DocumentOptions { shared: true, file: Some(binding), settle, ..DocumentOptions::default() };
        world.add_with(1, Some(r#"{"first":1}"#), options);
        for byte in 2..=3 {
            world.add(byte, None, true);
            world.connect(byte as usize - 1, 0);
            world.run();
        }
        let mut asked: Vec<(usize, RequestId, String)> = Vec::new();
        let mut saved: Vec<String> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Set(host) => {
                    let key = format!("set.k{at}");
                    let request = world.set(host, &key, at as u64);
                    asked.push((host, request, key));
                }
                Step::Save(host) => {
                    let key = format!("file.k{at}");
                    if save(&mut world, host, &key) {
                        saved.push(key);
                    }
                }
                Step::Overwrite(host) => drop(world.set(host, "shared", at as u64)),
                Step::Connect(a, b) if a != b => world.connect(a, b),
                Step::Connect(..) => {}
                Step::Disconnect => world.disconnect_all(),
                Step::Deliver(count) => deliver(&mut world, count),
                Step::LoseFrames => world.wires.clear(),
                Step::HoldStore(host, hold) => {
                    world.hosts[host].persists = !hold;
                    world.settle(host);
                }
                Step::HoldFiles(host, hold) => {
                    world.hosts[host].writes_files = !hold;
                    world.settle(host);
                }
                Step::Kill(host) => {
                    // Request ids begin anew with the process: answers of the dead one are taken first.
                    asked.retain(|(at, request, _)| *at != host || world.answer(host, *request).is_some());
                    let answered: Vec<String> = asked.iter().filter(|(at, ..)| *at == host).map(|(.., key)| key.clone()).collect();
                    saved.extend(answered);
                    asked.retain(|(at, ..)| *at != host);
                    world.hosts[host].events.clear();
                    world.restart(host);
                }
                Step::Pass(ms) => world.pass(ms),
            }
        }
        for at in 0..3 {
            world.hosts[at].persists = true;
            world.hosts[at].writes_files = true;
            world.settle(at);
            world.look(at);
        }
        world.disconnect_all();
        for (a, b) in [(0, 1), (1, 2)] {
            world.connect(a, b);
        }
        world.run();
        world.pass(20_000);
        let value = world.value(0);
        for at in 0..3 {
            prop_assert_eq!(world.value(at), value.clone(), "host {}", at);
            prop_assert_eq!(world.file_value(at), value.clone(), "file of host {}", at);
        }
        for (host, request, key) in &asked {
            let answer = world.answer(*host, *request);
            prop_assert!(answer.as_ref().is_some_and(Result::is_ok), "{} was never answered: {:?}", key, answer);
        }
        if settle {
            world.pass(80_000);
            for host in &world.hosts {
                let keys: Vec<_> = host.store.keys().map(|key| String::from_utf8_lossy(key)).collect();
                prop_assert!(!keys.iter().any(|key| key.contains("/write/")), "{:?}", keys);
            }
        }
        let accepted = asked.iter().map(|(.., key)| key).chain(&saved);
        for key in accepted {
            prop_assert!(value.at(&path(key)).is_some(), "{} is lost", key);
        }
        for at in 0..3 {
            prop_assert!(!world.notices(at).contains("differs from a peer"), "{}", world.notices(at));
        }
    }
}
