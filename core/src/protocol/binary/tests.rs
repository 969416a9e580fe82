//! Random messages come back as they were, and bytes that nobody vouches for change nothing.

mod golden;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::clock::{Dot, Stamp, VersionVector};
use crate::conflict::{Meanwhile, Tag};
use crate::id::{DocumentName, ReplicaId};
use crate::limits::{MAX_EXPANSION_BYTES, PART_BYTES};
use crate::path::Path;
use crate::policy::Policy;
use crate::protocol::{Encoder, FrameRef, Joining, Offer, Wire, WireOptions, split};
use crate::replica::{Assertion, Base, Claim, Delta, Edit, Links, Replica, Run, Stretch, WriteOptions};
use crate::sequence::{Content as Sequence, Kind, Operation, Step};
use crate::testing::{Random, cases};
use crate::value::{Number, Str, Value};

fn id(number: usize) -> [u8; 16] {
    std::array::from_fn(|at| (number * 37 + at * at) as u8)
}

fn replica(number: usize) -> ReplicaId {
    ReplicaId::from_bytes(id(number))
}

fn text(random: &mut Random, most: usize) -> String {
    let alphabet: Vec<char> = "abcdexyz-_.é€😀\u{0}/~".chars().collect();
    (0..random.below(most + 1)).map(|_| alphabet[random.below(alphabet.len())]).collect()
}

fn number(random: &mut Random) -> u64 {
    let bits = random.below(64);
    ((random.below(1 << 30) as u64) << 34 | random.below(1 << 30) as u64) >> bits
}

fn some_value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 => Value::from(random.below(300) as i64 - 20),
        3 => Value::from(number(random)),
        4 => Value::Number(Number::from_f64(random.below(1_000) as f64 / 7.0).unwrap()),
        5 => {
            let most = if random.below(10) == 0 { 90 } else { 14 };
            Value::from(text(random, most))
        }
        6 => (0..random.below(4)).map(|_| some_value(random, depth - 1)).collect::<Vec<_>>().into(),
        _ => (0..random.below(4)).map(|_| (Str::from(text(random, 6)), some_value(random, depth - 1))).collect(),
    }
}

fn values_of(random: &mut Random) -> Vec<Value> {
    (0..random.below(3)).map(|_| some_value(random, 1)).collect()
}

fn some_vector(random: &mut Random) -> VersionVector {
    (0..random.below(5)).map(|_| (replica(random.below(7)), number(random) | 1)).collect()
}

fn some_path(random: &mut Random) -> Path {
    let keys = ["app", "app-1", "application", "a", "", "é", "ééx", "database"];
    let most = if random.below(20) == 0 { 12 } else { 4 };
    (0..random.below(most)).map(|_| Str::from(keys[random.below(8)])).collect()
}

fn some_edit(random: &mut Random, kind: Kind) -> Operation {
    let steps: Vec<Step> = (0..random.below(5))
        .map(|_| match random.below(4) {
            0 => Step::Retain(random.below(1_000)),
            1 => Step::Delete(random.below(10)),
            _ if kind == Kind::List => Step::Insert(Sequence::List(values_of(random))),
            _ => Step::Insert(Sequence::Text(text(random, 9))),
        })
        .collect();
    Operation::new(steps).unwrap()
}

fn some_item(random: &mut Random, last: Option<&Assertion>) -> Assertion {
    let author = replica(random.below(4));
    let mut context = some_vector(random);
    let mut seq = context.seq(author).saturating_add(1);
    let mut stamp = Stamp::from_u64(1_795_255_200_123 << 16 | random.below(3) as u64);
    match (random.below(10), last) {
        (0, _) => seq = number(random) | 1,
        (1, _) => stamp = Stamp::from_u64(number(random)),
        (2..=4, Some(last)) => {
            // The author's next write with the same context, or nearly.
            context = (*last.context).clone();
            context.add(last.dot);
            let dot = Dot { replica: last.dot.replica, seq: last.dot.seq.saturating_add(1) };
            stamp = Stamp::from_u64(last.stamp.as_u64().saturating_add(random.below(70_000) as u64));
            return Assertion { dot, context: Arc::new(context), stamp, ..some_claim(random) };
        }
        (5..=6, Some(last)) => {
            // Another path of the same write.
            let (dot, context, stamp) = (last.dot, Arc::clone(&last.context), last.stamp);
            return Assertion { dot, context, stamp, ..some_claim(random) };
        }
        _ => {}
    }
    Assertion { dot: Dot { replica: author, seq }, context: Arc::new(context), stamp, ..some_claim(random) }
}

