//! One list of checks: each is broken here, and the three views tell.
use super::http::call;
use super::*;
use crate::engine::{LinkState, PeerClock, Rejection, Settling, SourceState, SourceStatus};
use crate::value::Str;

/// Two instances that are in step, `a` dialed by `b`, and the status of `b`.
fn healthy() -> (Mesh, Mesh, MeshStatus) {
    let a = listening().start().unwrap();
    a.set("name", "first").wait().unwrap();
    let b = listening().peer(format!("ws://{}", a.addresses()[0])).start().unwrap();
    until("b has it", || shows(&b, "name", "first"));
    let status = until("both are in step", || {
        let in_step = |mesh: &Mesh| {
            let status = mesh.status().wait().unwrap();
            status.peers.iter().all(|peer| peer.link == Some(LinkState::InStep)).then_some(status)
        };
        in_step(&a).and(in_step(&b))
    });
    (a, b, status)
}

/// The names of the checks that did not pass, with what they found.
fn broken(status: &MeshStatus) -> Vec<(&'static str, Verdict)> {
    let checks = status.health().checks.into_iter().filter(|check| check.verdict != Verdict::Passed);
    checks.map(|check| (check.name, check.verdict)).collect()
}

#[test]
fn each_check_fails_for_what_it_is_about() {
    let (a, b, sound) = healthy();
    assert_eq!(broken(&sound), []);
    let error = |code| Error::new(code, "something is wrong");
    let breaks = |change: &dyn Fn(&mut MeshStatus)| {
        let mut status = sound.clone();
        change(&mut status);
        broken(&status)
    };
    let degraded = |name| vec![(name, Verdict::Degraded)];
    assert_eq!(breaks(&|s| s.documents[0].status.is_unfounded = true), [("document", Verdict::Failed)]);
    assert_eq!(breaks(&|s| s.documents[0].status.revision = 0), [("document", Verdict::Failed)]);
    assert_eq!(breaks(&|s| s.store_failure = Some(error(Code::Store))), degraded("store"));
    for code in [Code::ReadOnly, Code::Damaged] {
        assert_eq!(breaks(&|s| s.store_failure = Some(error(code))), [("store", Verdict::Failed)]);
    }
    let stale = SourceStatus { id: "file".into(), priority: 30, state: SourceState::Stale(error(Code::Syntax)) };
    assert_eq!(breaks(&|s| s.documents[0].status.sources.push(stale.clone())), degraded("sources"));
    let rejection = Rejection { cause: "file".into(), errors: vec![error(Code::Invalid)] };
    assert_eq!(breaks(&|s| s.documents[0].status.rejected = Some(rejection.clone())), degraded("valid"));
    assert_eq!(breaks(&|s| s.peers[0].problems.push(error(Code::Message))), degraded("peers"));
    assert_eq!(breaks(&|s| s.peers[0].state = PeerState::Waiting), degraded("peers"));
    for link in [LinkState::OtherDocument, LinkState::Refused, LinkState::Itself] {
        assert_eq!(breaks(&|s| s.peers[0].link = Some(link)), degraded("peers"), "{link:?}");
    }
    let clock = PeerClock { offset_ms: -86_400_000, stamps_ahead_ms: 0 };
    assert_eq!(breaks(&|s| s.peers[0].clock = Some(clock)), degraded("clocks"));
    let stamped = sound.wall_ms + 86_400_000;
    assert_eq!(breaks(&|s| s.documents[0].status.stamped_ms = Some(stamped)), degraded("clocks"));
    let patience = |status: &mut MeshStatus| status.stale_after_ms = Some(60_000);
    assert_eq!(breaks(&|s| s.out_of_step_ms = Some(60_001)), [], "nobody asked");
    assert_eq!(breaks(&|s| (patience(s), s.out_of_step_ms = Some(60_000)).0), []);
    assert_eq!(breaks(&|s| (patience(s), s.out_of_step_ms = Some(60_001)).0), [("peers", Verdict::Failed)]);
    let since = |status: &mut MeshStatus, ms: u64| {
        patience(status);
        status.documents[0].status.sources.push(stale.clone());
        status.documents[0].stale_ms = [(Str::from("file"), ms)].into_iter().collect();
    };
    assert_eq!(breaks(&|s| since(s, 60_000)), degraded("sources"));
    assert_eq!(breaks(&|s| since(s, 60_001)), [("sources", Verdict::Failed)], "once, and not degraded as well");
    assert_eq!(breaks(&|s| s.starting = Some(vec!["a".into()])), [("start", Verdict::Failed)]);
    let orphaned = || Settling { members: Vec::new(), held: 1, dropped_ms: None, is_orphaned: true };
    let is_orphaned = |s: &mut MeshStatus| s.documents[0].status.settling = Some(orphaned());
    assert_eq!(breaks(&is_orphaned), [("members", Verdict::Failed)]);
    let mut status = sound.clone();
    is_orphaned(&mut status);
    let told = status.health().checks.into_iter().flat_map(|check| check.reasons).map(|reason| reason.to_string());
    assert!(told.collect::<String>().contains("is no member of `default`, and no member is connected"));
    drop((a, b));
}

