//! The bytes on the heap that documents take. The pure core is enough:
//! `cargo bench -p confmesh-benches --no-default-features --bench memory`.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use std::alloc::System;

use cap::Cap;
use confmesh::Policy;
use confmesh::canonical::canonical;
use confmesh::format::{Format, parse};
use confmesh::merge::{Layer, merge};
use confmesh_benches::documents::{base, layers};
use confmesh_benches::{Report, naive};
use serde_json::Value as Json;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

fn main() {
    let mut report = Report::new();
    for size in [50, 2_000, 100_000] {
        report.group(format!("{size} leaves"));
        let texts: Vec<String> = layers(&base(size)).iter().map(canonical).collect();
        let json = || texts.iter().map(|text| serde_json::from_str::<Json>(text).expect("it is JSON"));
        let layer = |(text, at): (&String, i32)| {
            Layer::new(format!("layer{at}"), 10 * at, parse(text, Format::Json).expect("it is JSON"))
        };
        let with_text = |(text, at): (&String, i32)| layer((text, at)).with_text(text.as_str(), Format::Json);
        let merged = || merge(&texts.iter().zip((0..5).rev()).map(layer).collect::<Vec<_>>(), &Policy::default());
        let effective = canonical(&merged().value);
        report.figures(
            "memory of the effective document",
            "kB",
            &[
                ("serde_json", kilobytes(|| naive::merged_owned(json())), "no provenance"),
                (
                    "confmesh, alone",
                    kilobytes(|| parse(&effective, Format::Json).expect("it is JSON")),
                    "no provenance",
                ),
                ("confmesh, with provenance", kilobytes(merged), "all five layers, which account for every value"),
                (
                    "confmesh, with provenance and lines",
                    kilobytes(|| {
                        merge(&texts.iter().zip((0..5).rev()).map(with_text).collect::<Vec<_>>(), &Policy::default())
                    }),
                    "the texts too",
                ),
                (
                    "serde_json, document and layers",
                    kilobytes(|| {
                        let layers: Vec<Json> = json().collect();
                        (naive::merged(&layers), layers)
                    }),
                    "what a program would keep to tell where a value comes from",
                ),
            ],
        );
    }
}

/// What is on the heap for as long as the result lives.
fn kilobytes<T>(make: impl FnOnce() -> T) -> f64 {
    let before = HEAP.allocated();
    let made = make();
    let taken = HEAP.allocated() - before;
    drop(made);
    taken as f64 / 1e3
}
