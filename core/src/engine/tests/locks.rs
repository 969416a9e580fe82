use super::*;
use crate::pattern::Pattern;

fn acquire(key: &str, holder: &str, wait_ms: u64) -> LockCommand {
    LockCommand::Acquire {
        key: Pattern::parse(key).unwrap(),
        holder: holder.into(),
        session: Some(format!("session of {holder}").into()),
        ttl_ms: 10_000,
        wait_ms,
    }
}

fn ask(world: &mut World, at: usize, command: LockCommand) -> RequestId {
    let request = world.hosts[at].engine.lock(&name(), command, &None, None, world.now);
    world.settle(at);
    world.run();
    request
}

fn said(world: &World, at: usize, wanted: RequestId) -> Option<Result<Value>> {
    world.hosts[at].events.iter().find_map(|event| match event {
        Event::Lock { request, result } if *request == wanted => Some(result.clone()),
        _ => None,
    })
}

/// The token of a lock that is granted at once.
fn token(world: &mut World, at: usize, key: &str, holder: &str) -> u64 {
    let request = ask(world, at, acquire(key, holder, 0));
    let lease = said(world, at, request).expect("an answer").unwrap();
    lease.child("token").unwrap().as_str().unwrap().parse().unwrap()
}

fn refused(world: &mut World, at: usize, command: LockCommand) -> Error {
    let request = ask(world, at, command);
    said(world, at, request).expect("an answer").unwrap_err()
}

fn release(token: u64, holder: &str) -> LockCommand {
    LockCommand::Release { token, session: format!("session of {holder}").into() }
}

fn write(world: &mut World, at: usize, place: &str, fence: u64) -> Result<Receipt> {
    let terms = WriteTerms { fence, ..WriteTerms::default() };
    let request = world.hosts[at].engine.write(&name(), Command::set(path(place), 7.into()), terms, world.now);
    world.settle(at);
    world.run();
    world.answer(at, request).expect("an answer")
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.unwrap_err().code()
}

/// Three in a row: the authority, one that dials it, and one that dials that one.
fn row() -> World {
    let mut world = World::new();
    for byte in 1..=3 {
        world.add(byte, None, byte > 1);
    }
    world.connect(1, 0);
    world.run();
    world.connect(2, 1);
    world.run();
    world.pass(10);
    world
}

fn held(world: &World, at: usize) -> Vec<(String, String)> {
    let held = world.hosts[at].engine.locks(&name(), world.now).into_iter();
    held.map(|lease| (lease.scope.to_string(), lease.holder.to_string())).collect()
}

#[test]
fn a_lock_is_answered_once_it_is_stored_and_refuses_the_writes_of_others() {
    let mut world = World::new();
    world.add(1, None, false);
    world.hosts[0].persists = false;
    let request = ask(&mut world, 0, acquire("db.*", "ann", 0));
    assert_eq!(said(&world, 0, request), None, "nothing is granted that a crash could take back");
    world.hosts[0].persists = true;
    world.settle(0);
    let lease = said(&world, 0, request).unwrap().unwrap();
    assert_eq!(lease.child("token"), Some(&Value::from(((1_u64 << 40) + 1).to_string())));
    let token = (1 << 40) + 1;
    let locked = write(&mut world, 0, "db.host", 0).unwrap_err();
    assert_eq!((locked.code(), locked.message()), (Code::Locked, "`db.*` is locked by `ann`"));
    assert!(locked.hint().unwrap().contains("it ends in"), "{locked:?}");
    assert_eq!(code(write(&mut world, 0, "db", 0)), Code::Locked, "it would replace what is locked below");
    assert_eq!(code(write(&mut world, 0, "app", token)), Code::Locked, "the lock does not cover it");
    write(&mut world, 0, "app", 0).unwrap();
    write(&mut world, 0, "db.host", token).unwrap();
    assert_eq!(refused(&mut world, 0, acquire("db.host", "ben", 0)).code(), Code::Locked);
    ask(&mut world, 0, release(token, "ann"));
    assert_eq!(code(write(&mut world, 0, "db.host", token)), Code::Locked, "it has ended");
    write(&mut world, 0, "db.host", 0).unwrap();
}

