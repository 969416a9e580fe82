//! What the format of a bound file cannot hold stays out of it, and everything else goes on.

use super::*;
use crate::format::parse;

const FORMATS: [Format; 8] = [
    Format::Json,
    Format::Jsonc,
    Format::Json5,
    Format::Yaml,
    Format::Toml,
    Format::Dotenv,
    Format::Ini,
    Format::Properties,
];

fn bound(world: &mut World, byte: u8, format: Format, text: Option<&str>, has_peers: bool) {
    let binding = FileBinding { id: format!("{byte}.{}", format.name()).into(), format, is_named: false };
    let options = DocumentOptions { shared: true, file: Some(binding), has_peers, ..Default::default() };
    world.add_with(byte, text, options);
}

fn read(world: &World, at: usize, format: Format) -> Value {
    parse(world.hosts[at].file.as_deref().unwrap(), format).unwrap()
}

fn paths(parts: &[crate::format::LeftOut]) -> Vec<String> {
    parts.iter().map(|part| part.path.to_string()).collect()
}

#[test]
fn the_rest_goes_on_being_mirrored_in_every_pair_of_formats_and_both_ways() {
    for (from, to) in FORMATS.into_iter().flat_map(|from| FORMATS.map(|to| (from, to))) {
        let mut world = World::new();
        bound(
            &mut world,
            1,
            from,
            Some(crate::format::print(&json(r#"{"first":"1"}"#), from).unwrap().as_str()),
            false,
        );
        bound(&mut world, 2, to, None, true);
        world.connect(1, 0);
        world.run();
        let mut document = json(r#"{"first":"1"}"#);
        let values =
            ["null", "[1,null]", "[]", "{}", r#"{"x":{"y":null,"z":"a"}}"#, "18446744073709551615", r#""text""#];
        for (number, value) in values.iter().enumerate() {
            for (writer, key) in [(0, format!("k{number}")), (1, format!("odd key {number}"))] {
                let key = Path::root().child(&key);
                document = document.with(&key, json(value));
                let now = world.now;
                world.hosts[writer].engine.set(&name(), key, json(value), now);
                world.now.wall_ms += 1;
                world.settle(writer);
                world.run();
            }
        }
        for (at, format) in [(0, from), (1, to)] {
            assert_eq!(world.value(at), document, "{from:?} {to:?}");
            let held = crate::format::held(&document, format);
            assert_eq!(read(&world, at, format), held.value, "{from:?} {to:?}: the file of {at}");
            let status = world.hosts[at].engine.status().remove(0);
            assert_eq!(status.left_out, held.left_out, "{from:?} {to:?}");
            assert_eq!(status.sources.last().unwrap().state, SourceState::Fresh);
        }
        // A person edits what each file shows: nothing that it cannot show goes, and no type changes.
        for (at, format) in [(0, from), (1, to)] {
            let mut shown = read(&world, at, format);
            shown = shown.with(&path("first"), format!("by {at}").into());
            document = document.with(&path("first"), format!("by {at}").into());
            let text = crate::format::rewrite(world.hosts[at].file.as_deref().unwrap(), format, &shown).unwrap();
            world.save(at, &text);
            world.run();
            assert_eq!(world.value(1 - at), document, "{from:?} {to:?}: the edit of {at}");
        }
        for at in 0..2 {
            let times = world.notices(at).matches("cannot hold").count();
            let left_out = world.hosts[at].engine.status().remove(0).left_out.len();
            assert_eq!(times, left_out, "told once each: {}", world.notices(at));
        }
    }
}

#[test]
fn the_receipt_of_a_write_names_what_stays_out_of_the_file_and_why() {
    let mut world = World::new();
    bound(&mut world, 1, Format::Toml, Some("a = 1\n"), false);
    let request = world.set(0, "b", json(r#"{"x":null,"y":1}"#));
    let receipt = world.answer(0, request).unwrap().unwrap();
    assert_eq!(paths(&receipt.left_out), ["b.x"]);
    assert_eq!(receipt.left_out[0].reason, "TOML cannot hold null");
    assert_eq!(receipt.left_out[0].format, Format::Toml);
    let request = world.set(0, "c", 2);
    assert!(world.answer(0, request).unwrap().unwrap().left_out.is_empty());
    assert_eq!(world.hosts[0].file.as_deref(), Some("a = 1\nc = 2\n\n[b]\ny = 1\n"));
}

#[test]
fn a_text_in_an_untyped_file_takes_the_type_of_the_value_that_it_changes() {
    let mut world = World::new();
    bound(&mut world, 1, Format::Ini, Some("a = x\n"), false);
    world.set(0, "n", json(r#"{"port":80,"on":true,"name":"1"}"#));
    let text = world.hosts[0].file.clone().unwrap();
    world.save(0, &text.replace("80", "8080").replace("true", "false").replace("name = 1", "name = 2"));
    assert_eq!(world.value(0), json(r#"{"a":"x","n":{"port":8080,"on":false,"name":"2"}}"#));
    world.save(0, &text.replace("80", "high"));
    assert_eq!(world.value(0).at(&path("n.port")), Some(&"high".into()));
}

#[test]
fn a_section_that_is_removed_from_a_file_keeps_what_the_file_could_not_show() {
    let mut world = World::new();
    bound(&mut world, 1, Format::Toml, Some("a = 1\n"), false);
    world.set(0, "b", json(r#"{"x":null,"y":1}"#));
    world.save(0, "a = 1\n");
    assert_eq!(world.value(0), json(r#"{"a":1,"b":{"x":null}}"#));
    assert_eq!(world.hosts[0].file.as_deref(), Some("a = 1\n"));
}
