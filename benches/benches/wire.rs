//! Messages between instances: how many bytes they take and how long writing and reading them does, binary beside JSON. The
//! pure core is enough: `cargo bench -p confmesh-benches --no-default-features --features confmesh/binary --bench wire`.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use confmesh::clock::{Stamp, VersionVector};
use confmesh::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use confmesh::protocol::{Encoder, Envelope, Frame, FrameRef, Message, Wire, WireOptions, decode, encode};
use confmesh::replica::{Edit, Replica, WriteOptions};
use confmesh::{Path, Policy};
use confmesh_benches::{Report, contender};

fn main() {
    let wall_ms = 1_795_255_200_000;
    let mut replica = Replica::new(ReplicaId::from_bytes([1; 16]), Genesis::from_bytes([9; 16]));
    let (policy, mut view) = (Policy::default(), replica.view());
    for at in 0..10_000u64 {
        let path = Path::parse(&format!("section-{:02}.key-{at:05}", at / 100)).expect("a path");
        let edit = Edit { path, value: Some(format!("value {at:06}").into()) };
        let options = WriteOptions::under(&policy);
        let effect = replica.write(&view.value, &[edit], &options, wall_ms + 61_000 * at).expect("a write");
        view = replica.advance(&view, &effect.expect("a change"));
    }
    let message = |since: &VersionVector| Message::Delta {
        document: DocumentName::default_name(),
        genesis: replica.genesis(),
        delta: replica.delta(since),
    };
    let but_last = [(replica.id(), 9_999)].into_iter().collect();
    let mut report = Report::new();
    case(&mut report, "one live write", &message(&but_last));
    case(&mut report, "10,000 keys, each written once", &message(&VersionVector::default()));
}

fn case(report: &mut Report, name: &str, message: &Message) {
    let envelope = Envelope {
        event_id: "4fd4a4c6e4f2f7f8a7c4a1f3c6b2d9e0-123".to_owned(),
        instance: InstanceId::from_bytes([7; 16]),
        wall_ms: 1_795_255_200_000,
        hlc: Stamp::default(),
    };
    let json = || encode(message, &envelope);
    let side = |compress_min_bytes| {
        let encoder = Encoder::new(WireOptions { binary: true, compress_min_bytes, ..WireOptions::default() });
        let mut wire = Wire::default();
        wire.agree(&encoder.offer(), &encoder.offer()).expect("a common version");
        (encoder, wire)
    };
    let write = |side: &mut (Encoder, Wire)| side.0.encode(message, &mut side.1, json);
    let (mut plain, mut small, mut there) = (side(None), side(Some(0)), side(None).1);

    let (text, first) = (json(), write(&mut plain));
    let compressed = write(&mut small);
    // The other side reports what it learned with its next message, and from then on names are numbers.
    there.decode(FrameRef::from(&first)).expect("a message");
    let mut back = side(None).0;
    let learnt = back.encode(&Message::Ping, &mut there, json);
    plain.1.decode(FrameRef::from(&learnt)).expect("a report");
    let learned = write(&mut plain);
    report.group(name.to_owned());
    let long = |frame: &Frame| frame.len() as f64;
    report.figures(
        "length",
        "bytes",
        &[
            ("JSON", text.len() as f64, ""),
            ("binary", long(&first), ""),
            ("binary, names known", long(&learned), ""),
            ("binary, compressed", long(&compressed), ""),
        ],
    );
    let mut deflating = small.clone();
    report.compare(
        "write",
        vec![
            contender("JSON", json),
            contender("binary", || write(&mut plain)),
            contender("binary, compressed", || write(&mut deflating)),
        ],
    );
    let read = |frame: &Frame, wire: &mut Wire| wire.decode(FrameRef::from(frame)).expect("a message");
    let mut wires = [there.clone(), there];
    let [one, two] = &mut wires;
    report.compare(
        "read",
        vec![
            contender("JSON", || decode(&text).expect("a message")),
            contender("binary", || read(&learned, one)),
            contender("binary, compressed", || read(&compressed, two)),
        ],
    );
}
