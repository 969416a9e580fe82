//! Sources of one document, as an engine is fed with them: missing, broken, replaced, counted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::sync::Arc;

use confmesh::clock::Now;
use confmesh::diff::ChangeOp;
use confmesh::engine::{ChangeEvent, DocumentOptions, Engine, EngineConfig, Event, Snapshot, SourceState};
use confmesh::format::{Format, parse};
use confmesh::id::{DocumentName, InstanceId};
use confmesh::merge::{Layer, merge, priority};
use confmesh::policy::{MergeStrategy, Rule};
use confmesh::{Code, Path, Pattern, Policy, Result, Value};

const NOW: Now = Now { wall_ms: 1_000_000, mono_ms: 0 };

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn file(id: &str, priority: i32, text: &str) -> Result<Option<Layer>> {
    Layer::from_text(id, priority, text, Format::Json).map(Some)
}

/// One document without a network, and what happened to it.
struct Document {
    engine: Engine,
    name: DocumentName,
}

impl Document {
    fn of(sources: &[(&str, i32)]) -> Document {
        let config = EngineConfig::new(InstanceId::from_bytes([1; 16]), [2; 32]);
        let mut engine = Engine::new(config, []).unwrap();
        let name = DocumentName::default_name();
        let sources = sources.iter().map(|(id, priority)| ((*id).into(), *priority)).collect();
        engine.open(name.clone(), DocumentOptions { sources, ..DocumentOptions::default() }, NOW);
        Document { engine, name }
    }

    /// A source says what it loaded; what visibly changed.
    fn feed(&mut self, id: &str, outcome: Result<Option<Layer>>) -> Vec<ChangeEvent> {
        while self.engine.poll_event().is_some() {}
        self.engine.handle_layer(&self.name, id, outcome, NOW);
        let events = std::iter::from_fn(|| self.engine.poll_event());
        events.filter_map(|event| if let Event::Changed(change) = event { Some(change) } else { None }).collect()
    }

    fn now(&self) -> Arc<Snapshot> {
        self.engine.snapshot(&self.name).unwrap()
    }

    fn state(&self, id: &str) -> SourceState {
        let sources = self.engine.status().remove(0).sources;
        sources.into_iter().find(|source| source.id == *id).unwrap().state
    }
}