#[test]
fn a_lock_that_the_store_does_not_take_is_not_granted() {
    let mut world = World::new();
    world.add(1, None, false);
    world.hosts[0].persists = false;
    let request = ask(&mut world, 0, acquire("a", "ann", 0));
    let batch = world.hosts[0].batches.pop_front().unwrap();
    let full = Error::new(Code::Store, "the disk is full");
    world.hosts[0].engine.handle_persist_failed(batch.ticket, &full, world.now);
    world.settle(0);
    assert_eq!(said(&world, 0, request), Some(Err(full)));
    world.hosts[0].batches.clear();
    world.hosts[0].persists = true;
    let next = token(&mut world, 0, "a", "ben");
    assert_eq!(next, (1 << 40) + 2, "a token that somebody may have seen is not given again");
}

#[test]
fn instances_ask_the_authority_over_others_and_all_refuse_the_writes_of_others() {
    let mut world = row();
    let lock = token(&mut world, 2, "db.*", "ann");
    for at in 0..3 {
        assert_eq!(held(&world, at), [("db.*".to_owned(), "ann".to_owned())], "instance {at}");
        assert_eq!(code(write(&mut world, at, "db.host", 0)), Code::Locked, "instance {at}");
        write(&mut world, at, "db.host", lock).unwrap();
    }
    assert_eq!(refused(&mut world, 1, acquire("db.host", "ben", 0)).message(), "`db.*` is locked by `ann`");
    let stranger = LockCommand::Renew { token: lock, session: "somebody".into(), ttl_ms: None };
    assert_eq!(refused(&mut world, 1, stranger).code(), Code::Locked, "only its holder renews it");
    ask(&mut world, 2, release(lock, "ann"));
    for at in 0..3 {
        assert!(held(&world, at).is_empty(), "instance {at}");
        assert_eq!(code(write(&mut world, at, "db.host", lock)), Code::Locked, "instance {at} knows that it ended");
        write(&mut world, at, "db.host", 0).unwrap();
    }
}

#[test]
fn whoever_cannot_reach_the_authority_is_told_which_instance_that_is() {
    let mut world = row();
    let founder = world.hosts[0].engine.instance().to_string();
    token(&mut world, 1, "a", "ann");
    world.disconnect_all();
    let alone = refused(&mut world, 1, acquire("b", "ann", 0));
    assert_eq!(alone.code(), Code::NotReady);
    assert!(alone.message().contains(&founder), "{alone}");
    // Nor does one that knows somebody else get an answer.
    world.connect(2, 1);
    world.run();
    let request = ask(&mut world, 2, acquire("b", "ann", 0));
    assert_eq!(said(&world, 2, request), None);
    world.pass(6_000);
    assert_eq!(code(said(&world, 2, request).unwrap()), Code::NotReady);
}

#[test]
fn those_who_wait_get_it_in_their_order_and_nobody_overtakes() {
    let mut world = row();
    let first = token(&mut world, 0, "db.*", "ann");
    let ben = ask(&mut world, 2, acquire("db.*", "ben", 60_000));
    let eve = ask(&mut world, 1, acquire("db.host", "eve", 60_000));
    let late = ask(&mut world, 0, acquire("db.*", "zoe", 1_000));
    assert_eq!([ben, eve].map(|request| said(&world, 2, request)), [None, None]);
    ask(&mut world, 0, release(first, "ann"));
    let lease = said(&world, 2, ben).expect("the first gets it").unwrap();
    assert_eq!(said(&world, 1, eve), None);
    assert_eq!(code(Err::<(), _>(refused(&mut world, 0, acquire("db.port", "max", 0)))), Code::Locked);
    world.pass(1_500);
    assert_eq!(code(said(&world, 0, late).unwrap()), Code::Locked, "its patience ended");
    let second: u64 = lease.child("token").unwrap().as_str().unwrap().parse().unwrap();
    ask(&mut world, 2, release(second, "ben"));
    assert!(said(&world, 1, eve).unwrap().is_ok());
    assert!(second > first);
}