fn some_claim(random: &mut Random) -> Assertion {
    let rare = |random: &mut Random| random.below(6) == 0;
    let claim = match random.below(8) {
        0 => Claim::Absent,
        1 => Claim::Sequence(if random.below(2) == 0 { Kind::List } else { Kind::Text }),
        2 => Claim::Nothing,
        _ => Claim::Value(some_value(random, 3)),
    };
    let mut edits = BTreeMap::new();
    for kind in [Kind::List, Kind::Text] {
        if rare(random) {
            edits.insert(kind, some_edit(random, kind));
        }
    }
    Assertion {
        dot: Dot { replica: replica(0), seq: 1 },
        context: Arc::default(),
        stamp: Stamp::default(),
        tag: Tag::ALL[random.below(Tag::ALL.len())],
        path: some_path(random),
        claim,
        edits,
        policy: if rare(random) { number(random) as u32 } else { 0 },
        fence: if rare(random) { number(random) } else { 0 },
        added: if rare(random) { values_of(random) } else { Vec::new() },
        removed: if rare(random) { values_of(random) } else { Vec::new() },
        previous: rare(random).then(|| some_value(random, 2)),
        meanwhile: [Meanwhile::Last, Meanwhile::First, Meanwhile::Previous][random.below(12).min(2) % 3],
        user: rare(random).then(|| "someone@example.com".into()),
        run: rare(random).then(|| Arc::new(Run { links: some_links(random), lost: some_links(random) })),
        message: rare(random).then(|| "because".into()),
    }
}

fn some_links(random: &mut Random) -> Links {
    let mut first = 0_u64;
    let mut stretches: Vec<Stretch> = (0..random.below(5))
        .map(|_| {
            first += 2 + random.below(300) as u64;
            Stretch { replica: replica(random.below(4)), first, last: first + random.below(2) as u64 }
        })
        .collect();
    stretches.reverse();
    Links::of(stretches, random.below(4) == 0).unwrap()
}

fn some_delta(random: &mut Random) -> Delta {
    let since = some_vector(random);
    let mut items: Vec<Arc<Assertion>> = Vec::new();
    for _ in 0..random.below(12) {
        let item = some_item(random, items.last().map(Arc::as_ref));
        items.push(Arc::new(item));
    }
    let mut to = if random.below(2) == 0 { some_vector(random) } else { since.clone() };
    if random.below(3) > 0 {
        items.iter().for_each(|item| to.add(item.dot));
    }
    let base = (random.below(4) == 0).then(|| Arc::new(some_base(random)));
    Delta { since, to, base, items }
}

/// What a replica that wrote some values settled to.
fn some_base(random: &mut Random) -> Base {
    let mut settled = Replica::new(replica(random.below(5)), Genesis::from_bytes(id(9)));
    for _ in 0..random.below(6) {
        let edits = [Edit { path: some_path(random), value: Some(some_value(random, 2)) }];
        let policy = Policy::default();
        // What such an edit may not do is left out.
        let _ = settled.write(&settled.view().value.clone(), &edits, &WriteOptions::under(&policy), 1_795_255_200_123);
    }
    settled.settle(&settled.view()).unwrap();
    settled.base().unwrap().clone()
}

