//! The bodies of the fuzz targets: each takes any bytes and panics where a promise of the core is broken.
//!
//! `fuzz/` runs them under libFuzzer; `tests/tests/fuzz.rs` replays seeds, kept crashers and some thousand mutations on
//! the stable compiler, as part of every test run. A target that takes several texts finds them between lines of `%%`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a target says by a panic what it found")]

mod documents;
mod texts;
mod wire;

use confmesh::canonical::canonical;
use confmesh::format::{Format, parse};
use confmesh::limits::MAX_DEPTH;
use confmesh::{Path, Value};

/// One fuzz target.
pub struct Target {
    /// Its name: also that of its program, and of its folders of seeds and crashers.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident: $run:expr;)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $run }),*];
    };
}

targets! {
    parse_json: |data| texts::parses(Format::Json, data);
    parse_jsonc: |data| texts::parses(Format::Jsonc, data);
    parse_yaml: |data| texts::parses(Format::Yaml, data);
    parse_toml: |data| texts::parses(Format::Toml, data);
    parse_dotenv: |data| texts::parses(Format::Dotenv, data);
    parse_ini: |data| texts::parses(Format::Ini, data);
    parse_json5: |data| texts::parses(Format::Json5, data);
    parse_properties: |data| texts::parses(Format::Properties, data);
    rewrite_json: |data| texts::rewrites(Format::Json, data);
    rewrite_jsonc: |data| texts::rewrites(Format::Jsonc, data);
    rewrite_yaml: |data| texts::rewrites(Format::Yaml, data);
    rewrite_toml: |data| texts::rewrites(Format::Toml, data);
    rewrite_dotenv: |data| texts::rewrites(Format::Dotenv, data);
    rewrite_ini: |data| texts::rewrites(Format::Ini, data);
    rewrite_json5: |data| texts::rewrites(Format::Json5, data);
    rewrite_properties: |data| texts::rewrites(Format::Properties, data);
    documents_yaml: texts::documents;
    path: documents::path;
    pattern: documents::pattern;
    patch: documents::patch;
    merge_patch: documents::merge_patch;
    three_way: documents::three_way;
    merge: documents::merge;
    interpolate: documents::interpolate;
    schema: documents::schema;
    frame: wire::frame;
    delta: wire::delta;
    sequence: wire::sequence;
    engine: wire::engine;
}

/// Runs the target of that name.
///
/// # Panics
/// Where the target finds a broken promise, or where there is no such target.
pub fn run(name: &str, data: &[u8]) {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => (target.run)(data),
        None => panic!("no target `{name}`"),
    }
}

/// The texts between the lines of `%%`, as many as there are.
fn parts(data: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(data).split("\n%%\n").map(str::to_owned).collect()
}

/// `N` JSON documents; none where one is missing or no JSON.
fn json_parts<const N: usize>(data: &[u8]) -> Option<[Value; N]> {
    let values: Result<Vec<Value>, _> = parts(data).iter().map(|text| parse(text, Format::Json)).collect();
    values.ok()?.try_into().ok()
}

/// Holds what is true of every value that anything gives back.
#[track_caller]
fn assert_sound(value: &Value) {
    assert!(value.depth() <= MAX_DEPTH, "nested {} levels deep", value.depth());
    let text = canonical(value);
    let read = parse(&text, Format::Json);
    assert_eq!(read.as_ref(), Ok(value), "canonical text reads back");
    assert_eq!(canonical(&read.unwrap()), text, "canonical text is a fixpoint");
}

/// Every path of a document, parents first, at most `most`.
pub(crate) fn paths(value: &Value, most: usize) -> Vec<Path> {
    fn walk(path: &Path, value: &Value, most: usize, out: &mut Vec<Path>) {
        if out.len() >= most {
            return;
        }
        out.push(path.clone());
        match value {
            Value::Map(map) => map.iter().for_each(|(key, child)| walk(&path.child(key), child, most, out)),
            Value::List(list) => {
                let items = list.iter().enumerate();
                items.for_each(|(at, child)| walk(&path.child(&at.to_string()), child, most, out));
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(&Path::root(), value, most, &mut out);
    out
}
