//! What arrives from other instances: frames, deltas and edits of sequences.

use confmesh::clock::{Now, Stamp};
use confmesh::engine::{DocumentOptions, Engine, EngineConfig, FileBinding, Link, PeerId};
use confmesh::format::{Format, parse};
use confmesh::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use confmesh::protocol::{Envelope, decode, encode};
use confmesh::replica::{Applied, Delta, Replica};
use confmesh::sequence::{Operation, Side, transform};
use confmesh::{Code, Kind, Value};

use super::{assert_sound, json_parts, parts};

/// A frame that is understood is understood again after it is encoded.
pub fn frame(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let message = match decode(&text) {
        Ok((message, _)) => message,
        Err(error) => {
            return assert!(matches!(error.kind(), Kind::Peer | Kind::Input), "{error:?}");
        }
    };
    let instance = InstanceId::from_bytes([7; 16]);
    let envelope = Envelope { event_id: "e".to_owned(), instance, wall_ms: 1, hlc: Stamp::from_u64(1) };
    let again = decode(&encode(&message, &envelope));
    assert_eq!(again.as_ref(), Ok(&(message, Some(instance))));
}

/// Deltas are taken in whole or not at all, once, and pass on what they brought.
pub fn delta(data: &[u8]) {
    let new = |byte| Replica::new(ReplicaId::from_bytes([byte; 16]), Genesis::from_bytes([0; 16]));
    let mut replica = new(1);
    for text in parts(data) {
        let Ok(value) = parse(&text, Format::Json) else { return };
        let delta = match Delta::from_value(&value) {
            Ok(delta) => delta,
            Err(error) => {
                let expected = matches!(error.code(), Code::Message | Code::PathSyntax | Code::TooLarge);
                return assert!(expected, "{error:?}");
            }
        };
        assert_eq!(Delta::from_value(&delta.to_value()).as_ref(), Ok(&delta), "a delta reads back");
        let (seen, held, view) = (replica.seen().clone(), replica.live_len(), replica.view());
        match replica.apply(&delta, 1) {
            Err(error) => assert_eq!(error.code(), Code::Message, "{error:?}"),
            Ok(Applied::Advanced { effect, .. }) => {
                assert_eq!(replica.advance(&view, &effect), replica.view(), "the view follows step by step");
                let again = replica.apply(&delta, 1);
                assert!(matches!(again, Ok(Applied::Duplicate)), "twice is once: {again:?}");
                let mut other = new(2);
                let all = replica.delta(other.seen());
                assert!(matches!(other.apply(&all, 1), Ok(Applied::Advanced { .. })), "what is held can be passed on");
                assert_eq!(other.view(), replica.view(), "and shows the same");
                assert_sound(&replica.view().value);
                continue;
            }
            Ok(_) => {}
        }
        assert_eq!((replica.seen(), replica.live_len()), (&seen, held), "nothing changed");
        assert_eq!(replica.view(), view, "nothing is shown");
    }
}

/// Edits of a sequence read back, meet in both orders, and can be taken back.
pub fn sequence(data: &[u8]) {
    let Some([base, a, b]) = json_parts(data) else { return };
    let (Ok(a), Ok(b)) = (Operation::from_value(&a), Operation::from_value(&b)) else { return };
    for edit in [&a, &b] {
        assert_eq!(Operation::from_value(&edit.to_value()).as_ref(), Ok(edit), "an edit reads back");
    }
    let (Ok(after_a), Ok(after_b)) = (a.apply(&base), b.apply(&base)) else { return };
    assert_eq!(a.invert(&base).and_then(|back| back.apply(&after_a)).as_ref(), Ok(&base), "an edit can be taken back");
    if !matches!(base, Value::String(_) | Value::List(_))
        || (a.kind().is_some() && b.kind().is_some() && a.kind() != b.kind())
    {
        return;
    }
    let ab = transform(&b, &a, Side::Right).apply(&after_a);
    let ba = transform(&a, &b, Side::Left).apply(&after_b);
    assert_eq!(ab, ba, "both orders meet");
}

/// An engine that is sent anything goes on, and what it shows is a document.
pub fn engine(data: &[u8]) {
    let name = DocumentName::default_name();
    let config = EngineConfig::new(InstanceId::from_bytes([1; 16]), [9; 32]);
    let Ok(mut engine) = Engine::new(config, []) else { panic!("an empty store opens") };
    let mut now = Now { wall_ms: 1_000_000, mono_ms: 0 };
    let binding = FileBinding { id: "a.json".into(), format: Format::Json, is_named: false };
    let options = DocumentOptions { shared: true, file: Some(binding), has_peers: true, ..DocumentOptions::default() };
    engine.open(name.clone(), options, now);
    engine.handle_file(&name, Some(r#"{"a":{"b":1},"l":[1,2]}"#), now);
    let peers = [(PeerId(1), Link::Dialed), (PeerId(2), Link::Accepted)];
    for (peer, link) in peers {
        engine.handle_connected(peer, link, now);
    }
    now.mono_ms += 10_000;
    engine.handle_timeout(now);
    drain(&mut engine, now);
    for (at, text) in parts(data).iter().enumerate() {
        if let Some((peer, _)) = peers.get(at % 2) {
            engine.handle_message(*peer, text, now);
        }
        drain(&mut engine, now);
        now.mono_ms += 100;
        now.wall_ms += 100;
        engine.handle_timeout(now);
        let Some(snapshot) = engine.snapshot(&name) else { panic!("the document is open") };
        assert_sound(&snapshot.value);
    }
}

fn drain(engine: &mut Engine, now: Now) {
    for _ in 0..1_000 {
        let Some(batch) = engine.poll_persist() else { break };
        engine.handle_persisted(batch.ticket, now);
    }
    while engine.poll_transmit().is_some() {}
    while let Some(write) = engine.poll_file() {
        engine.handle_file_written(&write.document);
    }
    while engine.poll_event().is_some() {}
}
