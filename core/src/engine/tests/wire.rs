//! How instances that can do different things talk to each other.

use super::*;
use crate::protocol::{Offer, WireOptions};

/// Two instances that share `{"a":1}`, the first one made with these options.
fn pair(wire: WireOptions) -> World {
    let mut world = World::new();
    world.wire = wire;
    world.add(1, Some(r#"{"a":1}"#), false);
    world.wire = WireOptions::default();
    world.add(2, None, true);
    world
}

/// Delivers everything and gives what went over the wires.
fn run(world: &mut World, mut change: impl FnMut(Frame) -> Frame) -> Vec<Frame> {
    let mut seen = Vec::new();
    while let Some((to, peer, frame)) = world.wires.pop_front() {
        let frame = change(frame);
        world.hosts[to].engine.handle_message(peer, &frame, world.now);
        world.settle(to);
        seen.push(frame);
    }
    seen
}

fn is_binary(frame: &Frame) -> bool {
    matches!(frame, Frame::Binary(_))
}

#[test]
fn a_hello_is_a_text_and_says_what_its_sender_reads() {
    let mut world = pair(WireOptions::default());
    world.connect(1, 0);
    let hello = world.wires.iter().filter_map(|(_, _, frame)| frame.as_text()).find(|text| text.contains("\"hello\""));
    let hello = json(hello.unwrap());
    assert_eq!(hello.at(&path("versions")), Some(&json("[1]")));
    let codecs = if cfg!(feature = "binary") { r#"["binary1","json"]"# } else { r#"["json"]"# };
    assert_eq!(hello.at(&path("codecs")), Some(&json(codecs)));
    let compress = if cfg!(feature = "deflate") { Some(json(r#"["deflate"]"#)) } else { None };
    assert_eq!(hello.at(&path("compress")), compress.as_ref());
}

#[test]
fn instances_talk_binary_where_both_can() {
    let mut world = pair(WireOptions::default());
    world.connect(1, 0);
    world.run();
    world.set(0, "b.c", 2);
    let frames = run(&mut world, |frame| frame);
    world.set(1, "d", "x");
    world.run();
    world.assert_agreement(r#"{"a":1,"b":{"c":2},"d":"x"}"#);
    assert!(!frames.is_empty());
    assert_eq!(frames.iter().all(is_binary), cfg!(feature = "binary"), "{frames:?}");
}

#[test]
fn an_instance_that_only_reads_json_is_answered_in_json() {
    let mut world = pair(WireOptions { binary: false, compress_min_bytes: None, ..WireOptions::default() });
    world.connect(1, 0);
    let mut frames = run(&mut world, |frame| frame);
    world.set(0, "b", 2);
    world.set(1, "c", "x".repeat(5_000));
    frames.extend(run(&mut world, |frame| frame));
    world.assert_agreement(&format!(r#"{{"a":1,"b":2,"c":"{}"}}"#, "x".repeat(5_000)));
    assert!(frames.len() > 6 && !frames.iter().any(is_binary), "{frames:?}");
}

#[test]
fn an_instance_from_before_there_was_a_choice_gets_what_it_knows() {
    // Its hello names no codecs, and it ignores those of others.
    let silent = |frame: Frame| match &frame {
        Frame::Text(text) if text.contains("\"hello\"") => {
            let hello = json(text).without(&path("codecs")).without(&path("compress"));
            Frame::Text(crate::canonical::canonical(&hello).into())
        }
        _ => frame,
    };
    let mut world = pair(WireOptions { part_bytes: 100, ..WireOptions::default() });
    world.connect(1, 0);
    let mut frames = run(&mut world, silent);
    for at in 0..5 {
        world.set(0, &format!("k{at}"), at);
    }
    world.disconnect_all();
    world.connect(1, 0);
    frames.extend(run(&mut world, silent));
    world.assert_agreement(r#"{"a":1,"k0":0,"k1":1,"k2":2,"k3":3,"k4":4}"#);
    assert!(!frames.iter().any(is_binary));
    assert!(!frames.iter().any(|frame| frame.as_text().unwrap().contains("delta_part")), "it knows no parts");
}

#[test]
fn without_a_common_version_both_are_told_and_the_connection_goes_on() {
    let mut world = pair(WireOptions::default());
    world.connect(1, 0);
    let other = |frame: Frame| match &frame {
        Frame::Text(text) if text.contains("\"hello\"") => {
            let hello = json(text).with(&path("versions"), json("[7,8]"));
            Frame::Text(crate::canonical::canonical(&hello).into())
        }
        _ => frame,
    };
    run(&mut world, other);
    for at in 0..2 {
        let notices = world.notices(at);
        assert!(notices.contains("speaks [1], the other one [7, 8]"), "{at}: {notices}");
    }
    world.set(0, "b", 2);
    let frames = run(&mut world, other);
    assert!(!frames.iter().any(|frame| frame.as_text().is_none_or(|text| text.contains("\"delta\""))), "{frames:?}");
    let ((host, peer), _) = world.links[0];
    world.hosts[host].engine.handle_message(peer, r#"{"type":"ping"}"#, world.now);
    let answer = world.hosts[host].engine.poll_transmit().unwrap();
    assert!(answer.frame.as_text().unwrap().contains("\"pong\""), "{answer:?}");
}

#[test]
fn the_highest_common_codec_is_used_whatever_else_is_offered() {
    let offer = |codecs: &[&str]| Offer {
        versions: vec![3, 1],
        codecs: codecs.iter().map(|codec| (*codec).to_owned()).collect(),
        compress: Vec::new(),
    };
    for (ours, theirs, want) in [
        (&["binary1", "json"][..], &["binary9", "json", "binary1"][..], true),
        (&["binary1", "json"], &["json"], false),
        (&["json"], &["binary1", "json"], false),
        (&["binary1", "json"], &[], false),
    ] {
        let mut wire = Wire::default();
        wire.agree(&offer(ours), &offer(theirs)).unwrap();
        assert_eq!(wire.is_binary(), want, "{ours:?} {theirs:?}");
    }
}

#[test]
fn a_document_that_is_longer_than_a_frame_travels_in_parts() {
    for binary in [true, false] {
        let wire = WireOptions { binary, part_bytes: 40_000, compress_min_bytes: None };
        let mut world = pair(wire);
        for at in 0..100 {
            world.set(0, &format!("section{}.key{at}", at % 7), "x".repeat(1_200));
        }
        world.connect(1, 0);
        let frames = run(&mut world, |frame| frame);
        assert_eq!(world.value(1), world.value(0), "binary {binary}");
        assert!(frames.iter().all(|frame| frame.len() < 80_000));
        let whole: usize = frames.iter().map(Frame::len).sum();
        assert!(whole > 120_000 && frames.len() > 5, "{whole} bytes in {} frames", frames.len());
    }
}

#[test]
fn a_part_that_gets_lost_is_made_good_by_a_heartbeat() {
    let mut world = pair(WireOptions { part_bytes: 1_000, ..WireOptions::default() });
    world.connect(1, 0);
    world.run();
    world.disconnect_all();
    for at in 0..30 {
        world.set(0, &format!("key{at}"), at);
    }
    world.connect(1, 0);
    for _ in 0..3 {
        let (to, peer, frame) = world.wires.pop_front().unwrap();
        world.hosts[to].engine.handle_message(peer, &frame, world.now);
        world.settle(to);
    }
    assert!(world.wires.len() > 3, "{}", world.wires.len());
    world.wires.remove(2);
    world.run();
    assert_eq!(world.value(1), json(r#"{"a":1}"#), "nothing of it is applied");
    world.pass(12_000);
    assert_eq!(world.value(1), world.value(0));
    assert!(!world.notices(1).contains("differs"), "{}", world.notices(1));
}

#[test]
#[cfg(feature = "deflate")]
fn long_frames_are_compressed_and_a_bomb_changes_nothing() {
    for binary in [true, false] {
        long_frames(WireOptions { binary, ..WireOptions::default() });
    }
}

#[cfg(feature = "deflate")]
fn long_frames(wire: WireOptions) {
    let mut world = pair(wire);
    world.connect(1, 0);
    world.run();
    let text = "the quick brown fox. ".repeat(400);
    world.set(0, "text", text.as_str());
    let frames = run(&mut world, |frame| frame);
    assert_eq!(world.value(1), world.value(0));
    assert!(frames.iter().map(Frame::len).sum::<usize>() < text.len() / 5, "{frames:?}");

    let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 64 << 20], 9);
    // A delta, compressed, that would come to 64 MiB.
    let frame: Vec<u8> = [&[0xB1, 0xA1, 0x80, 0x80, 0x80, 0x20][..], &bomb].concat();
    let (_, (host, peer)) = world.links[0];
    let before = world.value(host);
    world.hosts[host].engine.handle_message(peer, &frame, world.now);
    world.settle(host);
    world.run();
    assert_eq!(world.value(host), before);
    assert!(world.notices(1 - host).contains("more bytes than is allowed"), "{}", world.notices(1 - host));
    world.set(0, "after", 1);
    world.run();
    assert_eq!(world.value(1), world.value(0));
}

#[test]
#[cfg(feature = "binary")]
fn peers_that_know_the_same_names_share_one_frame() {
    let mut world = pair(WireOptions::default());
    for byte in 3..=5 {
        world.add(byte, None, true);
    }
    for from in 1..5 {
        world.connect(from, 0);
        world.run();
    }
    let write = |world: &mut World, value: i32| {
        world.set(0, "app.port", value);
        let frames: Vec<Frame> = world.wires.iter().map(|(_, _, frame)| frame.clone()).collect();
        world.run();
        frames
    };
    let first = write(&mut world, 8_080);
    let second = write(&mut world, 9_090);
    for frames in [&first, &second] {
        assert_eq!(frames.len(), 4);
        assert!(frames.iter().all(|frame| frame.ptr_eq(&frames[0])), "{frames:?}");
    }
    assert!(second[0].len() + 5 < first[0].len() && second[0].len() <= 28, "{first:?} {second:?}");
    // One that comes back knows nothing, and gets its own.
    world.disconnect_all();
    for from in [4, 3, 2, 1] {
        world.connect(from, 0);
        world.run();
    }
    let third = write(&mut world, 8_080);
    assert!(third.iter().all(|frame| frame.len() > second[0].len()));
    assert_eq!(world.value(4), world.value(0));
}

#[test]
fn instances_that_agree_need_no_more_bytes_however_long_the_document_is() {
    let mut world = pair(WireOptions::default());
    world.connect(1, 0);
    world.run();
    let reconnect = |world: &mut World| -> usize {
        world.disconnect_all();
        world.connect(1, 0);
        run(world, |frame| frame).iter().map(Frame::len).sum()
    };
    world.set(0, "key", "some text");
    world.run();
    let before = reconnect(&mut world);
    for at in 0..60 {
        world.set(0, &format!("key{at}"), "some text that is a little longer");
    }
    world.run();
    let after = reconnect(&mut world);
    assert!(after <= before + 40, "{before} and then {after} bytes");
}

#[test]
fn frames_that_no_version_of_this_program_made_change_nothing() {
    let mut world = pair(WireOptions::default());
    world.connect(1, 0);
    world.run();
    let (_, (host, peer)) = world.links[0];
    let before = world.value(host);
    for frame in
        [&[0xB1][..], &[0xB1, 0xFF, 0xFF], &[0xB2, 1, 2, 3], &[0xB1, 0x21, 0, 1, 2], &[0x00], &[0xC1, 0xFF], &[]]
    {
        world.hosts[host].engine.handle_message(peer, frame, world.now);
        let answer = world.hosts[host].engine.poll_transmit();
        assert!(answer.is_some(), "{frame:?}");
        assert_eq!(world.value(host), before);
    }
    world.set(0, "b", 2);
    world.run();
    world.assert_agreement(r#"{"a":1,"b":2}"#);
}
