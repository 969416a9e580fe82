//! Merge, diff and hash, each beside what a program would do without confmesh. `make bench` runs it.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use confmesh::canonical::{canonical, content_hash};
use confmesh::diff::{Patch, diff};
use confmesh::format::{Format, parse};
use confmesh::merge::{Layer, merge};
use confmesh::{Policy, Value};
use confmesh_benches::documents::{base, leaves, mutated, overlay};
use confmesh_benches::{compare, contender};
use sha2::{Digest, Sha256};

type Json = serde_json::Value;

fn main() {
    for size in [50, 2_000, 100_000] {
        let document = base(size);
        let count = leaves(&document);
        println!("\n== {count} leaves, {} bytes of JSON\n", canonical(&document).len());
        merging(&document);
        differing(&document);
        hashing(&document);
    }
}

fn merging(document: &Value) {
    let values: Vec<Value> =
        std::iter::once(document.clone()).chain((1..5).map(|seed| overlay(document, seed))).collect();
    let layers: Vec<Layer> =
        values.iter().zip((0..5).rev()).map(|(v, at)| Layer::new(format!("layer{at}"), 10 * at, v.clone())).collect();
    let json: Vec<Json> = values.iter().map(to_json).collect();
    let texts: Vec<String> = values.iter().map(canonical).collect();
    let policy = Policy::default();
    let merged = merge(&layers, &policy).value;
    assert_eq!(to_json(&merged), naive(&json), "both merge alike");
    compare(
        "merge five layers",
        vec![
            contender("naive recursive merge of serde_json values", || naive(&json)),
            contender("confmesh, with provenance", || merge(&layers, &policy)),
        ],
    );
    compare(
        "merge five layers from JSON text",
        vec![
            contender("serde_json and naive merge", || {
                let json: Vec<Json> = texts.iter().map(|t| serde_json::from_str(t).expect("it is JSON")).collect();
                naive(&json)
            }),
            contender("confmesh, with provenance and origins", || {
                let layers: Vec<Layer> = texts
                    .iter()
                    .zip((0..5).rev())
                    .map(|(text, at)| {
                        Layer::from_text("layer", 10 * at, text.as_str(), Format::Json).expect("it is JSON")
                    })
                    .collect();
                merge(&layers, &policy)
            }),
        ],
    );
}

fn differing(old: &Value) {
    let new = mutated(old, 1, 7);
    let (old_json, new_json) = (to_json(old), to_json(&new));
    compare(
        "diff, 1 % of the leaves changed",
        vec![
            contender("json-patch diff", || json_patch::diff(&old_json, &new_json)),
            contender("confmesh change list", || diff(old, &new)),
            contender("confmesh RFC 6902 patch", || Patch::between(old, &new)),
        ],
    );
    let patch = Patch::between(old, &new);
    let peer = json_patch::diff(&old_json, &new_json);
    assert_eq!(patch.apply(old).expect("it fits"), new);
    compare(
        "apply that patch",
        vec![
            contender("json-patch, after a clone", || {
                let mut value = old_json.clone();
                json_patch::patch(&mut value, &peer).expect("it fits");
                value
            }),
            contender("confmesh", || patch.apply(old).expect("it fits")),
        ],
    );
}

fn hashing(document: &Value) {
    let json = to_json(document);
    compare(
        "canonical bytes and SHA-256",
        vec![
            contender("serde_json and sha2 (not canonical)", || {
                Sha256::digest(serde_json::to_vec(&json).expect("it prints"))
            }),
            contender("confmesh, RFC 8785", || content_hash(document)),
        ],
    );
    let text = canonical(document);
    compare(
        "parse JSON",
        vec![
            contender("serde_json", || serde_json::from_str::<Json>(&text).expect("it is JSON")),
            contender("confmesh", || parse(&text, Format::Json).expect("it is JSON")),
        ],
    );
}

fn to_json(value: &Value) -> Json {
    serde_json::from_str(&canonical(value)).expect("canonical text is JSON")
}

fn naive(layers: &[Json]) -> Json {
    fn merge(under: &mut Json, over: &Json) {
        match (under, over) {
            (Json::Object(under), Json::Object(over)) => {
                for (key, value) in over {
                    match under.get_mut(key) {
                        Some(old) => merge(old, value),
                        None => drop(under.insert(key.clone(), value.clone())),
                    }
                }
            }
            (under, over) => *under = over.clone(),
        }
    }
    let mut layers = layers.iter();
    let mut merged = layers.next().cloned().unwrap_or_default();
    layers.for_each(|layer| merge(&mut merged, layer));
    merged
}
