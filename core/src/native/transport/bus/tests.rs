use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{BusAddress, BusEvent, Line, LineState};
use crate::bus::To;
use crate::id::{DocumentName, InstanceId};

const LONG: Duration = Duration::from_secs(20);

#[test]
fn addresses_are_read_whole_and_shown_without_passwords() {
    for (text, shown) in [
        ("redis://10.0.0.7", "redis://10.0.0.7"),
        ("rediss://ann:p%40ss@broker.example:7000/2?key-file=/k&prefix=app", "rediss://ann@broker.example:7000/2"),
        ("redis://:secret@[::1]:6379", "redis://[::1]:6379"),
        ("mqtts://ann@b?keepalive=60&qos=1&prefix=apg%2Fconfig", "mqtts://ann@b"),
        (
            "kafka+tls://ann:secret@a:9093,[::1]?sasl=scram-512&compression=gzip&batch-bytes=1000&linger-ms=10",
            "kafka+tls://ann@a:9093,[::1]",
        ),
        ("memory://here", "memory://here"),
    ] {
        let is_missing = |kind: &str, is_built: bool| text.starts_with(kind) && !is_built;
        if is_missing("redis", cfg!(feature = "redis"))
            || is_missing("mqtt", cfg!(feature = "mqtt"))
            || is_missing("kafka", cfg!(feature = "kafka"))
        {
            continue;
        }
        let address = BusAddress::parse(text).unwrap();
        assert_eq!(address.to_string(), shown);
        assert!(!format!("{address:?}").contains("ss@") && !format!("{address:?}").contains("secret"));
    }
    for text in [
        "",
        "here",
        "amqp://h",
        "kafka://",
        "kafka://h:1,:2",
        "kafka://h/topic",
        "kafka://h?sasl=md5",
        "kafka://h?compression=zip",
        "kafka://h?linger-ms=501",
        "kafka://h?prefix=a/b",
        "redis://h?sasl=plain",
        "memory://",
        "redis://",
        "redis://h:0",
        "redis://h?x=y",
        "redis://h?ca=",
        "redis://%zz@h",
        "redis://h?keepalive=5",
        "mqtt://h?keepalive=0",
        "mqtt://h?qos=3",
        "mqtt://h?prefix=a%2B",
    ] {
        assert!(BusAddress::parse(text).is_err(), "{text}");
    }
    assert!(BusAddress::parse("memory://a").unwrap().seals());
}

/// The lines of so many instances to one bus, and what they hear.
fn lines(url: &str, count: u8) -> (Vec<Line>, mpsc::Receiver<(usize, BusEvent)>) {
    let address = BusAddress::parse(url).unwrap();
    let (events, heard) = mpsc::channel(64);
    let line = |number: u8| {
        let own = InstanceId::from_bytes([number; 16]);
        let events = (usize::from(number), events.clone());
        Line::spawn(&address, (&DocumentName::default_name(), own), events).unwrap()
    };
    ((0..count).map(line).collect(), heard)
}

#[test]
fn what_is_for_all_is_heard_by_all_and_what_is_for_one_by_that_one() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (lines, mut heard) = lines("memory://everybody", 3);
        let mut next = async || timeout(LONG, heard.recv()).await.unwrap().unwrap();
        for _ in 0..3 {
            assert!(matches!(next().await, (_, BusEvent::Up)));
        }
        assert!(lines.iter().all(|line| line.state() == LineState::Up));
        lines[0].publish(To::All, b"all".to_vec());
        let mut who = Vec::new();
        for _ in 0..3 {
            let (number, event) = next().await;
            assert!(matches!(event, BusEvent::Frame(frame) if frame == b"all"));
            who.push(number);
        }
        who.sort_unstable();
        assert_eq!(who, [0, 1, 2], "an echo is for the bus above to drop");
        lines[0].publish(To::One(InstanceId::from_bytes([2; 16])), b"one".to_vec());
        lines[1].publish(To::All, b"end".to_vec());
        let mut ones = Vec::new();
        for _ in 0..4 {
            let (number, event) = next().await;
            let BusEvent::Frame(frame) = event else { panic!("{event:?}") };
            ones.extend((frame == b"one").then_some(number));
        }
        assert_eq!(ones, [2]);
        for line in lines {
            line.close().await;
        }
    });
}
