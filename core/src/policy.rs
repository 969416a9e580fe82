//! Policy: one table of rules by pattern.
//!
//! A rule says for the paths that its pattern matches how layers merge, how concurrent writes are settled and whether
//! the value is secret. Of several rules that say something about a path the most specific pattern wins, then the one
//! that was added first.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::{List, Map, Str, Value};

/// What stands in the place of a secret value wherever people or logs could read it.
pub const MASK: &str = "***";

macro_rules! strategies {
    ($(#[$doc:meta])* $name:ident, $what:literal: $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every strategy.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name as users write it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Reads the name that [`as_str`](Self::as_str) gives; anything else is [`Code::Policy`].
            fn from_str(text: &str) -> Result<$name> {
                $name::ALL.iter().copied().find(|strategy| strategy.as_str() == text).ok_or_else(|| {
                    let names: Vec<String> = $name::ALL.iter().map(|s| format!("`{s}`")).collect();
                    Error::new(Code::Policy, format!(concat!("unknown ", $what, " strategy `{}`"), text))
                        .with_hint(format!("use one of {}", names.join(", ")))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

strategies! {
    /// How the values that several layers hold for one key become one.
    MergeStrategy, "merge":
    /// The highest-priority value wins whole.
    Override = "override",
    /// Maps are united one level deep: of equal keys the highest-priority value wins whole.
    MergeDict = "merge_dict",
    /// Maps are united at every level; everything else is overridden.
    DeepMerge = "deep_merge",
    /// Lists are joined, highest priority first.
    AppendList = "append_list",
    /// Lists are joined, highest priority first, and of equal items the first one stays.
    UnionSet = "union_set",
    /// Lists of maps are joined by a key field, which only a rule can name: see [`Rule::key`]. The maps of one key merge
    /// at every level; the lowest list's order stays, and what only higher lists hold follows, lower lists first.
    KeyedList = "keyed_list",
}

strategies! {
    /// How concurrent writes to one path are settled.
    ConflictStrategy, "conflict":
    /// The write with the latest stamp wins.
    LastWriteWins = "last_write_wins",
    /// The write with the earliest stamp wins.
    FirstWriteWins = "first_write_wins",
    /// Maps unite, lists unite, numbers and texts go to the latest.
    MergeStrategies = "merge_strategies",
    /// Every side is kept until somebody chooses.
    ManualResolution = "manual_resolution",
    /// Edits of lists and texts are transformed against each other.
    OperationalTransform = "operational_transform",
    /// Numbers that were written concurrently become their mean; everything else goes to the latest.
    NumericAverage = "numeric_average",
}

strategies! {
    /// What becomes of a write whose author says which version it was made on, where that is no longer the current one.
    Stale, "stale":
    /// What the author changed is merged with what others changed since, as far as the base is still known.
    Merge = "merge",
    /// It is refused.
    Refuse = "refuse",
}

strategies! {
    /// What a document shows while a manual conflict is open; travels in the write.
    #[derive(Default)]
    Meanwhile, "meanwhile":
    /// The side with the greatest stamp.
    #[default]
    Last = "last",
    /// The side with the smallest stamp.
    First = "first",
    /// What all sides replaced, where that was the same; else the side with the greatest stamp.
    Previous = "previous",
}

/// What holds for the paths that a pattern matches. What a rule leaves open, less specific rules may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which paths the rule is about.
    pub pattern: Pattern,
    /// How layers merge there.
    pub merge: Option<MergeStrategy>,
    /// The field that tells the items of a `keyed_list` apart.
    pub key: Option<Str>,
    /// How concurrent writes are settled there.
    pub conflict: Option<ConflictStrategy>,
    /// What shows while a conflict under `manual_resolution` is open.
    pub meanwhile: Option<Meanwhile>,
    /// What becomes of writes that were made on an older version.
    pub stale: Option<Stale>,
    /// Whether values there, and below, are secret.
    pub secret: Option<bool>,
    /// Whether the value there is written whole, so that parts of it which were written apart never mix.
    pub atomic: Option<bool>,
    /// Whether warnings about values there, and below, are left out: what is ambiguous is meant so.
    pub quiet: Option<bool>,
    /// Whether markers in files there, and below, take out what lies below, as in a file with `;unset`.
    pub removals: Option<bool>,
}

impl Rule {
    /// A rule that says nothing yet.
    pub fn on(pattern: Pattern) -> Rule {
        Rule {
            pattern,
            merge: None,
            key: None,
            conflict: None,
            meanwhile: None,
            stale: None,
            secret: None,
            atomic: None,
            quiet: None,
            removals: None,
        }
    }

    /// This rule with a merge strategy.
    #[must_use]
    pub fn merge(mut self, strategy: MergeStrategy) -> Rule {
        self.merge = Some(strategy);
        self
    }

    /// This rule with the field that tells the items of a [`MergeStrategy::KeyedList`] apart.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<str>) -> Rule {
        self.key = Some(Str::from(key.as_ref()));
        self
    }

    /// This rule with a conflict strategy.
    #[must_use]
    pub fn conflict(mut self, strategy: ConflictStrategy) -> Rule {
        self.conflict = Some(strategy);
        self
    }

    /// This rule with what shows while a manual conflict is open.
    #[must_use]
    pub fn meanwhile(mut self, meanwhile: Meanwhile) -> Rule {
        self.meanwhile = Some(meanwhile);
        self
    }

    /// This rule with what becomes of stale writes.
    #[must_use]
    pub fn stale(mut self, stale: Stale) -> Rule {
        self.stale = Some(stale);
        self
    }

    /// This rule with a say on secrecy.
    #[must_use]
    pub fn secret(mut self, secret: bool) -> Rule {
        self.secret = Some(secret);
        self
    }

    /// This rule with a say on whether the value is written whole.
    #[must_use]
    pub fn atomic(mut self, atomic: bool) -> Rule {
        self.atomic = Some(atomic);
        self
    }

    /// This rule with a say on whether warnings are left out.
    #[must_use]
    pub fn quiet(mut self, quiet: bool) -> Rule {
        self.quiet = Some(quiet);
        self
    }

    /// This rule with a say on whether markers of removals act in files.
    #[must_use]
    pub fn removals(mut self, removals: bool) -> Rule {
        self.removals = Some(removals);
        self
    }

    /// Reads `{"pattern": …, "merge": …, "key": …, "conflict": …, "meanwhile": …, "stale": …, "secret": …, "atomic": …,
    /// "quiet": …, "removals": …}`;
    /// all but the pattern may be missing.
    ///
    /// # Errors
    /// [`Code::Policy`] for an unknown field, strategy or type, [`Code::PatternSyntax`] for a bad pattern.
    pub fn from_value(value: &Value) -> Result<Rule> {
        let bad = |why: String| Error::new(Code::Policy, why);
        let map = value.as_map().ok_or_else(|| bad(format!("a rule is a map, not a {}", value.type_name())))?;
        let mut rule: Option<Rule> = None;
        if let Some(pattern) = map.get("pattern").and_then(Value::as_str) {
            rule = Some(Rule::on(Pattern::parse(pattern)?));
        }
        let mut rule = rule.ok_or_else(|| bad("a rule needs a `pattern`".to_owned()))?;
        for (key, field) in map.iter() {
            let text = || field.as_str().ok_or_else(|| bad(format!("`{key}` of a rule is a string")));
            match key.as_str() {
                "pattern" => {}
                "merge" => rule.merge = Some(text()?.parse()?),
                "key" => rule.key = Some(text()?.into()),
                "conflict" => rule.conflict = Some(text()?.parse()?),
                "meanwhile" => rule.meanwhile = Some(text()?.parse()?),
                "stale" => rule.stale = Some(text()?.parse()?),
                "secret" => {
                    rule.secret = Some(field.as_bool().ok_or_else(|| bad("`secret` of a rule is a bool".to_owned()))?);
                }
                "atomic" => {
                    rule.atomic = Some(field.as_bool().ok_or_else(|| bad("`atomic` of a rule is a bool".to_owned()))?);
                }
                "quiet" => {
                    rule.quiet = Some(field.as_bool().ok_or_else(|| bad("`quiet` of a rule is a bool".to_owned()))?);
                }
                "removals" => {
                    let acts = field.as_bool().ok_or_else(|| bad("`removals` of a rule is a bool".to_owned()))?;
                    rule.removals = Some(acts);
                }
                other => {
                    return Err(bad(format!("a rule has no field `{other}`"))
                        .with_hint("the fields are `pattern`, `merge`, `key`, `conflict`, `meanwhile`, `stale`, `secret`, `atomic`, `quiet` and `removals`"));
                }
            }
        }
        Ok(rule)
    }

    /// The form that [`Rule::from_value`] reads.
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<(Str, Value)> = vec![("pattern".into(), self.pattern.to_string().into())];
        entries.extend(self.merge.map(|merge| ("merge".into(), merge.as_str().into())));
        entries.extend(self.key.clone().map(|key| ("key".into(), key.into())));
        entries.extend(self.conflict.map(|conflict| ("conflict".into(), conflict.as_str().into())));
        entries.extend(self.meanwhile.map(|meanwhile| ("meanwhile".into(), meanwhile.as_str().into())));
        entries.extend(self.stale.map(|stale| ("stale".into(), stale.as_str().into())));
        entries.extend(self.secret.map(|secret| ("secret".into(), secret.into())));
        entries.extend(self.atomic.map(|atomic| ("atomic".into(), atomic.into())));
        entries.extend(self.quiet.map(|quiet| ("quiet".into(), quiet.into())));
        entries.extend(self.removals.map(|acts| ("removals".into(), acts.into())));
        Value::Map(entries.into_iter().collect())
    }
}

/// The rules of a document; O(1) to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Most specific first; equally specific ones in the order they were added.
    rules: Arc<Vec<Rule>>,
}

impl Policy {
    /// A table of these rules.
    ///
    /// # Errors
    /// As [`Policy::add`].
    pub fn of(rules: impl IntoIterator<Item = Rule>) -> Result<Policy> {
        let mut policy = Policy::default();
        rules.into_iter().try_for_each(|rule| policy.add(rule))?;
        Ok(policy)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// [`Code::Policy`] for a rule that says nothing, for `keyed_list` without a key or a key without it, and for a secret that asks for anything but `override` and
    /// `last_write_wins`: other strategies would have to look into sealed values.
    pub fn add(&mut self, rule: Rule) -> Result<()> {
        let is_keyed = rule.merge == Some(MergeStrategy::KeyedList);
        if is_keyed != rule.key.as_ref().is_some_and(|key| !key.is_empty()) || (!is_keyed && rule.key.is_some()) {
            let message = format!("the rule on `{}` needs `keyed_list` and `key` together", rule.pattern);
            return Err(
                Error::new(Code::Policy, message).with_hint("write `\"merge\": \"keyed_list\", \"key\": \"name\"`")
            );
        }
        if rule == Rule::on(rule.pattern.clone()) {
            return Err(Error::new(Code::Policy, format!("the rule on `{}` says nothing", rule.pattern)).with_hint(
                "give it `merge`, `conflict`, `meanwhile`, `stale`, `secret`, `atomic`, `quiet` or `removals`",
            ));
        }
        if rule.secret == Some(true)
            && (rule.merge.is_some_and(|merge| merge != MergeStrategy::Override)
                || rule.conflict.is_some_and(|conflict| conflict != ConflictStrategy::LastWriteWins))
        {
            return Err(Error::new(
                Code::Policy,
                format!("the secret rule on `{}` cannot look into its values", rule.pattern),
            )
            .with_hint("secrets take `override` and `last_write_wins` only"));
        }
        let at = self.rules.partition_point(|other| other.pattern.compare_specificity(&rule.pattern).is_ge());
        Arc::make_mut(&mut self.rules).insert(at, rule);
        Ok(())
    }

    /// Reads a list of rules, see [`Rule::from_value`].
    ///
    /// # Errors
    /// As [`Rule::from_value`] and [`Policy::add`]; the path of the error is the rule's index.
    pub fn from_value(value: &Value) -> Result<Policy> {
        let list = value
            .as_list()
            .ok_or_else(|| Error::new(Code::Policy, format!("rules are a list, not a {}", value.type_name())))?;
        let mut policy = Policy::default();
        for (at, item) in list.iter().enumerate() {
            Rule::from_value(item)
                .and_then(|rule| policy.add(rule))
                .map_err(|error| error.with_path(Path::root().child(&at.to_string())))?;
        }
        Ok(policy)
    }

    /// The form that [`Policy::from_value`] reads, most specific rule first.
    pub fn to_value(&self) -> Value {
        Value::List(self.rules.iter().map(Rule::to_value).collect::<List>())
    }

    /// The rules, most specific first.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How layers merge at a path, where a rule says so.
    pub fn merge_at(&self, path: &Path) -> Option<MergeStrategy> {
        self.merge_rule_at(path).and_then(|rule| rule.merge)
    }

    /// The field that tells the items of a list apart, where the rule that holds there is a `keyed_list`.
    pub fn list_key_at(&self, path: &Path) -> Option<&str> {
        self.merge_rule_at(path).and_then(|rule| rule.key.as_deref())
    }

    /// The rule that says how layers merge at a path.
    pub fn merge_rule_at(&self, path: &Path) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.merge.is_some() && rule.pattern.matches(path))
    }

    /// Whether any rule may say how layers merge strictly below a path.
    pub fn may_merge_below(&self, path: &Path) -> bool {
        self.rules.iter().any(|rule| rule.merge.is_some() && rule.pattern.may_match_below(path))
    }

    /// How concurrent writes to a path are settled; `last_write_wins` where no rule says anything.
    pub fn conflict_at(&self, path: &Path) -> ConflictStrategy {
        self.rules
            .iter()
            .filter(|rule| rule.conflict.is_some())
            .find(|rule| rule.pattern.matches(path))
            .and_then(|rule| rule.conflict)
            .unwrap_or(ConflictStrategy::LastWriteWins)
    }

    /// Whether concurrent writes strictly below a path may be settled otherwise than those to the path itself.
    pub fn conflict_may_differ_below(&self, path: &Path) -> bool {
        // A key that nobody writes is matched by the patterns that match every key.
        const ANY_KEY: &str = "\u{10ffff}";
        let here = self.conflict_at(path);
        let differs =
            |rule: &Rule| rule.conflict.is_some_and(|conflict| conflict != here) && rule.pattern.may_match_below(path);
        let child = path.child(ANY_KEY);
        self.rules.iter().any(differs)
            || self.conflict_at(&child) != here
            || self.conflict_at(&child.child(ANY_KEY)) != here
    }

    /// What shows at a path while a manual conflict is open there; the last side where no rule says anything.
    pub fn meanwhile_at(&self, path: &Path) -> Meanwhile {
        let mut rules = self.rules.iter().filter(|rule| rule.meanwhile.is_some());
        rules.find(|rule| rule.pattern.matches(path)).and_then(|rule| rule.meanwhile).unwrap_or_default()
    }

    /// What becomes of a stale write to a path; it is refused where no rule says anything.
    pub fn stale_at(&self, path: &Path) -> Stale {
        let mut rules = self.rules.iter().filter(|rule| rule.stale.is_some());
        rules.find(|rule| rule.pattern.matches(path)).and_then(|rule| rule.stale).unwrap_or(Stale::Refuse)
    }

    /// Whether the value at a path is written whole.
    pub fn is_atomic(&self, path: &Path) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.atomic.is_some());
        rules.find(|rule| rule.pattern.matches(path)).and_then(|rule| rule.atomic).unwrap_or(false)
    }

    /// Whether warnings about a path are left out: by the most specific rule that matches the path or one above it.
    pub fn is_quiet(&self, path: &Path) -> bool {
        self.covering(path, |rule| rule.quiet).unwrap_or(false)
    }

    /// Whether markers of removals in files act at a path: by the most specific rule that matches the path or one above it.
    pub fn removes(&self, path: &Path) -> bool {
        self.covering(path, |rule| rule.removals).unwrap_or(false)
    }

    /// What the most specific rule says that says it of the path or one above it.
    fn covering<T>(&self, path: &Path, says: impl Fn(&Rule) -> Option<T>) -> Option<T> {
        let covers = |rule: &Rule| {
            std::iter::successors(Some(path.clone()), Path::parent).any(|above| rule.pattern.matches(&above))
        };
        self.rules.iter().filter(|rule| says(rule).is_some()).find(|rule| covers(rule)).and_then(says)
    }

    /// Whether the value at a path is secret: by the most specific rule that matches the path or one above it.
    pub fn is_secret(&self, path: &Path) -> bool {
        if !self.has_secrets() {
            return false;
        }
        let covering: Vec<Path> = std::iter::successors(Some(path.clone()), Path::parent).collect();
        self.rules
            .iter()
            .filter(|rule| rule.secret.is_some())
            .find(|rule| covering.iter().any(|above| rule.pattern.matches(above)))
            .and_then(|rule| rule.secret)
            .unwrap_or(false)
    }

    /// Whether any rule makes anything secret.
    pub fn has_secrets(&self) -> bool {
        self.rules.iter().any(|rule| rule.secret == Some(true))
    }

    /// The value at `path` with [`MASK`] in the place of every secret; the same value where nothing is secret.
    pub fn masked(&self, path: &Path, value: &Value) -> Value {
        if !self.has_secrets() {
            return value.clone();
        }
        match value {
            Value::Map(map) if !map.is_empty() => Value::Map(
                map.iter().map(|(key, child)| (key.clone(), self.masked(&path.child(key), child))).collect::<Map>(),
            ),
            Value::List(list) if !self.is_secret(path) => {
                let items = list.iter().enumerate();
                Value::List(items.map(|(at, item)| self.masked(&path.child(&at.to_string()), item)).collect())
            }
            leaf if self.is_secret(path) && *leaf != Value::Null => MASK.into(),
            leaf => leaf.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn on(pattern: &str) -> Rule {
        Rule::on(Pattern::parse(pattern).unwrap())
    }

    #[test]
    fn the_most_specific_pattern_wins_then_the_first() {
        let policy = Policy::of([
            on("*").merge(MergeStrategy::Override),
            on("app.*").merge(MergeStrategy::MergeDict),
            on("app.tags").merge(MergeStrategy::UnionSet),
            on("app.tags").merge(MergeStrategy::AppendList),
            on("app.tags").conflict(ConflictStrategy::ManualResolution),
        ])
        .unwrap();
        assert_eq!(policy.merge_at(&path("app.tags")), Some(MergeStrategy::UnionSet));
        assert_eq!(policy.merge_at(&path("app.other")), Some(MergeStrategy::MergeDict));
        assert_eq!(policy.merge_at(&path("other")), Some(MergeStrategy::Override));
        assert_eq!(policy.merge_at(&Path::root()), None);
        assert_eq!(policy.conflict_at(&path("app.tags")), ConflictStrategy::ManualResolution);
        assert_eq!(policy.conflict_at(&path("app")), ConflictStrategy::LastWriteWins);
    }

    #[test]
    fn a_secret_covers_everything_below_unless_a_more_specific_rule_says_no() {
        let policy = Policy::of([on("db").secret(true), on("db.host").secret(false), on("*").secret(false)]).unwrap();
        for (text, secret) in [("db", true), ("db.password", true), ("db.a.b", true), ("db.host", false), ("x", false)]
        {
            assert_eq!(policy.is_secret(&path(text)), secret, "{text}");
        }
        assert!(!Policy::default().is_secret(&path("db")));
    }

    #[test]
    fn masking_hides_every_secret_leaf_and_keeps_the_rest() {
        let policy = Policy::of([on("db.password").secret(true), on("keys").secret(true)]).unwrap();
        let value = Value::empty_map()
            .with(&path("db.password"), "hunter2".into())
            .with(&path("db.host"), "h".into())
            .with(&path("keys"), vec!["a".into(), "b".into()].into());
        let masked = policy.masked(&Path::root(), &value);
        assert_eq!(masked.at(&path("db.password")), Some(&MASK.into()));
        assert_eq!(masked.at(&path("keys")), Some(&MASK.into()));
        assert_eq!(masked.at(&path("db.host")), Some(&"h".into()));
    }

    #[test]
    fn unknown_strategies_are_refused_with_the_list() {
        let error = "deep".parse::<MergeStrategy>().unwrap_err();
        assert_eq!(error.code(), Code::Policy);
        assert!(error.hint().unwrap().contains("`deep_merge`"));
        for strategy in MergeStrategy::ALL {
            assert_eq!(strategy.as_str().parse::<MergeStrategy>().unwrap(), *strategy);
        }
        for strategy in ConflictStrategy::ALL {
            assert_eq!(strategy.as_str().parse::<ConflictStrategy>().unwrap(), *strategy);
        }
    }

    #[test]
    fn impossible_rules_are_refused() {
        let mut policy = Policy::default();
        assert_eq!(policy.add(on("a")).unwrap_err().code(), Code::Policy);
        let union = on("a").secret(true).merge(MergeStrategy::UnionSet);
        assert_eq!(policy.add(union).unwrap_err().code(), Code::Policy);
        assert_eq!(policy.add(on("a").merge(MergeStrategy::KeyedList)).unwrap_err().code(), Code::Policy);
        assert_eq!(policy.add(on("a").merge(MergeStrategy::KeyedList).key("")).unwrap_err().code(), Code::Policy);
        assert_eq!(policy.add(on("a").merge(MergeStrategy::UnionSet).key("k")).unwrap_err().code(), Code::Policy);
        assert!(policy.is_empty());
    }

    #[test]
    fn rules_read_back_what_they_print() {
        let policy = Policy::of([
            on("a.*").merge(MergeStrategy::DeepMerge).conflict(ConflictStrategy::FirstWriteWins),
            on("b").secret(true),
            on("c").atomic(true),
            on("d").merge(MergeStrategy::KeyedList).key("name"),
            on("e").conflict(ConflictStrategy::ManualResolution).meanwhile(Meanwhile::Previous).stale(Stale::Merge),
        ])
        .unwrap();
        assert_eq!(Policy::from_value(&policy.to_value()).unwrap(), policy);
        let misspelt: Value = [("pattern", "a"), ("marge", "override")].into_iter().collect();
        let error = Policy::from_value(&vec![misspelt].into()).unwrap_err();
        assert_eq!((error.code(), error.path()), (Code::Policy, Some(&path("0"))));
    }
}