#[test]
fn the_three_views_are_of_one_list_and_leave_out_what_is_excluded() {
    // It waits for a peer that never comes.
    let mesh = listening().peer(format!("ws://127.0.0.1:{}", free_port())).found_after_ms(600_000).start().unwrap();
    let to = mesh.addresses()[0];
    let get = |path: &str| {
        let reply = call(to, &format!("GET {path}"), &[], "");
        (reply.status, reply.body)
    };
    assert_eq!(get("/livez"), (200, "ok\n".to_owned()));
    let (status, ready) = get("/readyz");
    assert_eq!(status, 503);
    assert!(ready.contains("[-]document failed: `default` is not founded yet"), "{ready}");
    assert!(ready.contains("[!]peers degraded: no other instance is connected"), "{ready}");
    assert!(ready.ends_with("readyz check failed\n"), "{ready}");
    assert_eq!(get("/health?ready").0, 503);
    assert_eq!(get("/readyz?exclude=document"), (200, "ok\n".to_owned()));
    let (status, verbose) = get("/readyz?verbose&exclude=document&exclude=nothing");
    assert_eq!(status, 200);
    assert!(verbose.starts_with("warn: there is no check `nothing`\n[+]store ok\n"), "{verbose}");
    assert!(verbose.ends_with("readyz check passed\n") && !verbose.contains("document"), "{verbose}");
    assert_eq!(get("/livez?verbose"), (200, "[+]loop ok\nlivez check passed\n".to_owned()));
    let health = call(to, "GET /health", &[], "");
    assert_eq!((health.status, health.json().child("status")), (200, Some(&"not_ready".into())));
    let shown = call(to, "GET /status", &[], "").json();
    let shown = shown.child("health").unwrap();
    assert_eq!(shown.child("checks"), health.json().child("checks"));
    assert_eq!(mesh.health().wait().unwrap().word(), "not_ready");
}

#[test]
fn who_is_cut_off_is_degraded_and_who_dialed_in_is_listed() {
    let (a, b, _) = healthy();
    let status = a.status().wait().unwrap();
    let peer = &status.peers[0];
    assert_eq!((peer.direction, peer.instance), (Direction::Accepted, Some(b.instance())));
    assert!(peer.address.starts_with("127.0.0.1:") && peer.since_ms.is_some_and(|since| since > 0), "{peer:?}");
    assert_eq!(status.connected_clients, 0, "an instance is no guest");
    let shown = call(a.addresses()[0], "GET /status", &[], "").json();
    let shown = &shown.child("peers").unwrap().as_list().unwrap().as_slice()[0];
    for (key, value) in [("direction", "accepted"), ("state", "connected"), ("link", "in_step")] {
        assert_eq!(shown.child(key), Some(&value.into()), "{shown:?}");
    }
    assert!(shown.child("url").is_none() && shown.child("connected_since").is_some(), "{shown:?}");
    a.close();
    let status = until("b is cut off", || {
        let status = b.status().wait().unwrap();
        (broken(&status) == [("peers", Verdict::Degraded)]).then_some(status)
    });
    assert!(status.health().is_ready(), "what it answers can be relied on");
    assert!(status.peers[0].last_error.is_some() || status.peers[0].state == PeerState::Connecting, "{status:?}");
}

#[test]
fn its_own_address_as_the_only_peer_is_told_beside_it() {
    let port = free_port();
    let own = format!("ws://127.0.0.1:{port}");
    let mesh =
        MeshOptions::default().listen(format!("127.0.0.1:{port}")).peer(&own).found_after_ms(50).start().unwrap();
    // It dialed in as well, and hears of it on either side at another moment.
    let told = until("it meets itself", || {
        let status = mesh.status().wait().unwrap();
        let mut dialed = status.peers.iter().filter(|peer| peer.direction == Direction::Dialed);
        let told = dialed.find(|peer| peer.link == Some(LinkState::Itself))?.problems.first()?.message().to_owned();
        broken(&status).contains(&("peers", Verdict::Degraded)).then_some(told)
    });
    assert!(told.contains("this very instance"), "{told}");
}

#[test]
fn what_lasts_longer_than_stale_after_is_told_with_how_long() {
    let (a, b, status) = healthy();
    assert_eq!(status.out_of_step_ms, Some(0));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("below.json");
    fs::write(&file, "{}").unwrap();
    let peer = format!("ws://{}", a.addresses()[0]);
    let c = listening().peer(peer).file(&file).stale_after_ms(300).start().unwrap();
    let reasons = |mesh: &Mesh, name: &str| {
        let checks = mesh.health().wait().unwrap().checks;
        let check = checks.into_iter().find(|check| check.name == name).unwrap();
        check.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    until("c is in step", || (c.status().wait().unwrap().out_of_step_ms == Some(0)).then_some(()));
    fs::write(&file, "{").unwrap();
    until("the source is told", || reasons(&c, "sources").contains("longer than `stale_after` (0.3 s)").then_some(()));
    a.close();
    until("the silence is told", || reasons(&c, "peers").contains("in step with no other one for").then_some(()));
    assert!(!c.health().wait().unwrap().is_ready());
    let shown = call(c.addresses()[0], "GET /status", &[], "").json();
    assert!(shown.child("out_of_step_ms").and_then(Value::as_u64).unwrap() > 300, "{shown:?}");
    fs::write(&file, "{}").unwrap();
    until("the source is mended", || reasons(&c, "sources").is_empty().then_some(()));
    assert_eq!(listening().start().unwrap().status().wait().unwrap().out_of_step_ms, None, "alone it misses nobody");
    drop(b);
}
