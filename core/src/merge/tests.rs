//! What merging and explaining owe their callers.

use super::*;
use crate::canonical::canonical;
use crate::diff::tests::{json, trees};
use crate::format::Format;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::{MASK, MergeStrategy, Rule};
use crate::value::Str;
use proptest::prelude::*;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn layer(id: &str, priority: i32, text: &str) -> Layer {
    Layer::from_text(id, priority, text, Format::Json).unwrap()
}

fn rules(rules: &[(&str, MergeStrategy)]) -> Policy {
    let rule = |pattern: &str, merge: MergeStrategy| {
        let rule = Rule::on(Pattern::parse(pattern).unwrap()).merge(merge);
        if merge == MergeStrategy::KeyedList { rule.key("a") } else { rule }
    };
    Policy::of(rules.iter().map(|(pattern, merge)| rule(pattern, *merge))).unwrap()
}

fn env(variables: &[(&str, &str)]) -> Layer {
    Layer::from_env("APP", variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))).unwrap()
}

fn provenance(merged: &Merged) -> Vec<String> {
    merged.provenance().map(|(path, source)| format!("{path}: {source}")).collect()
}

#[test]
fn lower_numbers_win_and_of_equal_ones_the_first() {
    let layers =
        [layer("c", 30, r#"{"a":3,"b":3,"c":3}"#), layer("x", 10, r#"{"a":1}"#), layer("y", 10, r#"{"a":2,"b":2}"#)];
    let merged = merge(&layers, &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"a":1,"b":2,"c":3}"#);
    assert_eq!(provenance(&merged), ["a: x", "b: y", "c: c"]);
}

#[test]
fn maps_merge_deeply_by_default_and_lists_override() {
    let layers =
        [layer("a", 10, r#"{"m":{"x":{"p":1}},"l":[1]}"#), layer("b", 20, r#"{"m":{"x":{"q":2},"y":3},"l":[2,3]}"#)];
    let merged = merge(&layers, &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"l":[1],"m":{"x":{"p":1,"q":2},"y":3}}"#);
    assert_eq!(provenance(&merged), ["l: a", "m.x.p: a", "m.x.q: b", "m.y: b"]);
    assert_eq!(merged.source_of(&path("m")).unwrap(), "b+a");
    assert!(merged.warnings.is_empty());
}

#[test]
fn merge_dict_unites_one_level_and_overrides_below() {
    let layers = [layer("a", 10, r#"{"m":{"x":{"p":1}}}"#), layer("b", 20, r#"{"m":{"x":{"q":2},"y":3}}"#)];
    let merged = merge(&layers, &rules(&[("m", MergeStrategy::MergeDict)]));
    assert_eq!(canonical(&merged.value), r#"{"m":{"x":{"p":1},"y":3}}"#);
    assert_eq!(provenance(&merged), ["m: b+a", "m.x.p: a", "m.y: b"]);
}

#[test]
fn lists_append_from_high_to_low_and_say_so() {
    let layers = [
        layer("local", 10, r#"{"l":[1,2]}"#),
        layer("environment", 20, r#"{"l":[2]}"#),
        layer("base", 30, r#"{"l":[3]}"#),
    ];
    let merged = merge(&layers, &rules(&[("l", MergeStrategy::AppendList)]));
    assert_eq!(canonical(&merged.value), r#"{"l":[1,2,2,3]}"#);
    assert_eq!(provenance(&merged), ["l: local+environment+base"]);
    let item = merged.explain(&path("l.3")).unwrap();
    assert_eq!((item.value, item.winner.unwrap().source.as_str()), (Some(3.into()), "base"));
}

#[test]
fn a_union_drops_equal_items_also_of_one_layer_alone() {
    let layers = [layer("a", 10, r#"{"l":["x",1,true,"x"]}"#), layer("b", 20, r#"{"l":[1.0,"1","x"],"only":[1,1]}"#)];
    let policy = rules(&[("l", MergeStrategy::UnionSet), ("only", MergeStrategy::UnionSet)]);
    let merged = merge(&layers, &policy);
    assert_eq!(canonical(&merged.value), r#"{"l":["x",1,true,"1"],"only":[1]}"#);
    assert_eq!(provenance(&merged), ["l: b+a", "only: b"]);
    let item = merged.explain(&path("l.3")).unwrap();
    assert_eq!(item.winner.unwrap().source.as_str(), "b");
}

#[test]
fn keyed_lists_keep_the_shape_of_the_base_and_tell_where_each_field_stands() {
    let layers = [
        layer("high", 10, "{\"l\":[{\"a\":9},\n{\"a\":1,\"p\":{\"x\":2}}]}"),
        layer("low", 20, r#"{"l":[{"a":1.0,"p":{"x":1,"y":1}},{"a":"1"}]}"#),
    ];
    let merged = merge(&layers, &rules(&[("l", MergeStrategy::KeyedList)]));
    assert_eq!(canonical(&merged.value), r#"{"l":[{"a":1,"p":{"x":2,"y":1}},{"a":"1"},{"a":9}]}"#);
    assert_eq!(provenance(&merged), ["l: low+high"]);
    let field = merged.explain(&path("l.0.p.x")).unwrap();
    assert_eq!((field.value, field.sources.len(), field.others.len()), (Some(2.into()), 1, 1));
    let origin = field.winner.unwrap().origin.to_string();
    assert!(origin.starts_with("high:2:"), "{origin}");
    assert_eq!(merged.source_of(&path("l.0.p")).unwrap(), "low+high");
    assert_eq!(merged.source_of(&path("l.1")).unwrap(), "low");
    assert_eq!(merged.source_of(&path("l.2")).unwrap(), "high");
}

#[test]
fn a_list_without_keys_overrides_and_the_layer_to_blame_is_named() {
    let high = layer("high", 10, r#"{"l":[{"a":1}]}"#);
    for bad in [r#"{"l":[{"b":1}]}"#, r#"{"l":[7]}"#, r#"{"l":[{"a":1},{"a":1.0}]}"#] {
        let merged = merge(&[high.clone(), layer("low", 20, bad)], &rules(&[("l", MergeStrategy::KeyedList)]));
        assert_eq!(canonical(&merged.value), r#"{"l":[{"a":1}]}"#);
        assert_eq!(provenance(&merged), ["l: high"]);
        let [warning] = merged.warnings.as_slice() else { panic!("{:?}", merged.warnings) };
        assert_eq!(warning.origin().unwrap().source.as_str(), "low");
        assert_eq!(warning.path(), Some(&path("l")));
    }
}

#[test]
fn the_highest_layer_that_holds_a_key_chooses_where_no_rule_does() {
    let layers = [
        layer("a", 10, r#"{"x":1}"#).with_strategy(MergeStrategy::Override),
        layer("b", 20, r#"{"l":[1]}"#).with_strategy(MergeStrategy::AppendList),
        layer("c", 30, r#"{"l":[2],"x":{"y":1}}"#),
    ];
    let merged = merge(&layers, &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"l":[1,2],"x":1}"#);
    assert!(merged.warnings.is_empty(), "an override says what it means: {:?}", merged.warnings);
    assert_eq!(merged.explain(&path("l")).unwrap().pattern, None);
}

#[test]
fn a_rule_below_refines_the_union_above() {
    let layers = [
        layer("a", 10, r#"{"m":{"n":{"tags":[1]},"o":{"p":1}}}"#),
        layer("b", 20, r#"{"m":{"n":{"tags":[1,2]},"o":{"q":2}}}"#),
    ];
    let policy = rules(&[("**.tags", MergeStrategy::UnionSet), ("m.o", MergeStrategy::Override)]);
    let merged = merge(&layers, &policy);
    assert_eq!(canonical(&merged.value), r#"{"m":{"n":{"tags":[1,2]},"o":{"p":1}}}"#);
    let explained = merged.explain(&path("m.n.tags")).unwrap();
    assert_eq!((explained.rule, explained.pattern.as_deref()), (MergeStrategy::UnionSet, Some("**.tags")));
}

#[test]
fn the_same_rule_holds_however_many_layers_hold_the_key() {
    let policy = rules(&[("m.tags", MergeStrategy::UnionSet)]);
    let alone = merge(&[layer("a", 10, r#"{"m":{"tags":[1,1]}}"#)], &policy);
    assert_eq!(canonical(&alone.value), r#"{"m":{"tags":[1]}}"#);
}

#[test]
fn a_type_clash_overrides_and_names_both_places() {
    let layers = [layer("high", 10, "{\"db\":\n  \"x\"}"), layer("low", 20, "{\n\"db\":{\"host\":1}}")];
    for policy in [Policy::default(), rules(&[("db", MergeStrategy::DeepMerge)])] {
        let merged = merge(&layers, &policy);
        assert_eq!(canonical(&merged.value), r#"{"db":"x"}"#);
        let [warning] = merged.warnings.as_slice() else { panic!("{:?}", merged.warnings) };
        assert_eq!(
            warning.to_string(),
            "high:1:2: types clash: string here, map in a lower layer, which is left out (at `db`)"
        );
        assert_eq!(warning.related()[0].origin().unwrap().to_string(), "low:2:1");
    }
}

#[test]
fn a_value_that_does_not_fit_the_union_is_left_out_and_reported() {
    let layers = [layer("a", 10, r#"{"m":{"x":1}}"#), layer("b", 20, r#"{"m":7}"#), layer("c", 30, r#"{"m":{"y":2}}"#)];
    let merged = merge(&layers, &rules(&[("m", MergeStrategy::MergeDict)]));
    assert_eq!(canonical(&merged.value), r#"{"m":{"x":1,"y":2}}"#);
    assert_eq!(merged.warnings.len(), 1);
    assert_eq!(merged.source_of(&path("m")).unwrap(), "c+a");
    assert_eq!(merged.explain(&path("m")).unwrap().others[0].state, CandidateState::Overridden);
}

#[test]
fn a_rule_that_fits_no_value_loses_no_data_and_is_reported() {
    let merged = merge(&[layer("a", 10, r#"{"m":7}"#)], &rules(&[("m", MergeStrategy::MergeDict)]));
    assert_eq!(canonical(&merged.value), r#"{"m":7}"#);
    assert_eq!(merged.warnings[0].message(), "`merge_dict` does not fit this integer, which overrides");
    assert_eq!(provenance(&merged), ["m: a"]);
}

#[test]
fn null_is_a_value_and_clashes_with_nothing() {
    let layers = [
        layer("a", 10, r#"{"m":null}"#),
        layer("b", 20, r#"{"m":{"x":1},"n":{"x":1}}"#),
        layer("c", 30, r#"{"n":null}"#),
    ];
    let merged = merge(&layers, &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"m":null,"n":{"x":1}}"#);
    assert!(merged.warnings.is_empty());
}

#[test]
fn an_empty_map_is_a_value_and_an_empty_layer_provides_nothing() {
    let layers = [layer("none", 10, "{}"), layer("a", 20, r#"{"m":{}}"#)];
    let merged = merge(&layers, &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"m":{}}"#);
    assert_eq!(provenance(&merged), ["m: a"]);
    assert_eq!(merged.source_of(&Path::root()).unwrap(), "a");
    assert_eq!(canonical(&merge(&[], &Policy::default()).value), "{}");
}

#[test]
fn text_takes_the_type_of_the_value_it_overrides() {
    let base = layer(
        "file:base.json",
        30,
        r#"{"feature_enabled":false,"rate_limit":100,"ratio":0.5,"api":"v1","tags":["x"],"db":{"port":1},"opt":null,"maxConn":5,"log-level":"info"}"#,
    );
    let env = env(&[
        ("APP_FEATURE_ENABLED", "Yes"),
        ("APP_RATE_LIMIT", "200"),
        ("APP_RATIO", "1"),
        ("APP_API", "2"),
        ("APP_TAGS", "a,b"),
        ("APP_DB__PORT", "5432"),
        ("APP_OPT", "7"),
        ("APP_NEW", "8"),
        ("APP_MAXCONN", "6"),
        ("APP_LOG_LEVEL", "debug"),
    ]);
    let merged = merge(&[base, env], &Policy::default());
    assert_eq!(
        canonical(&merged.value),
        r#"{"api":"2","db":{"port":5432},"feature_enabled":true,"log-level":"debug","maxConn":6,"new":"8","opt":"7","rate_limit":200,"ratio":1,"tags":["a","b"]}"#
    );
    assert!(merged.warnings.is_empty());
    let winner = merged.explain(&path("maxConn")).unwrap().winner.unwrap();
    assert_eq!(winner.origin.to_string(), "env:APP (APP_MAXCONN)");
}

#[test]
fn text_that_has_no_such_type_falls_to_the_next_layer_with_a_warning() {
    let base = layer("file:base.json", 30, r#"{"rate_limit":100,"db":{"host":"h"},"password":17}"#);
    let env = env(&[("APP_RATE_LIMIT", "1_000"), ("APP_DB", "x"), ("APP_PASSWORD", "hunter2")]);
    let mut policy = Policy::default();
    policy.add(Rule::on(Pattern::parse("password").unwrap()).secret(true)).unwrap();
    let merged = merge(&[base, env], &policy);
    assert_eq!(canonical(&merged.value), r#"{"db":{"host":"h"},"password":17,"rate_limit":100}"#);
    let texts: Vec<String> = merged.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "env:APP (APP_DB): `APP_DB` is ignored: expected a map in \"x\" (at `db`)",
            "env:APP (APP_PASSWORD): `APP_PASSWORD` is ignored: expected an integer (at `password`)",
            "env:APP (APP_RATE_LIMIT): `APP_RATE_LIMIT` is ignored: expected an integer in \"1_000\" (at `rate_limit`)",
        ]
    );
    assert_eq!(merged.warnings[2].related()[0].origin().unwrap().to_string(), "file:base.json:1:2");
    assert!(!format!("{:?}", merged.warnings).contains("hunter2"));
}

#[test]
fn a_json_object_in_a_variable_merges_into_the_map() {
    let base = layer("base", 30, r#"{"db":{"host":"h","port":1}}"#);
    let merged = merge(&[base, env(&[("APP_DB", r#"{"port":2}"#)])], &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"db":{"host":"h","port":2}}"#);
    assert_eq!(provenance(&merged), ["db.host: base", "db.port: env:APP"]);
}

#[test]
fn dotenv_text_below_the_environment_is_typed_first() {
    let base = layer("base", 30, r#"{"n":1}"#);
    let dotenv = Layer::from_variables("dotenv:.env", priority::DOTENV, "APP", [("APP_N".into(), "2".into())]).unwrap();
    let merged = merge(&[base, dotenv, env(&[("APP_N", "3")])], &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"n":3}"#);
    let others = merged.explain(&path("n")).unwrap().others;
    assert_eq!(others.iter().map(|c| canonical(&c.value)).collect::<Vec<_>>(), ["2", "1"]);
}

#[test]
fn an_unset_path_goes_from_every_layer_below_and_explain_says_who_removed_it() {
    let layers = [
        layer("top", 5, r#"{"m":{"z":0}}"#),
        layer("local", 10, "{}").with_unset(path("m")).with_unset(path("gone")),
        layer("base", 20, r#"{"m":{"x":1},"gone":2,"kept":3}"#),
    ];
    let merged = merge(&layers, &Policy::default());
    assert_eq!(canonical(&merged.value), r#"{"kept":3,"m":{"z":0}}"#);
    let gone = merged.explain(&path("gone")).unwrap();
    assert_eq!((gone.value.clone(), gone.winner.clone()), (None, None));
    assert!(gone.absence.as_ref().unwrap().unset);
    assert_eq!(gone.absence.as_ref().unwrap().origin.source.as_str(), "local");
    assert_eq!(gone.others[0].state, CandidateState::Removed);
    assert!(gone.to_string().starts_with("gone is not set: local removes `gone`\n"), "{gone}");
    let replaced = merged.explain(&path("m")).unwrap();
    assert_eq!(replaced.others.iter().map(|c| c.state).collect::<Vec<_>>(), [CandidateState::Removed]);
    assert_eq!(merged.explain(&path("nobody.knows")), None);
}

#[test]
fn explain_names_what_hides_a_value() {
    let layers = [layer("a", 10, r#"{"m":1}"#), layer("b", 20, r#"{"m":{"x":2}}"#)];
    let hidden = merge(&layers, &Policy::default()).explain(&path("m.x")).unwrap();
    assert_eq!(hidden.value, None);
    let absence = hidden.absence.unwrap();
    assert_eq!((absence.origin.to_string().as_str(), absence.unset), ("a:1:2", false));
    assert_eq!(hidden.others[0].source.as_str(), "b");
}

#[test]
fn explain_prints_the_winner_first_and_what_it_overrode() {
    let base = layer("file:config.json", 30, "{\n  \"rate_limit\": 100\n}");
    let over = layer("file:overrides.json", 20, "{\n  \"rate_limit\": 200\n}");
    let merged = merge(&[base, over, env(&[("APP_RATE_LIMIT", "300")])], &Policy::default());
    assert_eq!(
        merged.explain(&path("rate_limit")).unwrap().to_string(),
        "rate_limit = 300\n\
         rule: deep_merge\n\
         > env:APP (APP_RATE_LIMIT)  10  300  wins\n\
         \u{20} file:overrides.json:2:3   20  200  overridden\n\
         \u{20} file:config.json:2:3      30  100  overridden\n"
    );
}

#[test]
fn explain_masks_secrets_everywhere() {
    let mut policy = Policy::default();
    policy.add(Rule::on(Pattern::parse("db.password").unwrap()).secret(true)).unwrap();
    let layers = [
        layer("a", 10, r#"{"db":{"password":"hunter2"}}"#),
        layer("b", 20, r#"{"db":{"password":"swordfish","host":"h"}}"#),
    ];
    let merged = merge(&layers, &policy);
    for at in ["db.password", "db", ""] {
        let explained = merged.explain(&path(at)).unwrap();
        for text in [explained.to_string(), canonical(&explained.to_value()), format!("{explained:?}")] {
            assert!(!text.contains("hunter2") && !text.contains("swordfish"), "{at}: {text}");
            assert!(text.contains(MASK), "{at}: {text}");
        }
    }
    assert!(!format!("{merged:?}").contains("hunter2"));
}

#[test]
fn a_document_that_clashes_everywhere_keeps_a_bounded_list_of_warnings() {
    let map = |value: Value| Value::Map((0..500).map(|i| (Str::from(format!("k{i}")), value.clone())).collect());
    let layers = [Layer::new("a", 10, map(1.into())), Layer::new("b", 20, map(Value::empty_map()))];
    let merged = merge(&layers, &Policy::default());
    assert_eq!(merged.warnings.len(), MAX_WARNINGS + 1);
    assert!(merged.warnings.last().unwrap().message().starts_with("400 more"));
}

#[test]
fn what_one_layer_alone_decides_is_the_same_pointer() {
    let base = layer("base", 30, r#"{"only":{"a":{"b":1}},"both":{"deep":{"c":1},"x":1},"l":[1]}"#);
    let top = layer("top", 10, r#"{"both":{"x":2}}"#);
    let merged = merge(
        &[base.clone(), top.clone()],
        &rules(&[("l", MergeStrategy::UnionSet), ("x.y", MergeStrategy::Override)]),
    );
    for at in ["only", "both.deep", "l"] {
        assert!(merged.value.at(&path(at)).unwrap().ptr_eq(base.value.at(&path(at)).unwrap()), "{at}");
    }
    assert!(merge(std::slice::from_ref(&base), &Policy::default()).value.ptr_eq(&base.value));
    let covered = merge(&[merged_layer(&merged), base.clone()], &Policy::default());
    assert!(covered.value.ptr_eq(&merged.value), "a layer that covers everything is the result");
}

fn merged_layer(merged: &Merged) -> Layer {
    Layer::new("merged", 0, merged.value.clone())
}

fn documents() -> impl Strategy<Value = Value> {
    let item = (0..4i64, trees()).prop_map(|(id, tree)| [("a", Value::from(id)), ("b", tree)].into_iter().collect());
    let keyed = prop::collection::vec(item, 0..4).prop_map(|items: Vec<Value>| Value::from(items));
    prop::collection::btree_map("[a-d]", prop_oneof![3 => trees(), 1 => keyed], 0..4)
        .prop_map(|map| map.into_iter().collect())
}

fn strategies() -> impl Strategy<Value = MergeStrategy> {
    prop::sample::select(MergeStrategy::ALL)
}

/// The merge as one would write it down, key by key, without sharing.
fn naive(
    layers: &[Layer],
    policy: &Policy,
    at: &Path,
    held: &[(usize, Value)],
    inherited: Option<MergeStrategy>,
) -> Value {
    let (first_layer, first) = &held[0];
    let strategy = policy.merge_at(at).or(inherited).unwrap_or(layers[*first_layer].strategy);
    let below = if strategy == MergeStrategy::DeepMerge { strategy } else { MergeStrategy::Override };
    let union = |held: &[(usize, Value)], inherited: Option<MergeStrategy>| -> Value {
        let mut keys: Vec<Str> = held.iter().flat_map(|(_, v)| v.as_map().unwrap().keys().cloned()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter()
            .map(|key| {
                let under: Vec<(usize, Value)> =
                    held.iter().filter_map(|(l, v)| v.child(&key).map(|v| (*l, v.clone()))).collect();
                let value = naive(layers, policy, &at.child(&key), &under, inherited);
                (key, value)
            })
            .collect()
    };
    if at.is_root() {
        return union(held, None);
    }
    match (strategy, first) {
        (MergeStrategy::DeepMerge | MergeStrategy::MergeDict, Value::Map(_)) => {
            let maps: Vec<_> = held.iter().filter(|(_, v)| v.as_map().is_some()).cloned().collect();
            union(&maps, Some(below))
        }
        (MergeStrategy::AppendList | MergeStrategy::UnionSet, Value::List(_)) => {
            let mut items: Vec<Value> = Vec::new();
            for item in held.iter().filter_map(|(_, v)| v.as_list()).flat_map(|l| l.iter()) {
                if strategy == MergeStrategy::AppendList || !items.contains(item) {
                    items.push(item.clone());
                }
            }
            items.into()
        }
        (MergeStrategy::KeyedList, Value::List(_)) if policy.list_key_at(at).is_some() => {
            let lists: Vec<Vec<Value>> =
                held.iter().filter_map(|(_, v)| v.as_list()).map(|list| list.iter().cloned().collect()).collect();
            let is_keyed = |list: &Vec<Value>| {
                let ids: Option<Vec<&Value>> =
                    list.iter().map(|item| item.child("a").filter(|_| item.as_map().is_some())).collect();
                ids.is_some_and(|ids| ids.iter().enumerate().all(|(n, id)| !ids[..n].contains(id)))
            };
            if !lists.iter().all(is_keyed) {
                return first.clone();
            }
            let mut ids: Vec<Value> = Vec::new();
            for id in lists.iter().rev().flatten().filter_map(|item| item.child("a")) {
                if !ids.contains(id) {
                    ids.push(id.clone());
                }
            }
            let item = |id: &Value| {
                let same = lists.iter().flatten().filter(|item| item.child("a") == Some(id));
                let layers: Vec<Layer> =
                    same.enumerate().map(|(n, item)| Layer::new("item", n as i32, item.clone())).collect();
                merge(&layers, &Policy::default()).value
            };
            ids.iter().map(item).collect::<Vec<Value>>().into()
        }
        (_, Value::Map(_)) => union(&held[..1], Some(below)),
        _ => first.clone(),
    }
}

proptest! {
    #[test]
    fn merging_agrees_with_its_definition_and_explain_with_merging(
        documents in prop::collection::vec((documents(), strategies()), 1..5),
        patterns in prop::collection::vec((prop::sample::select(vec!["a", "a.*", "**.b", "b.c", "*.a", "c.**.d"]), strategies()), 0..4),
    ) {
        let layers: Vec<Layer> = documents
            .into_iter()
            .enumerate()
            .map(|(at, (value, strategy))| Layer::new(format!("l{at}"), at as i32, value).with_strategy(strategy))
            .collect();
        let policy = rules(&patterns);
        let merged = merge(&layers, &policy);
        let held: Vec<_> = layers.iter().enumerate().map(|(at, layer)| (at, layer.value.clone())).collect();
        prop_assert_eq!(&merged.value, &naive(&layers, &policy, &Path::root(), &held, None));

        let mut leaves = Vec::new();
        merged.value.for_each_leaf(&mut |path, value| leaves.push((path.clone(), value.clone())));
        let sources: std::collections::BTreeMap<Path, String> = merged.provenance().collect();
        for (path, value) in leaves.into_iter().filter(|(path, _)| !path.is_root()) {
            let explained = merged.explain(&path).unwrap();
            prop_assert_eq!(explained.value.as_ref(), Some(&value));
            prop_assert_eq!(sources.get(&path).cloned(), merged.source_of(&path));
            prop_assert_eq!(joined_sources(&explained), merged.source_of(&path).unwrap());
            if explained.sources.len() == 1 && explained.rule != MergeStrategy::UnionSet {
                prop_assert_eq!(explained.winner.unwrap().value, value);
            }
        }
        for (path, _) in sources {
            prop_assert!(merged.value.at(&path).is_some());
        }
    }

    #[test]
    fn merging_twice_changes_nothing(value in documents()) {
        let layers = [Layer::new("a", 1, value.clone()), Layer::new("b", 2, value.clone())];
        prop_assert_eq!(merge(&layers, &Policy::default()).value, value);
    }

    #[test]
    fn one_layer_without_rules_is_what_a_merge_makes_of_it(value in trees()) {
        let layer = Layer::new("host", priority::SHARED, value);
        let (quick, full) = (Merged::of_one(Some(layer.clone())), merge(&[layer], &Policy::default()));
        prop_assert_eq!(&quick.value, &full.value);
        prop_assert_eq!(&quick.warnings, &full.warnings);
        prop_assert_eq!(quick.explain_all(), full.explain_all());
    }

    #[test]
    fn json_text_reads_as_the_tests_read_it(value in trees()) {
        let text = canonical(&value);
        prop_assert_eq!(crate::format::parse(&text, Format::Json).unwrap(), json(&text));
    }
}

fn joined_sources(explained: &Explanation) -> String {
    explained.sources.iter().map(Str::as_str).collect::<Vec<_>>().join("+")
}

#[test]
fn a_broken_reference_and_what_the_schema_refuses_are_both_told_and_none_twice() {
    use crate::schema::{Field, Schema};
    let fields = Field::map().field("a", Field::integer()).field("c", Field::integer()).field("d", Field::integer());
    let composition = Composition::new(Policy::default()).with_schema(Schema::new(fields)).with_references([]);
    let text = r#"{"a": "text", "b": "${missing}", "c": "${missing}", "d": "${b}"}"#;
    let layer = Layer::new("app", 30, crate::format::parse(text, crate::format::Format::Json).unwrap());
    let errors = composition.compose(&[layer]).errors;
    let mut paths: Vec<String> = errors.iter().filter_map(|error| error.path().map(ToString::to_string)).collect();
    paths.sort();
    assert_eq!(paths, ["a", "b", "c"], "{errors:?}");
}
