//! A merge found from the last one is the merge.

use super::*;
use crate::canonical::canonical;
use crate::diff::diff;
use crate::diff::tests::{json, trees};
use crate::format::Format;
use crate::pattern::Pattern;
use proptest::prelude::*;

/// One thing that happens to one layer.
#[derive(Clone, Debug)]
enum Edit {
    Set(Path, Value),
    Remove(Path),
    /// Read again from text: nothing is shared with what was there.
    Reread,
    Unset(Path),
    UnsetNothing,
    /// For a layer of variables other ones, for another layer no effect.
    Variables(Vec<(String, String)>),
    Strategy(MergeStrategy),
    Warn,
}

fn paths() -> impl Strategy<Value = Path> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "B", "x-y", "0"]), 1..4)
        .prop_map(|segments| segments.into_iter().map(Str::from).collect())
}

fn strategies() -> impl Strategy<Value = MergeStrategy> {
    prop::sample::select(MergeStrategy::ALL)
}

fn keyed_lists() -> impl Strategy<Value = Value> {
    let item = (0..4i64, trees()).prop_map(|(id, tree)| [("a", Value::from(id)), ("b", tree)].into_iter().collect());
    prop::collection::vec(item, 0..4).prop_map(|items: Vec<Value>| Value::from(items))
}

fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::collection::vec(prop::sample::select(vec!["A", "B", "C", "X_Y", "0"]), 1..4);
    let text = prop::sample::select(vec!["1", "true", "no", "a,b", "x", "1.5", r#"{"a":1,"b":"2"}"#]);
    prop::collection::vec(
        (name.prop_map(|names| format!("APP_{}", names.join("__"))), text.prop_map(String::from)),
        0..4,
    )
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (paths(), trees()).prop_map(|(path, value)| Edit::Set(path, value)),
        3 => (paths(), keyed_lists()).prop_map(|(path, value)| Edit::Set(path, value)),
        3 => paths().prop_map(Edit::Remove),
        1 => Just(Edit::Reread),
        1 => paths().prop_map(Edit::Unset),
        1 => Just(Edit::UnsetNothing),
        2 => variables().prop_map(Edit::Variables),
        1 => strategies().prop_map(Edit::Strategy),
        1 => Just(Edit::Warn),
    ]
}

fn apply(layer: &mut Layer, edit: &Edit) {
    match edit {
        Edit::Set(path, value) => layer.value = layer.value.with(path, value.clone()),
        Edit::Remove(path) => layer.value = layer.value.without(path),
        Edit::Reread => {
            let text = canonical(&layer.value);
            layer.value = json(&text);
            *layer = layer.clone().with_text(text, Format::Json);
        }
        Edit::Unset(path) => layer.unset.push(path.clone()),
        Edit::UnsetNothing => layer.unset.clear(),
        Edit::Variables(variables) if layer.raw => {
            let read = Layer::from_variables(&layer.id, layer.priority, "APP", variables.clone()).unwrap();
            *layer = Layer { unset: layer.unset.clone(), strategy: layer.strategy, ..read };
        }
        Edit::Variables(_) => {}
        Edit::Strategy(strategy) => layer.strategy = *strategy,
        Edit::Warn => {
            layer.warnings.push(crate::Error::new(crate::Code::Type, format!("{} warns", layer.warnings.len())));
        }
    }
}