fn some_message(random: &mut Random) -> Message {
    let names = ["default", "other", "team/app", "default/x-1"];
    let document = DocumentName::parse(names[random.below(4)]).unwrap();
    let genesis = Genesis::from_bytes(id(random.below(20)));
    match random.below(10) {
        0 => Message::Pull { document, seen: some_vector(random) },
        1 => Message::Ack { document, seen: some_vector(random) },
        2..=3 => {
            let mut error = Error::new(Code::ALL[random.below(Code::ALL.len())], text(random, 30));
            if random.below(2) == 0 {
                error = error.with_hint(text(random, 30));
            }
            Message::Error { error, request_id: (random.below(2) == 0).then(|| text(random, 8)) }
        }
        4 => [Message::Ping, Message::Pong][random.below(2)].clone(),
        5 => {
            let count = number(random).max(2);
            let part = Part { number: 1 + number(random) % count, count };
            Message::Part { document, genesis, part, delta: some_delta(random) }
        }
        _ => Message::Delta { document, genesis, delta: some_delta(random) },
    }
}

fn alone(message: &Message) -> Vec<u8> {
    encode(message, None, [].into_iter()).unwrap().bytes
}

fn read(frame: &[u8]) -> Result<Message> {
    match decode(frame, &Glossary::default())?.content {
        Content::Message(message) => Ok(message),
        Content::Text(text) => panic!("{text}"),
    }
}

/// Two instances that greeted each other.
fn pair() -> [(Encoder, Wire); 2] {
    let options = WireOptions { binary: true, compress_min_bytes: None, ..WireOptions::default() };
    let offer = Offer { versions: vec![1], codecs: vec![crate::protocol::BINARY.to_owned()], compress: Vec::new() };
    [(); 2].map(|()| {
        let mut wire = Wire::default();
        wire.agree(&offer, &offer).unwrap();
        (Encoder::new(options.clone()), wire)
    })
}

#[test]
fn random_messages_come_back_as_they_were() {
    for seed in 0..cases(2_000) {
        let message = some_message(&mut Random::of(seed));
        assert_eq!(read(&alone(&message)).unwrap(), message, "seed {seed}");
    }
}

#[test]
fn messages_of_a_session_come_back_whatever_gets_lost_or_doubled() {
    for seed in 0..cases(40) {
        let mut random = Random::of(seed);
        let mut sides = pair();
        let mut with_numbers = 0;
        for _ in 0..40 {
            let message = some_message(&mut random);
            let from = random.below(2);
            let (encoder, wire) = &mut sides[from];
            let frame = encoder.encode(&message, wire, || panic!("no JSON"));
            with_numbers += usize::from(frame.len() < alone(&message).len());
            for _ in 0..[0, 1, 1, 1, 1, 2][random.below(6)] {
                let (there, _) = sides[1 - from].1.decode(FrameRef::from(&frame)).unwrap();
                assert_eq!(there, message, "seed {seed}");
            }
        }
        assert!(with_numbers > 5, "seed {seed}: {with_numbers}");
    }
}

#[test]
fn a_frame_that_is_cut_off_is_refused_at_every_byte() {
    for seed in 0..cases(100) {
        let frame = alone(&some_message(&mut Random::of(seed)));
        for len in 0..frame.len() {
            let error = decode(&frame[..len], &Glossary::default()).unwrap_err();
            assert_eq!(error.code(), Code::Message, "seed {seed}, {len} bytes");
        }
    }
}

#[test]
fn flipped_bits_never_panic_and_what_they_come_to_can_be_written_again() {
    let mut accepted = 0;
    for seed in 0..cases(40) {
        let frame = alone(&some_message(&mut Random::of(seed)));
        for bit in 0..8 * frame.len().min(400) {
            let mut frame = frame.clone();
            frame[bit / 8] ^= 1 << (bit % 8);
            match decode(&frame, &Glossary::default()) {
                Ok(Read { content: Content::Message(message), .. }) => {
                    accepted += 1;
                    assert_eq!(read(&alone(&message)).unwrap(), message, "seed {seed}, bit {bit}");
                }
                Ok(_) => {}
                Err(error) => assert_eq!(error.code(), Code::Message, "{error}"),
            }
        }
    }
    assert!(accepted > 300, "{accepted}");
}

