//! Frames byte for byte.

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(32)
        .map(|line| line.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")) + "\n")
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// `golden.txt` holds frames that were released: a case is added, never edited.
#[test]
fn the_bytes_of_every_message_are_those_that_were_released() {
    let golden = include_str!("../golden.txt");
    let mut cases: Vec<(&str, Message)> = vec![
        ("a ping", Message::Ping),
        ("a pong", Message::Pong),
        ("one live write of a text", one_write("app.port", "twelve bytes")),
        ("one live write of a map with every kind of value", one_write("app", every_value())),
        ("every part that a write can have", every_part()),
        ("writes of three authors that heard of each other", three_authors()),
    ];
    let document = DocumentName::parse("team/app").unwrap();
    let seen: VersionVector = [(replica(1), 300), (replica(2), 1)].into_iter().collect();
    let error = Error::new(Code::ForeignDocument, "another document").with_hint("decide");
    cases.extend([
        ("a pull of a document of a tenant", Message::Pull { document: document.clone(), seen: seen.clone() }),
        ("an ack", Message::Ack { document: DocumentName::default_name(), seen }),
        ("an error with a hint", Message::Error { error, request_id: None }),
    ]);
    let Message::Delta { document, genesis, delta } = one_write("app.port", 8080) else { panic!("no delta") };
    let part = Part { number: 2, count: 3 };
    cases.push(("the second of three parts", Message::Part { document, genesis, part, delta }));
    cases.push(("a snapshot: what a replica settled to, and a write since", snapshot()));
    cases.push(("a conditional write: what it was built on, and what was lost", conditional()));
    cases.push(("a write with the words that say why", explained()));
    let blocks = cases.iter().map(|(says, message)| format!("# {says}\n{}", hex(&alone(message))));
    let made = blocks.collect::<Vec<_>>().join("\n");
    assert!(golden.ends_with(&made), "the binary form changed:\n{made}");
    let frames: Vec<Vec<u8>> =
        golden.split("\n# ").skip(1).map(|block| unhex(block.split_once('\n').unwrap().1)).collect();
    assert_eq!(frames.len(), cases.len());
    for (frame, (says, message)) in frames.iter().zip(&cases) {
        assert_eq!(read(frame).unwrap(), *message, "{says}");
    }
}

fn explained() -> Message {
    let Message::Delta { document, genesis, mut delta } = one_write("jobs", 8) else { panic!("no delta") };
    let item = Assertion { message: Some("too slow".into()), ..Assertion::clone(&delta.items[0]) };
    delta.items = vec![Arc::new(item)];
    Message::Delta { document, genesis, delta }
}

fn conditional() -> Message {
    let Message::Delta { document, genesis, mut delta } = one_write("jobs", 8) else { panic!("no delta") };
    let stretch = |author, first, last| Stretch { replica: replica(author), first, last };
    let links = Links::of(vec![stretch(2, 7, 7), stretch(1, 200, 300)], true).unwrap();
    let run = Run { links, lost: Links::of(vec![stretch(1, 150, 180)], false).unwrap() };
    let item = Assertion { run: Some(Arc::new(run)), ..Assertion::clone(&delta.items[0]) };
    delta.items = vec![Arc::new(item)];
    Message::Delta { document, genesis, delta }
}

#[test]
fn a_run_of_more_writes_than_are_allowed_is_refused_before_it_is_read() {
    let frame = alone(&conditional());
    let Message::Delta { delta, .. } = read(&frame).unwrap() else { panic!("no delta") };
    let links = &delta.items[0].run.as_ref().unwrap().links;
    assert_eq!(links.stretches().len(), 2);
    // The head of what it was built on is `2n + 1`; its first author follows.
    let author = replica(2);
    let at = frame.windows(16).rposition(|bytes| bytes == author.as_bytes()).unwrap() - 2;
    assert_eq!(frame[at], 5);
    for head in [2 * 65, 127, 7] {
        let mut bad = frame.clone();
        bad[at] = head as u8;
        assert!(read(&bad).is_err(), "{head}");
    }
}

fn snapshot() -> Message {
    let Message::Delta { document, genesis, delta } = one_write("app.port", 8080) else { panic!("no delta") };
    let mut settled = Replica::new(replica(1), genesis);
    let value = Some([("tls", true)].into_iter().collect());
    let edits = [Edit { path: Path::parse("app").unwrap(), value }];
    settled.write(&Value::empty_map(), &edits, &WriteOptions::under(&Policy::default()), 1_795_255_200_123).unwrap();
    settled.settle(&settled.view()).unwrap();
    let base = Some(Arc::new(settled.base().unwrap().clone()));
    Message::Delta { document, genesis, delta: Delta { since: VersionVector::default(), base, ..delta } }
}