#[test]
fn a_lock_ends_by_itself_unless_it_is_renewed() {
    let mut world = row();
    let lock = token(&mut world, 2, "a", "ann");
    for _ in 0..4 {
        world.pass(6_000);
        let renew = LockCommand::Renew { token: lock, session: "session of ann".into(), ttl_ms: None };
        let request = ask(&mut world, 2, renew);
        assert!(said(&world, 2, request).unwrap().is_ok());
        assert!((0..3).all(|at| held(&world, at).len() == 1));
    }
    world.pass(10_001);
    assert!((0..3).all(|at| held(&world, at).is_empty()));
    let renew = LockCommand::Renew { token: lock, session: "session of ann".into(), ttl_ms: None };
    assert_eq!(refused(&mut world, 2, renew).code(), Code::Locked);
}

#[test]
fn after_a_restart_locks_last_their_whole_time_and_tokens_go_on() {
    let mut world = row();
    let lock = token(&mut world, 1, "a", "ann");
    world.pass(9_000);
    world.restart(0);
    world.connect(1, 0);
    world.run();
    assert_eq!(held(&world, 0).len(), 1);
    world.pass(9_000);
    assert_eq!(refused(&mut world, 0, acquire("a", "ben", 0)).code(), Code::Locked);
    world.pass(1_001);
    assert!(token(&mut world, 0, "a", "ben") > lock);
}

#[test]
fn another_instance_takes_over_with_greater_tokens_and_the_old_one_stops() {
    let mut world = row();
    let old = token(&mut world, 1, "a", "ann");
    let taken = world.hosts[2].engine.take_lock_authority(&name(), world.now).unwrap();
    world.settle(2);
    world.run();
    assert_eq!(taken.epoch, 2);
    for at in 0..3 {
        assert_eq!(world.hosts[at].engine.lock_authority(&name()), Some(taken), "instance {at}");
    }
    assert_eq!(refused(&mut world, 0, acquire("b", "ben", 0)).code(), Code::NotReady, "others may still hold locks");
    assert_eq!(code(write(&mut world, 0, "a", old)), Code::Locked, "of an authority that is no more");
    world.pass(MAX_LEASE_MS);
    assert!(token(&mut world, 0, "a", "ben") > old);
}