#[test]
fn random_bytes_never_panic() {
    for seed in 0..cases(10_000) {
        let mut random = Random::of(seed);
        let mut frame: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
        frame.splice(..0, [MAGIC, [DELTA, PART, ERROR, DELTA | COMPRESSED][random.below(4)], 0, 0]);
        let _ = decode(&frame, &Glossary::default());
    }
}

#[test]
fn bytes_behind_the_end_and_unknown_kinds_name_the_way_out() {
    let mut longer = alone(&Message::Ping);
    longer.push(0);
    for frame in [&longer[..], &[MAGIC, 15], &[MAGIC, PING | 0x40], &[0xB2, PING]] {
        let error = decode(frame, &Glossary::default()).unwrap_err();
        assert_eq!(error.code(), Code::Message);
        assert!(error.hint().unwrap().contains("upgrade"), "{frame:?}: {error}");
    }
}

#[test]
fn references_cannot_stand_for_more_than_is_allowed() {
    // One long key, and many writes whose paths begin as it does.
    let key = "k".repeat(1 << 20);
    let writes = MAX_EXPANSION_BYTES / key.len() + 2;
    let delta = |keys: &mut dyn Iterator<Item = String>| {
        let mut items = Vec::new();
        for (at, key) in keys.enumerate() {
            let path: Path = [Str::from(key)].into_iter().collect();
            let dot = Dot { replica: replica(1), seq: at as u64 + 1 };
            let context: VersionVector = [(replica(1), at as u64)].into_iter().collect();
            let claim = Claim::Absent;
            let item = Assertion { dot, context: Arc::new(context), path, claim, ..some_claim(&mut Random::of(0)) };
            items.push(Arc::new(item));
        }
        let to = [(replica(1), items.len() as u64)].into_iter().collect();
        let (document, genesis) = (DocumentName::default_name(), Genesis::from_bytes(id(0)));
        Message::Delta { document, genesis, delta: Delta { since: VersionVector::default(), to, base: None, items } }
    };
    let few = alone(&delta(&mut (0..3).map(|at| format!("{key}{at}"))));
    assert_eq!(read(&few).unwrap(), delta(&mut (0..3).map(|at| format!("{key}{at}"))));
    // Written by hand: the third write again and again.
    let two = alone(&delta(&mut (0..2).map(|at| format!("{key}{at}"))));
    let mut bomb = Vec::new();
    let head = two.iter().zip(&few).position(|(two, few)| two != few).unwrap();
    bomb.extend_from_slice(&two[..head]);
    put_count(&mut bomb, 8 * writes);
    bomb.extend_from_slice(&two[head + 1..]);
    let third = few[two.len()..].to_vec();
    (2..writes).for_each(|_| bomb.extend_from_slice(&third));
    let error = read(&bomb).unwrap_err();
    assert!(error.message().contains("references come to more"), "{error}");
}

/// A write as the engine makes it: it has seen everything of its own author, and two other authors.
fn one_write(path: &str, value: impl Into<Value>) -> Message {
    let since: VersionVector = [(replica(1), 300)].into_iter().collect();
    let dot = Dot { replica: replica(1), seq: 301 };
    let item = Assertion {
        dot,
        context: Arc::new(since.clone()),
        stamp: Stamp::from_u64(1_795_255_200_123 << 16),
        tag: Tag::LastWriteWins,
        path: Path::parse(path).unwrap(),
        claim: Claim::Value(value.into()),
        edits: BTreeMap::new(),
        policy: 0,
        fence: 0,
        added: Vec::new(),
        removed: Vec::new(),
        previous: None,
        meanwhile: Meanwhile::Last,
        user: None,
        message: None,
        run: None,
    };
    let mut to = since.clone();
    to.add(dot);
    let (document, genesis) = (DocumentName::default_name(), Genesis::from_bytes(id(9)));
    Message::Delta { document, genesis, delta: Delta { since, to, base: None, items: vec![Arc::new(item)] } }
}

