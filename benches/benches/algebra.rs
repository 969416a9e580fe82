//! Merge, diff and hash, each beside what a program would do without confmesh and beside other libraries. The pure core is
//! enough: `cargo bench -p confmesh-benches --no-default-features --bench algebra`.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use confmesh::canonical::{canonical, content_hash};
use confmesh::diff::{Patch, diff};
use confmesh::format::{Format, parse};
use confmesh::merge::{Layer, merge};
use confmesh::{Policy, Value};
use confmesh_benches::documents::{base, layers, leaves, mutated};
use confmesh_benches::{Report, contender, naive};
use figment::providers::{Format as _, Json as FigmentJson, Serialized};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

fn main() {
    let mut report = Report::new();
    for size in [50, 2_000, 100_000] {
        let document = base(size);
        report.group(format!("{size} leaves"));
        merging(&mut report, &document);
        differing(&mut report, &document);
        hashing(&mut report, &document);
        parsing(&mut report, &document);
    }
}

fn merging(report: &mut Report, document: &Value) {
    let values = layers(document);
    let ours: Vec<Layer> =
        values.iter().zip((0..5).rev()).map(|(v, at)| Layer::new(format!("layer{at}"), 10 * at, v.clone())).collect();
    let json: Vec<Json> = values.iter().map(to_json).collect();
    let policy = Policy::default();
    let json_patch = || {
        let (lowest, above) = json.split_first().expect("there are layers");
        let mut value = lowest.clone();
        above.iter().for_each(|layer| json_patch::merge(&mut value, layer));
        value
    };
    let figment = || {
        let all = json.iter().fold(figment::Figment::new(), |all, layer| all.merge(Serialized::defaults(layer)));
        all.extract::<Json>().expect("it merges")
    };
    let expected = naive::merged(&json);
    for (name, value) in
        [("confmesh", to_json(&merge(&ours, &policy).value)), ("json-patch", json_patch()), ("figment", figment())]
    {
        assert_eq!(value, expected, "{name} merges alike");
    }
    report.compare(
        "merge five layers",
        vec![
            contender("naive merge of serde_json values", || naive::merged(&json)),
            contender("confmesh, with provenance", || merge(&ours, &policy)),
            contender("json-patch merge", json_patch).note("RFC 7396; the clone of the lowest layer is counted"),
            contender("figment", figment).note("a tag a value tells the layer"),
        ],
    );

    let texts: Vec<String> = values.iter().map(canonical).collect();
    let from_texts = || {
        let layer = |(text, at): (&String, i32)| Layer::from_text("layer", 10 * at, text.as_str(), Format::Json);
        let layers: Vec<Layer> =
            texts.iter().zip((0..5).rev()).map(|layer_of| layer(layer_of).expect("it is JSON")).collect();
        merge(&layers, &policy)
    };
    let mut contenders = vec![
        contender("serde_json and naive merge", || {
            naive::merged_owned(texts.iter().map(|text| serde_json::from_str(text).expect("it is JSON")))
        }),
        contender("confmesh, with provenance and lines", from_texts).note("a line is looked up when asked for"),
        contender("figment", || {
            let all = texts.iter().fold(figment::Figment::new(), |all, text| all.merge(FigmentJson::string(text)));
            all.extract::<Json>().expect("it merges")
        })
        .note("no lines"),
    ];
    // With 100,000 leaves it works for more than a minute.
    if leaves(document) < 10_000 {
        contenders.push(
            contender("config-rs", || {
                let all = texts.iter().fold(config::Config::builder(), |all, text| {
                    all.add_source(config::File::from_str(text, config::FileFormat::Json))
                });
                all.build().expect("it merges")
            })
            .note("no lines; its own values, not turned into JSON"),
        );
    }
    report.compare("merge five JSON texts", contenders);
}

fn differing(report: &mut Report, old: &Value) {
    let new = mutated(old, 1, 7);
    let (old_json, new_json) = (to_json(old), to_json(&new));
    assert!(!naive::differences(&old_json, &new_json).is_empty());
    report.compare(
        "difference, 1 % of the leaves changed",
        vec![
            contender("naive pass over serde_json values", || naive::differences(&old_json, &new_json))
                .note("lists item by item; borrows the values"),
            contender("confmesh, change list", || diff(old, &new)).note("a list is one change"),
            contender("confmesh, RFC 6902 patch", || Patch::between(old, &new)).note("lists by common subsequence"),
            contender("json-patch", || json_patch::diff(&old_json, &new_json)).note("lists item by item"),
            contender("treediff", || {
                let mut found = treediff::tools::Recorder::default();
                treediff::diff(&old_json, &new_json, &mut found);
                found.calls.len()
            })
            .note("records every leaf, changed or not"),
        ],
    );
    let patch = Patch::between(old, &new);
    let peer = json_patch::diff(&old_json, &new_json);
    assert_eq!(patch.apply(old).expect("it fits"), new);
    report.compare(
        "apply that RFC 6902 patch",
        vec![
            contender("json-patch on a clone", || {
                let mut value = old_json.clone();
                json_patch::patch(&mut value, &peer).expect("it fits");
                value
            }),
            contender("confmesh", || patch.apply(old).expect("it fits")).note("shares what it does not touch"),
        ],
    );
    let (shared, same) = (old.with(&middle(old), 0.into()), old_json.clone());
    report.compare(
        "equal? one leaf differs",
        vec![
            contender("serde_json", || old_json == same).note("nothing differs"),
            contender("confmesh, two versions", || *old == shared),
        ],
    );
}

/// The path of a leaf in the middle.
fn middle(value: &Value) -> confmesh::Path {
    let mut paths = Vec::new();
    value.for_each_leaf(&mut |path, _| paths.push(path.clone()));
    paths.swap_remove(paths.len() / 2)
}

fn hashing(report: &mut Report, document: &Value) {
    let json = to_json(document);
    report.compare(
        "RFC 8785 bytes and SHA-256",
        vec![
            contender("serde_json and sha2", || Sha256::digest(serde_json::to_vec(&json).expect("it prints")))
                .note("sorted, not canonical"),
            contender("confmesh", || content_hash(document)),
            contender("serde_jcs and sha2", || Sha256::digest(serde_jcs::to_vec(&json).expect("it prints"))),
        ],
    );
}

fn parsing(report: &mut Report, document: &Value) {
    let text = canonical(document);
    report.compare(
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
