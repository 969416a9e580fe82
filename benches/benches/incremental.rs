//! One changed leaf: the new effective document and what changed, beside merging and comparing anew. The pure core is
//! enough: `cargo bench -p confmesh-benches --no-default-features --bench incremental`.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use std::cell::Cell;

use confmesh::diff::diff;
use confmesh::merge::{Layer, Merged, merge};
use confmesh::value::Str;
use confmesh::{Path, Policy, Value};
use confmesh_benches::documents::{base, layers};
use confmesh_benches::{Report, contender};

fn main() {
    let mut report = Report::new();
    for size in [50, 2_000, 100_000] {
        report.group(format!("{size} leaves"));
        one_leaf(&mut report, &layers(&base(size)));
    }
    report.group("100000 keys in one map".to_owned());
    let flat: Value = (0..100_000u32).map(|at| (Str::from(format!("key-{at:06}")), at)).collect();
    let layers = layers(&flat);
    one_leaf(&mut report, &layers);
    reached(&mut report, &layers);
}

/// The path of a leaf in the middle that only the lowest layer holds.
fn middle(layers: &[Value]) -> Path {
    let mut paths = Vec::new();
    let (lowest, above) = layers.split_first().expect("there are layers");
    lowest.for_each_leaf(&mut |path, value| {
        let free = above.iter().all(|layer| layer.at(path).is_none());
        if free && value.as_list().is_none() {
            paths.push(path.clone());
        }
    });
    paths.swap_remove(paths.len() / 2)
}

fn as_layers(values: &[Value]) -> Vec<Layer> {
    let priorities = (0..5).rev();
    values.iter().zip(priorities).map(|(v, at)| Layer::new(format!("layer{at}"), 10 * at, v.clone())).collect()
}

/// The same layers with another value at a path of one of them, each version once.
fn versions(values: &[Value], at: usize, path: &Path) -> [Vec<Layer>; 2] {
    ["one", "other"].map(|text| {
        let mut layers = as_layers(values);
        if let Some(layer) = layers.get_mut(at) {
            layer.value = layer.value.with(path, text.into());
        }
        layers
    })
}

fn one_leaf(report: &mut Report, values: &[Value]) {
    let path = middle(values);
    let policy = Policy::default();
    let turn = Cell::new(0usize);
    let next = || {
        turn.set(turn.get() + 1);
        turn.get() % 2
    };
    for (case, at) in [("one leaf of the lowest layer changes", 0), ("one leaf of the highest layer changes", 4)] {
        let versions = versions(values, at, &path);
        let merged: Vec<Merged> = versions.iter().map(|layers| merge(layers, &policy)).collect();
        // From each version to the other one, as an engine goes from change to change.
        let from = |to: usize| merged.get(1 - to).expect("there are two");
        let layers = |to: usize| versions.get(to).expect("there are two");
        for to in [0, 1] {
            let updated = from(to).update(layers(to), &policy);
            assert_eq!(updated.value, merge(layers(to), &policy).value, "both merge alike");
            assert_eq!(diff(&from(to).value, &updated.value).len(), 1, "one leaf changed");
        }
        report.compare(
            case,
            vec![
                contender("merge anew, with the change list", || {
                    let to = next();
                    let new = merge(layers(to), &policy);
                    let changes = diff(&from(to).value, &new.value);
                    (new, changes)
                }),
                contender("confmesh, with the change list", || {
                    let to = next();
                    let new = from(to).update(layers(to), &policy);
                    let changes = diff(&from(to).value, &new.value);
                    (new, changes)
                }),
            ],
        );
    }
    let old = merge(&as_layers(values), &policy).value;
    let new = old.with(&path, "other".into());
    let unshared = confmesh::format::parse(&confmesh::canonical::canonical(&new), confmesh::format::Format::Json)
        .expect("canonical text is JSON");
    report.compare(
        "difference of one leaf",
        vec![
            contender("documents that share nothing", || diff(&old, &unshared)),
            contender("confmesh, two versions of one document", || diff(&old, &new)),
            contender("confmesh, setting the leaf", || old.with(&path, "other".into())),
        ],
    );
}

/// Changes of one leaf each in places far apart, so that no cache holds the way.
fn reached(report: &mut Report, values: &[Value]) {
    let policy = Policy::default();
    let base = values.first().expect("there is a base");
    let mut paths = Vec::new();
    base.for_each_leaf(&mut |path, _| paths.push(path.clone()));
    let merged = merge(&as_layers(values), &policy);
    let edited: Vec<Vec<Layer>> = (0..1_000)
        .map(|at| {
            let path = paths.get(at * 7_919 % paths.len()).expect("there are leaves");
            let mut layers = as_layers(values);
            if let Some(layer) = layers.last_mut() {
                layer.value = layer.value.with(path, "other".into());
            }
            layers
        })
        .collect();
    let turn = Cell::new(0usize);
    report.compare(
        "one leaf of the highest layer, another one every time",
        vec![contender("confmesh, with the change list", || {
            turn.set(turn.get() + 1);
            let new = merged.update(edited.get(turn.get() % edited.len()).expect("there are some"), &policy);
            let changes = diff(&merged.value, &new.value);
            (new, changes)
        })],
    );
}