fn assert_same(updated: &Merged, full: &Merged) {
    assert_eq!(canonical(&updated.value), canonical(&full.value));
    assert_eq!(updated.value, full.value);
    assert_eq!(format!("{:?}", updated.warnings), format!("{:?}", full.warnings));
    assert!(updated.warnings == full.warnings);
    assert_eq!(updated.effective, full.effective);
    for (updated, full) in updated.layers.iter().zip(full.layers.iter()) {
        assert_eq!(updated.variables, full.variables);
    }
    assert_eq!(updated.provenance().collect::<Vec<_>>(), full.provenance().collect::<Vec<_>>());
    let told = |merged: &Merged| -> Vec<_> {
        let clashes = merged.clashes.iter();
        clashes.map(|clash| (clash.path.clone(), clash.first, clash.other, clash.strategy)).collect()
    };
    assert_eq!(told(updated), told(full));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn updating_gives_what_merging_anew_gives(
        documents in prop::collection::vec((trees(), strategies(), prop::option::weighted(0.3, variables())), 1..5),
        patterns in prop::collection::vec((prop::sample::select(vec!["a", "a.*", "**.b", "b.c", "*.a", "c.**.d", "B"]), strategies()), 0..4),
        secret in any::<bool>(),
        steps in prop::collection::vec(prop::collection::vec((0..5usize, edits()), 1..4), 1..8),
    ) {
        let mut layers: Vec<Layer> = documents
            .into_iter()
            .enumerate()
            .map(|(at, (value, strategy, variables))| {
                let (id, priority) = (format!("l{at}"), i32::try_from(at / 2).unwrap());
                let layer = match variables {
                    Some(variables) => Layer::from_variables(id, priority, "APP", variables).unwrap(),
                    None => Layer::new(id, priority, value),
                };
                layer.with_strategy(strategy)
            })
            .collect();
        let rule = |pattern: &str| Rule::on(Pattern::parse(pattern).unwrap());
        let mut policy = Policy::of(patterns.iter().map(|(pattern, merge)| {
            let rule = rule(pattern).merge(*merge);
            if *merge == MergeStrategy::KeyedList { rule.key("a") } else { rule }
        })).unwrap();
        if secret {
            policy.add(rule("c").secret(true)).unwrap();
        }
        let mut merged = merge(&layers, &policy);
        for step in steps {
            for (at, edit) in step {
                let at = at % layers.len();
                apply(&mut layers[at], &edit);
            }
            let updated = merged.update(&layers, &policy);
            let full = merge(&layers, &policy);
            assert_same(&updated, &full);
            prop_assert_eq!(diff(&merged.value, &updated.value), diff(&merged.value, &full.value));
            merged = updated;
        }
    }
}

fn large() -> Value {
    let groups = (0..40).map(|group| {
        let members = (0..60).map(|at| (Str::from(format!("m{at}")), json(r#"{"x":1,"y":{"z":2}}"#)));
        (Str::from(format!("g{group}")), Value::Map(members.collect()))
    });
    Value::Map(groups.collect())
}

#[test]
fn what_nothing_changed_is_the_same_pointer_after_an_update() {
    let path = Path::parse("g7.m9.y.z").unwrap();
    let base = Layer::new("base", 30, large());
    let over = Layer::new("over", 10, Value::empty_map().with(&Path::parse("g7.m1.x").unwrap(), 5.into()));
    let merged = merge(&[base.clone(), over.clone()], &Policy::default());
    assert!(merged.update(&[base.clone(), over.clone()], &Policy::default()).value.ptr_eq(&merged.value));
    for (base, over) in [
        (Layer::new("base", 30, base.value.with(&path, 9.into())), over.clone()),
        // The first key that a layer holds in a large map does not merge the map anew.
        (base.clone(), Layer::new("over", 10, over.value.with(&path, 9.into()))),
    ] {
        let layers = [base, over];
        let updated = merged.update(&layers, &Policy::default());
        assert_same(&updated, &merge(&layers, &Policy::default()));
        assert_eq!(diff(&merged.value, &updated.value).len(), 1);
        for same in ["g6", "g7.m8", "g7.m1"] {
            let same = Path::parse(same).unwrap();
            assert!(updated.value.at(&same).unwrap().ptr_eq(merged.value.at(&same).unwrap()), "{same}");
        }
    }
}

#[test]
fn text_keeps_its_types_where_nothing_that_it_is_typed_by_changed() {
    let base = |value: Value| Layer::new("base", 30, value);
    let env = Layer::from_env("APP", [("APP_G7__M9__X".to_owned(), "7".to_owned())]).unwrap();
    let value = large();
    let merged = merge(&[base(value.clone()), env.clone()], &Policy::default());
    let typed = |merged: &Merged| merged.prepared.first().unwrap().typed.clone();
    for (path, new, same) in
        [("g7.m9.y.z", json("3"), true), ("g7.m9.x", json("\"text\""), false), ("g7.m9.X", json("1"), false)]
    {
        let layers = [base(value.with(&Path::parse(path).unwrap(), new)), env.clone()];
        let updated = merged.update(&layers, &Policy::default());
        assert_same(&updated, &merge(&layers, &Policy::default()));
        assert_eq!(typed(&updated).ptr_eq(&typed(&merged)), same, "{path}");
    }
}