#[test]
fn a_save_of_the_bound_file_waits_until_the_lock_ends() {
    let mut world = World::new();
    world.add(1, Some(r#"{"db":{"host":"a"},"x":1}"#), false);
    let lock = token(&mut world, 0, "db.*", "ann");
    world.save(0, r#"{"db":{"host":"mine"},"x":1}"#);
    assert_eq!(world.value(0), json(r#"{"db":{"host":"a"},"x":1}"#));
    let told = world.hosts[0].events.iter().any(
        |event| matches!(event, Event::Source { state: SourceState::Stale(error), .. } if error.code() == Code::Locked),
    );
    assert!(told, "the person is told");
    assert!(world.hosts[0].engine.is_file_asked_about(&name()), "it is not forgotten");
    write(&mut world, 0, "db.port", lock).unwrap();
    assert_eq!(world.file_value(0), json(r#"{"db":{"host":"mine"},"x":1}"#), "the file is left alone meanwhile");
    ask(&mut world, 0, release(lock, "ann"));
    assert!(world.hosts[0].engine.takes_look(&name()));
    world.look(0);
    world.assert_agreement(r#"{"db":{"host":"mine","port":7},"x":1}"#);
}

#[test]
fn what_a_guest_holds_ends_with_its_connection_and_others_are_told() {
    let mut world = World::new();
    world.add(1, None, false);
    let (guest, other) = (PeerId(900), PeerId(901));
    for peer in [guest, other] {
        world.hosts[0].engine.handle_connected(peer, Link::Accepted, world.now);
    }
    let request = world.hosts[0].engine.lock(&name(), acquire("a", "ann", 0), &None, Some(guest), world.now);
    world.settle(0);
    assert!(said(&world, 0, request).unwrap().is_ok());
    let change = r#"{"type":"config_change","config_key":"a","new_value":1,"user_id":"ben","request_id":"r"}"#;
    world.hosts[0].engine.handle_message(other, change, world.now);
    world.settle(0);
    let frames = |world: &World, kind: &str| {
        let told = |(peer, frame): &&(PeerId, Frame)| *peer == other && frame.as_text().unwrap().contains(kind);
        world.strays.iter().filter(told).count()
    };
    assert_eq!(frames(&world, "\"config_locked\""), 1);
    assert_eq!(frames(&world, "\"error\":\"Configuration is locked by another user\""), 1);
    world.hosts[0].engine.handle_closed(guest, world.now);
    world.settle(0);
    assert!(held(&world, 0).is_empty());
    assert_eq!(frames(&world, "\"config_unlocked\""), 1);
}

#[test]
fn a_lock_taken_from_its_holder_is_written_down() {
    let mut world = row();
    let lock = token(&mut world, 1, "db.*", "ann");
    let force = |key: &str, reason: &str| LockCommand::ForceRelease {
        key: Pattern::parse(key).unwrap(),
        reason: reason.into(),
        by: Some("op".into()),
    };
    assert_eq!(refused(&mut world, 2, force("db.*", " ")).code(), Code::Usage);
    assert_eq!(refused(&mut world, 2, force("x", "why")).code(), Code::NotFound);
    let request = ask(&mut world, 2, force("db.*", "ann is on holiday"));
    assert!(said(&world, 2, request).unwrap().is_ok());
    let entry = world.hosts[0].events.iter().find_map(|event| match event {
        Event::Audit(audit) if audit.entry.kind() == "lock_forced" => Some(audit.to_value()),
        _ => None,
    });
    let entry = entry.expect("an entry where it was done");
    assert_eq!(entry.child("reason"), Some(&Value::from("ann is on holiday")));
    assert_eq!(entry.child("token"), Some(&Value::from(lock.to_string())));
    assert_eq!(code(write(&mut world, 2, "db.host", lock)), Code::Locked);
}

#[test]
fn who_asks_again_after_a_lost_answer_takes_its_own_place() {
    let mut world = row();
    let first = token(&mut world, 1, "a", "ann");
    let second = token(&mut world, 1, "a", "ann");
    assert!(second > first);
    assert_eq!(held(&world, 2).len(), 1);
    assert_eq!(code(write(&mut world, 2, "a", first)), Code::Locked);
    write(&mut world, 2, "a", second).unwrap();
}

#[test]
fn notes_of_locks_are_as_many_as_were_held_at_once() {
    let mut world = World::new();
    world.add(1, None, false);
    for round in 0..200 {
        let lock = token(&mut world, 0, &format!("k{round}"), "ann");
        ask(&mut world, 0, release(lock, "ann"));
    }
    let records = world.hosts[0].store.keys().filter(|key| String::from_utf8_lossy(key).contains("/write/")).count();
    assert!(records < 5, "{records} records");
}

#[test]
fn who_is_limited_to_paths_locks_within_them_and_others_only_see_what_they_may() {
    use crate::guard::{Proof, Table, token_hash};
    let who = |role: &str, paths: &str| {
        let hash = token_hash("t");
        let text = format!(
            "[[principal]]\nname = \"ann\"\ntoken_sha256 = \"{hash}\"\nroles = [\"{role}\"]\npaths = [{paths}]\n"
        );
        let table = Table::from_value(&crate::format::parse(&text, Format::Toml).unwrap()).unwrap();
        Some(table.grant(&Proof::of_token("t"), 0).unwrap())
    };
    let mut world = World::new();
    world.add(1, None, false);
    let mut lock = |who: &crate::guard::Who, command: LockCommand| {
        let request = world.hosts[0].engine.lock(&name(), command, who, None, world.now);
        world.settle(0);
        said(&world, 0, request).unwrap()
    };
    let limited = who("writer", "\"db.*\"");
    for key in ["*", "db", "app.*", "d*.x", "**.host"] {
        assert_eq!(code(lock(&limited, acquire(key, "x", 0))), Code::Forbidden, "{key}");
    }
    assert_eq!(code(lock(&who("reader", "\"*\""), acquire("db.host", "x", 0))), Code::Forbidden);
    let lease = lock(&limited, acquire("db.host", "somebody else", 0)).unwrap();
    assert_eq!(lease.child("holder"), Some(&Value::from("ann")), "it is named as it is known");
    assert!(lock(&limited, acquire("db.pool.*", "x", 0)).is_ok());
    let force = LockCommand::ForceRelease {
        key: Pattern::parse("db.host").unwrap(),
        reason: "why".into(),
        by: Some("nobody".into()),
    };
    assert_eq!(code(lock(&limited, force.clone())), Code::Forbidden);
    assert!(lock(&who("admin", "\"*\""), force).is_ok());
}
