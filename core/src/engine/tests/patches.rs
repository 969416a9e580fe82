//! Patches against what their specifications say, whatever the rules of the paths are.

use super::*;
use crate::diff::{Patch, apply_merge_patch};
use crate::pattern::Pattern;
use crate::policy::{ConflictStrategy, Policy, Rule};
use crate::testing::{Random, cases};

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth > 2 { 4 } else { 7 }) {
        0 => i64::try_from(random.below(9)).unwrap().into(),
        1 => ["", "a", "ab", "éa"][random.below(4)].into(),
        2 => (0..random.below(4)).map(|n| Value::from(n as i64)).collect::<Vec<_>>().into(),
        3 => [Value::Null, true.into()][random.below(2)].clone(),
        4 => Value::empty_map(),
        _ => map(random, depth + 1),
    }
}

fn map(random: &mut Random, depth: usize) -> Value {
    ["a", "b", "c", "x.y"].iter().take(1 + random.below(4)).map(|key| (*key, value(random, depth))).collect()
}

/// Places of a document, as pointers, and some that are not there.
fn pointers(document: &Value) -> Vec<String> {
    let mut all = vec!["/a".to_owned(), "/b/c".to_owned(), "/c/-".to_owned(), "/a/0".to_owned(), "/new".to_owned()];
    document.for_each_leaf(&mut |path, _| all.extend((1..=path.len()).map(|n| path.prefix(n).to_pointer())));
    all
}

fn patch(random: &mut Random, document: &Value) -> Patch {
    if random.below(3) == 0 {
        return Patch::between(document, &map(random, 0));
    }
    let places = pointers(document);
    let operations = (0..1 + random.below(4)).map(|_| {
        let [path, from] = [0, 1].map(|_| places[random.below(places.len())].as_str());
        let op = ["add", "remove", "replace", "move", "copy"][random.below(5)];
        let fields: [(&str, Value); 4] =
            [("op", op.into()), ("path", path.into()), ("from", from.into()), ("value", value(random, 1))];
        let wanted: &[&str] = match op {
            "move" | "copy" => &["op", "path", "from"],
            "remove" => &["op", "path"],
            _ => &["op", "path", "value"],
        };
        fields.into_iter().filter(|(name, _)| wanted.contains(name)).collect::<Value>()
    });
    Patch::from_value(&operations.collect::<Vec<_>>().into()).unwrap()
}

#[test]
fn a_patch_comes_to_what_its_specification_says_or_changes_nothing() {
    let (mut made, mut refused) = (0, 0);
    for seed in 0..cases(150) {
        let mut random = Random::of(seed);
        let strategies: Vec<_> =
            ConflictStrategy::ALL.iter().filter(|s| **s != ConflictStrategy::FirstWriteWins).copied().collect();
        let rule = |pattern: &str, random: &mut Random| {
            Rule::on(Pattern::parse(pattern).unwrap()).conflict(strategies[random.below(strategies.len())])
        };
        let policy = Policy::of([rule("*", &mut random), rule("a.*", &mut random), rule("*.c", &mut random)]).unwrap();
        let mut world = World::new();
        world.add_with(1, None, DocumentOptions { shared: true, policy, ..DocumentOptions::default() });
        for _ in 0..12 {
            let before = world.value(0);
            let (command, wanted) = match random.below(3) {
                0 => {
                    let patch = map(&mut random, 0);
                    (Command::MergePatch(patch.clone()), Some(apply_merge_patch(&before, &patch)))
                }
                _ => {
                    let patch = patch(&mut random, &before);
                    let wanted = patch.apply(&before).ok();
                    (Command::Patch(patch), wanted)
                }
            };
            let text = format!("seed {seed}: {command:?} on {before:?}");
            let request = world.hosts[0].engine.write(&name(), command, WriteTerms::default(), world.now);
            world.now.wall_ms += 1;
            world.settle(0);
            match (world.answer(0, request).unwrap(), wanted) {
                (Ok(_), Some(wanted)) => {
                    assert_eq!(world.value(0), wanted, "{text}");
                    made += 1;
                }
                (Err(_), None) => {
                    assert_eq!(world.value(0), before, "{text}");
                    refused += 1;
                }
                (answer, wanted) => panic!("{text}: {answer:?}, and not {wanted:?}"),
            }
        }
    }
    assert!(made > 500 && refused > 100, "{made} {refused}");
}