#[test]
fn a_missing_source_is_an_empty_layer_and_the_others_merge() {
    let mut document = Document::of(&[("file:a.json", 10), ("file:b.json", 20)]);
    let before = document.now();
    assert!(document.feed("file:a.json", Ok(None)).is_empty(), "no data: nothing happens");
    assert_eq!((&document.now().value, document.now().revision), (&Value::empty_map(), before.revision));
    document.feed("file:b.json", file("file:b.json", 20, r#"{"port": 80}"#));
    assert_eq!(document.now().value, json(r#"{"port": 80}"#));
    assert_eq!(document.state("file:a.json"), SourceState::Missing);
    assert_eq!(document.now().provenance(), [(path("port"), "file:b.json".to_owned())]);
}

#[test]
fn a_source_that_breaks_is_told_with_its_place_keeps_its_last_good_content_and_stops_no_other() {
    let mut document = Document::of(&[("file:a.json", 10), ("file:b.json", 20)]);
    document.feed("file:a.json", file("file:a.json", 10, r#"{"port": 1}"#));
    document.feed("file:b.json", file("file:b.json", 20, r#"{"port": 2, "host": "b"}"#));
    let broken = file("file:a.json", 10, "{\n  \"port\": }").unwrap_err();
    assert_eq!(broken.to_string().split(": ").next(), Some("file:a.json:2:11"));
    assert!(document.feed("file:a.json", Err(broken.clone())).is_empty());
    assert_eq!(document.now().value, json(r#"{"port": 1, "host": "b"}"#), "no lower value shines through");
    assert_eq!(document.state("file:a.json"), SourceState::Stale(broken));
    document.feed("file:b.json", file("file:b.json", 20, r#"{"port": 2, "host": "c"}"#));
    assert_eq!(document.now().value, json(r#"{"port": 1, "host": "c"}"#), "the other goes on");
    document.feed("file:a.json", Ok(None));
    assert_eq!(document.now().value.at(&path("port")), Some(&1.into()), "nor when it vanishes");
}

#[test]
fn a_document_that_is_no_map_is_refused_and_stops_no_other_source() {
    for text in ["[1, 2]", "1", "\"text\"", "null"] {
        let error = file("file:a.json", 10, text).unwrap_err();
        assert_eq!(error.code(), Code::NotAMap, "{text}");
        assert_eq!(error.origin().unwrap().source, "file:a.json");
        let mut document = Document::of(&[("file:a.json", 10), ("file:b.json", 20)]);
        document.feed("file:a.json", Err(error));
        document.feed("file:b.json", file("file:b.json", 20, r#"{"port": 80}"#));
        assert_eq!(document.now().value, json(r#"{"port": 80}"#));
    }
}

#[test]
fn a_source_that_is_added_again_replaces_itself_and_the_report_counts_sources() {
    let mut document = Document::of(&[]);
    for text in [r#"{"a": 1}"#, r#"{"b": 2}"#] {
        document.feed("file:x.json", file("file:x.json", 30, text));
    }
    document.feed("env:APP", Layer::from_env("APP", [("APP_C".to_owned(), "3".to_owned())]).map(Some));
    assert_eq!(document.now().value, json(r#"{"b": 2, "c": "3"}"#));
    let sources = document.engine.status().remove(0).sources;
    let named: Vec<&str> = sources.iter().map(|source| source.id.as_str()).collect();
    assert_eq!(named, ["env:APP", "file:x.json"], "highest first");
    let accounts = document.now().provenance();
    assert_eq!(accounts, [(path("b"), "file:x.json".to_owned()), (path("c"), "env:APP".to_owned())], "key to source");
}

#[test]
fn sources_merge_by_priority_in_whatever_order_they_load() {
    let layers = [("base", 30, "1"), ("environment", 20, "2"), ("local", 10, "3")];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut document = Document::of(&[]);
        for at in order {
            let (id, priority, port) = layers[at];
            document.feed(id, file(id, priority, &format!(r#"{{"port": {port}, "{id}": true}}"#)));
        }
        let snapshot = document.now();
        assert_eq!(snapshot.value, json(r#"{"port": 3, "base": true, "environment": true, "local": true}"#));
        let explained = snapshot.explain(&path("port")).unwrap();
        let others: Vec<&str> = explained.others.iter().map(|other| other.source.as_str()).collect();
        assert_eq!((explained.winner.unwrap().source.as_str(), others), ("local", vec!["environment", "base"]));
    }
}

#[test]
fn a_key_that_no_source_holds_any_more_is_gone_and_told_as_removed() {
    let mut document = Document::of(&[]);
    document.feed("a", file("a", 10, r#"{"keep": 1, "gone": 2, "deep": {"x": 1, "y": 2}}"#));
    let old = document.now();
    let changes = document.feed("a", file("a", 10, r#"{"keep": 1, "deep": {"y": 2}}"#));
    assert_eq!(document.now().value, json(r#"{"keep": 1, "deep": {"y": 2}}"#));
    let told: Vec<_> = changes[0].changes.iter().map(|change| (change.op(), change.path.to_string())).collect();
    assert_eq!(told, [(ChangeOp::Removed, "deep.x".to_owned()), (ChangeOp::Removed, "gone".to_owned())]);
    assert_eq!(changes[0].snapshot.value, document.now().value, "what is announced is what is read");
    assert_eq!(old.value, json(r#"{"keep": 1, "gone": 2, "deep": {"x": 1, "y": 2}}"#), "a snapshot never changes");
    assert_eq!(document.now().revision, old.revision + 1);
    assert!(document.feed("a", file("a", 10, r#"{ "deep": {"y": 2}, "keep": 1.0 }"#)).is_empty(), "the same again");
    assert_eq!(document.now().revision, old.revision + 1);
}

#[test]
fn documents_stand_side_by_side_under_their_names() {
    let config = EngineConfig::new(InstanceId::from_bytes([1; 16]), [2; 32]);
    let mut engine = Engine::new(config, []).unwrap();
    let names = ["app", "jobs", "tenant/app"].map(|name| DocumentName::parse(name).unwrap());
    for (at, name) in names.iter().enumerate() {
        engine.open(name.clone(), DocumentOptions::default(), NOW);
        engine.set(name, path("port"), Value::from(u64::try_from(at).unwrap()), NOW);
    }
    engine.set(&names[1], path("port"), 80.into(), NOW);
    let ports = names.map(|name| engine.snapshot(&name).unwrap().value.at(&path("port")).cloned().unwrap());
    assert_eq!(ports, [0.into(), 80.into(), 2.into()]);
    assert!(engine.snapshot(&DocumentName::parse("nobody").unwrap()).is_none());
}

#[test]
fn runtime_beats_environment_beats_dotenv_beats_files_beat_http() {
    let order = [priority::RUNTIME, priority::ENV, priority::DOTENV, priority::SHARED, priority::FILE, priority::HTTP];
    assert!(order.is_sorted() && order.windows(2).all(|pair| pair[0] < pair[1]), "{order:?}");
    let mut document = Document::of(&[]);
    document.feed("env:APP", Layer::from_env("APP", [("APP_PORT".to_owned(), "2".to_owned())]).map(Some));
    document.feed("file:a", file("file:a", priority::FILE, r#"{"port": 3}"#));
    assert_eq!(document.now().value, json(r#"{"port": 2}"#), "an update of a file does not beat the environment");
    document.engine.set(&document.name.clone(), path("port"), 1.into(), NOW);
    assert_eq!(document.now().value, json(r#"{"port": 1}"#));
}

#[test]
fn a_rule_decides_alike_however_many_sources_hold_the_key() {
    let rule = |at: &str, strategy| Rule::on(Pattern::parse(at).unwrap()).merge(strategy);
    let policy = Policy::of([rule("m", MergeStrategy::Override), rule("l", MergeStrategy::UnionSet)]).unwrap();
    let high = Layer::new("high", 10, json(r#"{"m": {"a": 1}}"#));
    let low = Layer::new("low", 20, json(r#"{"m": {"a": 2, "b": 2}, "l": [1, 1, 2], "only": {"x": null}}"#));
    let merged = merge(&[low, high], &policy);
    assert_eq!(merged.value, json(r#"{"m": {"a": 1}, "l": [1, 2], "only": {"x": null}}"#));
    let source = |at: &str| merged.source_of(&path(at)).unwrap();
    assert_eq!([source("m"), source("l"), source("only"), source("only.x")], ["high", "low", "low", "low"]);
}