#[test]
fn a_live_write_is_short_and_shorter_once_its_names_are_known() {
    let message = one_write("app.port", "twelve bytes");
    assert_eq!(alone(&message).len(), 70);
    let [(encoder, here), (_, there)] = &mut pair();
    let mut back = pair()[1].0.clone();
    let first = encoder.encode(&message, here, || panic!("no JSON"));
    there.decode(FrameRef::from(&first)).unwrap();
    let ack = Message::Ack { document: DocumentName::default_name(), seen: VersionVector::default() };
    let ack = back.encode(&ack, there, || panic!("no JSON"));
    here.decode(FrameRef::from(&ack)).unwrap();
    let second = encoder.encode(&message, here, || panic!("no JSON"));
    assert_eq!(there.decode(FrameRef::from(&second)).unwrap().0, message);
    assert!(second.len() <= 36, "{}", second.len());
}

/// The full state of a document whose keys were each written once, in a random order, a while apart.
fn one_write_keys(count: usize) -> Message {
    let mut random = Random::of(1);
    let mut order: Vec<u64> = (1..=count as u64).collect();
    (1..count).rev().for_each(|at| order.swap(at, random.below(at + 1)));
    let items = order.into_iter().enumerate().map(|(at, seq)| {
        let message = one_write(&format!("section-{:02}.key-{at:05}", at / 100), format!("value {:06}", at * 7));
        let Message::Delta { delta, .. } = message else { panic!("no delta") };
        let mut item = (*delta.items[0]).clone();
        item.dot.seq = seq;
        item.context = Arc::new([(replica(1), seq - 1)].into_iter().collect());
        item.stamp = Stamp::from_u64((1_795_255_200_123 + seq * 61_000) << 16);
        Arc::new(item)
    });
    let items = items.collect();
    let to = [(replica(1), count as u64)].into_iter().collect();
    let (document, genesis) = (DocumentName::default_name(), Genesis::from_bytes(id(9)));
    Message::Delta { document, genesis, delta: Delta { since: VersionVector::default(), to, base: None, items } }
}

#[test]
fn the_state_of_ten_thousand_keys_takes_less_than_thirty_bytes_a_key() {
    let frame = alone(&one_write_keys(10_000));
    assert!(frame.len() <= 300_000, "{}", frame.len());
    let smaller = compressed(&frame).map_or(frame.len(), |smaller| smaller.len());
    println!("{} bytes, compressed {smaller}", frame.len());
}

#[test]
fn a_first_sync_of_a_hundred_thousand_keys_is_many_small_frames_and_one_delta() {
    let Message::Delta { document, genesis, delta } = one_write_keys(100_000) else { panic!("no delta") };
    let parts = split(delta.clone(), PART_BYTES);
    assert!(parts.len() > 5, "{}", parts.len());
    let joined = travel(&document, genesis, parts, 1 << 20);
    assert!(joined == delta);
}

#[test]
fn a_document_that_no_frame_could_hold_travels_too() {
    let text = "x".repeat(MAX_FRAME_BYTES / 3);
    let Message::Delta { document, genesis, mut delta } = one_write("a", text) else { panic!("no delta") };
    for path in ["b", "c", "d"] {
        let mut item = (*delta.items[0]).clone();
        item.path = Path::parse(path).unwrap();
        delta.items.push(Arc::new(item));
    }
    let joined = travel(&document, genesis, split(delta.clone(), PART_BYTES), MAX_FRAME_BYTES);
    assert!(joined == delta);
}

/// Sends parts, each of at most so many bytes, and joins them.
fn travel(document: &DocumentName, genesis: Genesis, parts: Vec<Delta>, most: usize) -> Delta {
    let mut joining = Joining::default();
    let count = parts.len() as u64;
    let mut whole = None;
    for (number, delta) in (1..).zip(parts) {
        assert!(whole.is_none());
        let frame = alone(&Message::Part { document: document.clone(), genesis, part: Part { number, count }, delta });
        assert!(frame.len() <= most, "{}", frame.len());
        let Message::Part { part, delta, .. } = read(&frame).unwrap() else { panic!("no part") };
        whole = joining.take(document, genesis, part, delta).unwrap();
    }
    whole.unwrap()
}

