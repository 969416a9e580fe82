//! Conflict rules of other instances: which they run is told in the greeting, and a difference stands beside the peer.
//!
//! Each write carries the rule of its author, so differing rules never make instances differ. But how a conflict ends depends
//! on where its sides were written, which nobody wants who did not mean it.

use std::collections::BTreeMap;

use super::document::Document;
use crate::canonical::content_hash;
use crate::error::{Code, Error};
use crate::id::{DocumentName, InstanceId};
use crate::policy::{Policy, Rule};
use crate::protocol::ReplicaLink;
use crate::value::{Map, Value};

/// A short name of what a policy says about concurrent writes. The order of rules only counts among those on one pattern, of
/// which the first that says something decides.
pub(super) fn digest(policy: &Policy) -> u64 {
    let mut by_pattern: BTreeMap<String, Rule> = BTreeMap::new();
    for rule in policy.rules() {
        let known = by_pattern.entry(rule.pattern.to_string()).or_insert_with(|| Rule::on(rule.pattern.clone()));
        known.conflict = known.conflict.or(rule.conflict);
        known.meanwhile = known.meanwhile.or(rule.meanwhile);
        known.atomic = known.atomic.or(rule.atomic);
    }
    let speaks = |value: &Value| value.as_map().is_some_and(|fields: &Map| fields.len() > 1);
    let rules: Vec<Value> = by_pattern.values().map(Rule::to_value).filter(speaks).collect();
    let hash = content_hash(&Value::from(rules));
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

impl Document {
    /// What is to be said of a peer that settles conflicts by other rules. One from before rules were told says nothing.
    pub(super) fn other_rules(&self, link: &ReplicaLink, instance: Option<InstanceId>) -> Option<Error> {
        let theirs = link.rules?;
        (theirs != self.rules).then(|| other_rules(&self.name, instance))
    }
}

fn other_rules(name: &DocumentName, instance: Option<InstanceId>) -> Error {
    let whose = instance.map_or_else(|| "a peer".to_owned(), |id| format!("instance {id}"));
    let message = format!("other rules: {whose} settles conflicts in `{name}` differently from this instance");
    let hint = "every instance shows the same all the same, since each write carries its author's rule; but how a conflict ends depends on where it is written: give both the same conflict rules";
    Error::new(Code::OtherRules, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};

    fn of(rules: &str) -> u64 {
        digest(&Policy::from_value(&parse(rules, Format::Json).unwrap()).unwrap())
    }

    #[test]
    fn only_what_decides_conflicts_makes_rules_differ() {
        let rules = of(r#"[{"pattern":"a.*","conflict":"manual_resolution"},{"pattern":"b.*","atomic":true}]"#);
        for same in [
            r#"[{"pattern":"b.*","atomic":true},{"pattern":"a.*","conflict":"manual_resolution"}]"#,
            r#"[{"pattern":"a.*","conflict":"manual_resolution","merge":"override"},{"pattern":"b.*","atomic":true},{"pattern":"c","secret":true}]"#,
            r#"[{"pattern":"a.*","conflict":"manual_resolution"},{"pattern":"b.*","atomic":true},{"pattern":"a.*","conflict":"first_write_wins"}]"#,
        ] {
            assert_eq!(of(same), rules, "{same}");
        }
        for other in [
            "[]",
            r#"[{"pattern":"a.*","conflict":"manual_resolution"}]"#,
            r#"[{"pattern":"a.*","conflict":"manual_resolution","meanwhile":"first"},{"pattern":"b.*","atomic":true}]"#,
            r#"[{"pattern":"a.b","conflict":"manual_resolution"},{"pattern":"b.*","atomic":true}]"#,
        ] {
            assert_ne!(of(other), rules, "{other}");
        }
        assert_eq!(of("[]"), of(r#"[{"pattern":"c","secret":true}]"#));
    }
}
