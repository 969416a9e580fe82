//! The two examples that the project started from, on real files: values and where they come from.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test that reads files")]

use confmesh::canonical::canonical;
use confmesh::format::Format;
use confmesh::merge::{Layer, Merged, merge};
use confmesh::policy::{MergeStrategy, Rule};
use confmesh::{Path, Pattern, Policy};

fn file(folder: &std::path::Path, name: &str, priority: i32) -> Layer {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let format = Format::from_path(name).unwrap();
    Layer::from_text(format!("file:{}", path.display()), priority, text, format).unwrap()
}

fn write(folder: &std::path::Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn source(merged: &Merged, path: &str) -> String {
    merged.source_of(&Path::parse(path).unwrap()).unwrap()
}

#[test]
fn environment_beats_overrides_beat_the_file_also_after_an_edit() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "config.json",
        "{\n  \"feature_enabled\": false,\n  \"rate_limit\": 100,\n  \"timeout_ms\": 5000,\n  \"api_version\": \"v1\"\n}",
    );
    write(folder.path(), "overrides.json", "{\n  \"rate_limit\": 200,\n  \"timeout_ms\": 10000\n}");
    let sync = || {
        let variables = [("MYAPP_FEATURE_ENABLED", "true"), ("MYAPP_API_VERSION", "v2"), ("PATH", "/bin")];
        let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let layers = [
            file(folder.path(), "config.json", 30),
            file(folder.path(), "overrides.json", 20),
            Layer::from_env("MYAPP", variables).unwrap().with_priority(10),
        ];
        merge(&layers, &Policy::default())
    };
    let overrides = format!("file:{}", folder.path().join("overrides.json").display());
    let sources = |merged: &Merged| {
        ["feature_enabled", "api_version", "rate_limit", "timeout_ms"].map(|path| source(merged, path))
    };
    let want = ["env:MYAPP", "env:MYAPP", overrides.as_str(), overrides.as_str()];

    let first = sync();
    assert_eq!(
        canonical(&first.value),
        r#"{"api_version":"v2","feature_enabled":true,"rate_limit":200,"timeout_ms":10000}"#
    );
    assert_eq!(sources(&first), want);
    assert!(first.warnings.is_empty());
    let explained = first.explain(&Path::parse("rate_limit").unwrap()).unwrap();
    assert_eq!(explained.winner.unwrap().origin.to_string(), format!("{overrides}:2:3"));
    assert_eq!(explained.others[0].value, 100.into());

    write(
        folder.path(),
        "overrides.json",
        "{\n  \"rate_limit\": 500,\n  \"timeout_ms\": 15000,\n  \"feature_enabled\": false\n}",
    );
    let second = sync();
    assert_eq!(
        canonical(&second.value),
        r#"{"api_version":"v2","feature_enabled":true,"rate_limit":500,"timeout_ms":15000}"#
    );
    assert_eq!(sources(&second), want);
}

#[test]
fn maps_of_base_environment_and_local_are_united_by_rule() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "base.json",
        r#"{"database_url":"sqlite:///base.db","cache_enabled":true,"worker_pool_size":4,
            "feature_toggles":{"feature_a":false,"feature_b":true},"rate_limits":{"api":100,"uploads":10}}"#,
    );
    write(
        folder.path(),
        "env.json",
        r#"{"database_url":"postgres://prod-db:5432/myapp","worker_pool_size":8,
            "feature_toggles":{"feature_a":true,"feature_c":true},"rate_limits":{"api":1000}}"#,
    );
    write(
        folder.path(),
        "local.json",
        r#"{"cache_enabled":false,"feature_toggles":{"debug_mode":true},"rate_limits":{"debug":5}}"#,
    );
    let named = |id: &str, name: &str, priority| {
        let value = file(folder.path(), name, priority).value;
        Layer::new(id, priority, value).with_strategy(MergeStrategy::Override)
    };
    // Sorted by priority whatever the order of registration.
    let layers =
        [named("base", "base.json", 30), named("environment", "env.json", 20), named("local", "local.json", 10)];
    let rule = |field: &str| Rule::on(Pattern::parse(field).unwrap()).merge(MergeStrategy::MergeDict);
    let merged = merge(&layers, &Policy::of([rule("feature_toggles"), rule("rate_limits")]).unwrap());

    assert_eq!(
        canonical(&merged.value),
        concat!(
            r#"{"cache_enabled":false,"database_url":"postgres://prod-db:5432/myapp","#,
            r#""feature_toggles":{"debug_mode":true,"feature_a":true,"feature_b":true,"feature_c":true},"#,
            r#""rate_limits":{"api":1000,"debug":5,"uploads":10},"worker_pool_size":8}"#
        )
    );
    for (path, want) in [
        ("cache_enabled", "local"),
        ("database_url", "environment"),
        ("worker_pool_size", "environment"),
        ("feature_toggles", "base+environment+local"),
        ("rate_limits", "base+environment+local"),
        ("rate_limits.uploads", "base"),
    ] {
        assert_eq!(source(&merged, path), want, "{path}");
    }
    let counts: Vec<(&str, usize)> = merged
        .layers()
        .iter()
        .map(|layer| (layer.id.as_str(), layer.value.as_map().map_or(0, |map| map.len())))
        .collect();
    assert_eq!(counts, [("local", 3), ("environment", 4), ("base", 5)]);
}