#[test]
fn parts_out_of_turn_are_refused_and_the_next_delta_can_begin() {
    let Message::Delta { document, genesis, delta } = one_write_keys(30) else { panic!("no delta") };
    let parts = split(delta.clone(), 1_000);
    let count = parts.len() as u64;
    assert!(count > 3);
    let mut joining = Joining::default();
    let part = |number: u64| Part { number, count };
    let mut take = |number: u64| joining.take(&document, genesis, part(number), parts[number as usize - 1].clone());
    assert!(take(2).is_err());
    assert_eq!(take(1).unwrap(), None);
    assert!(take(3).is_err(), "one is missing");
    assert!(take(4).is_err(), "what was begun is gone");
    let whole = (1..=count).map(|number| take(number).unwrap()).last().unwrap();
    assert_eq!(whole, Some(delta));
}

fn every_value() -> Value {
    crate::format::parse(
        r#"{"null":null,"yes":true,"no":false,"small":7,"int":-300,"large":18446744073709551615,"float":0.1,
            "text":"é","long":"0123456789012345678901234567890123456789012345678901234567890123","list":[1,[]],"map":{}}"#,
        crate::format::Format::Json,
    )
    .unwrap()
}

fn every_part() -> Message {
    let Message::Delta { document, genesis, mut delta } = one_write("list", 1) else { panic!("no delta") };
    let mut item = (*delta.items[0]).clone();
    item.claim = Claim::Sequence(Kind::List);
    item.tag = Tag::Sequence;
    item.edits.insert(Kind::List, Operation::replace(2, 1, Sequence::List(vec!["x".into()])));
    item.edits.insert(Kind::Text, Operation::insert(1, Sequence::Text("é".to_owned())));
    (item.policy, item.fence) = (3, 1 << 40);
    (item.added, item.removed) = (vec![1.into()], vec![2.into(), 3.into()]);
    item.previous = Some("before".into());
    item.meanwhile = Meanwhile::Previous;
    item.user = Some("ann".into());
    let absent = Assertion { claim: Claim::Absent, ..some_claim(&mut Random::of(0)) };
    let absent = Assertion {
        dot: item.dot,
        context: Arc::clone(&item.context),
        stamp: item.stamp,
        path: Path::parse("list2").unwrap(),
        tag: Tag::Manual,
        edits: BTreeMap::new(),
        policy: 0,
        fence: 0,
        added: Vec::new(),
        removed: Vec::new(),
        previous: None,
        message: None,
        meanwhile: Meanwhile::First,
        ..absent
    };
    delta.items = vec![Arc::new(item), Arc::new(absent)];
    Message::Delta { document, genesis, delta }
}

fn three_authors() -> Message {
    let write = |author: usize, seq: u64, context: &[(usize, u64)], path: &str, ms: u64| {
        let Message::Delta { delta, .. } = one_write(path, seq) else { panic!("no delta") };
        let mut item = (*delta.items[0]).clone();
        item.dot = Dot { replica: replica(author), seq };
        item.context = Arc::new(context.iter().map(|(author, seq)| (replica(*author), *seq)).collect());
        item.stamp = Stamp::from_u64(((1_795_255_200_000 + ms) << 16) + ms % 3);
        Arc::new(item)
    };
    let items = vec![
        write(2, 1, &[(1, 1)], "app.name", 10),
        write(1, 2, &[(1, 1), (2, 1)], "app.name-2", 20),
        write(1, 3, &[(1, 2), (2, 1)], "app.names", 21),
        write(3, 1, &[(1, 3), (2, 1)], "app", 5),
    ];
    let to = [(replica(1), 5), (replica(2), 1), (replica(3), 1)].into_iter().collect();
    let (document, genesis) = (DocumentName::default_name(), Genesis::from_bytes(id(9)));
    Message::Delta { document, genesis, delta: Delta { since: VersionVector::default(), to, base: None, items } }
}
