//! What a list or a text comes to that a save and others changed, where both can be had.

use crate::conflict::{Change, Details, resolve_changes};
use crate::diff::three_way;
use crate::policy::ConflictStrategy;
use crate::value::Value;

/// Both sides of a leaf that was `base`: by the rule of its path where that keeps what both wrote, and else where they wrote in
/// different items of a list of maps that neither made longer, shorter or moved. `None` where one has to give way.
pub(super) fn both(base: &Value, saved: &Value, theirs: &Value, strategy: ConflictStrategy) -> Option<Value> {
    use ConflictStrategy::{LastWriteWins, MergeStrategies, OperationalTransform};
    match strategy {
        LastWriteWins => by_item(base, saved, theirs),
        MergeStrategies | OperationalTransform => {
            // Theirs was there first.
            let change = |at_ms, value: &Value| Change {
                author: "".into(),
                at_ms,
                value: value.clone(),
                base: Some(base.clone()),
            };
            let found = resolve_changes("", &[change(0, theirs), change(1, saved)], strategy).ok()?;
            found.value.filter(|_| matches!(found.details, Details::Lists { .. } | Details::Edits { .. }))
        }
        _ => None,
    }
}

fn by_item(base: &Value, saved: &Value, theirs: &Value) -> Option<Value> {
    let (base, saved, theirs) = (base.as_list()?, saved.as_list()?, theirs.as_list()?);
    if base.len() != saved.len() || base.len() != theirs.len() {
        return None;
    }
    let merged = base.iter().zip(saved.iter().zip(theirs.iter())).map(|(base, (saved, theirs))| {
        if base != saved && base != theirs {
            let merged = three_way(base, saved, theirs);
            return (has_its_name(base, saved) && has_its_name(base, theirs) && merged.conflicts.is_empty())
                .then_some(merged.value);
        }
        let item = if base == saved { theirs } else { saved };
        (base == item || has_its_name(base, item)).then(|| item.clone())
    });
    merged.collect::<Option<Vec<Value>>>().map(Value::from)
}

/// Whether two items are maps with the same name: else one of them may have come from elsewhere in the list.
fn has_its_name(before: &Value, item: &Value) -> bool {
    let name = ["name", "id", "key"].into_iter().find_map(|field| Some((field, before.child(field)?)));
    name.is_some_and(|(field, name)| item.child(field) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};

    fn merged(strategy: ConflictStrategy, base: &str, saved: &str, theirs: &str) -> Option<Value> {
        let value =
            |text: &str| parse(&format!(r#"{{"k":{text}}}"#), Format::Json).unwrap().child("k").cloned().unwrap();
        both(&value(base), &value(saved), &value(theirs), strategy)
    }

    fn items(base: &str, saved: &str, theirs: &str) -> Option<String> {
        merged(ConflictStrategy::LastWriteWins, base, saved, theirs).map(|value| crate::canonical::canonical(&value))
    }

    #[test]
    fn changes_of_different_named_items_of_a_list_are_both_there() {
        let base = r#"[{"image":1,"name":"a"},{"image":1,"name":"b"}]"#;
        let saved = r#"[{"image":1,"name":"a"},{"image":9,"name":"b","port":80}]"#;
        let theirs = r#"[{"image":2,"name":"a"},{"image":1,"name":"b","tag":"x"}]"#;
        let want = r#"[{"image":2,"name":"a"},{"image":9,"name":"b","port":80,"tag":"x"}]"#;
        assert_eq!(items(base, saved, theirs).as_deref(), Some(want));
    }

    #[test]
    fn one_field_that_both_changed_and_items_that_moved_came_or_went_are_not_merged() {
        let base = r#"[{"image":1,"name":"a"},{"image":1,"name":"b"}]"#;
        let saved = r#"[{"image":1,"name":"a"},{"image":9,"name":"b"}]"#;
        for theirs in [
            r#"[{"image":1,"name":"a"},{"image":2,"name":"b"}]"#,
            r#"[{"image":1,"name":"b"},{"image":1,"name":"a"}]"#,
            r#"[{"image":1,"name":"a"},{"image":1,"name":"b"},{"image":1,"name":"c"}]"#,
            r#"[{"image":1,"name":"b"}]"#,
        ] {
            assert_eq!(items(base, saved, theirs), None, "{theirs}");
        }
        assert_eq!(items("[1,2]", "[1,3]", "[4,2]"), None);
    }

    #[test]
    fn a_rule_that_keeps_what_all_wrote_decides() {
        let list = |strategy| merged(strategy, "[1,2]", "[1,2,3]", "[0,1,2]").unwrap();
        for strategy in [ConflictStrategy::MergeStrategies, ConflictStrategy::OperationalTransform] {
            let list = list(strategy);
            for item in 0..4 {
                assert!(list.as_list().unwrap().iter().any(|found| *found == Value::from(item)), "{list:?}");
            }
        }
        let text = merged(
            ConflictStrategy::OperationalTransform,
            r#""hello world""#,
            r#""hello world!""#,
            r#""big hello world""#,
        );
        assert_eq!(text, Some("big hello world!".into()));
        assert_eq!(merged(ConflictStrategy::OperationalTransform, "1", "2", "3"), None);
        assert_eq!(merged(ConflictStrategy::ManualResolution, "[1,2]", "[1,2,3]", "[0,1,2]"), None);
    }
}
