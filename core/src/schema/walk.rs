//! Ways through a schema: references, everything that is said about one place, and what is secret.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Field, Others};
use super::{Parts, Schema};
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::Rule;
use crate::value::Str;

/// How many fields one search looks at: definitions within definitions can otherwise stand for billions.
pub(super) const MAX_VISITS: usize = 100_000;
/// The name of the definition that is the whole schema (`{"$ref": "#"}`).
pub(super) const ROOT: &str = "";

impl Parts {
    /// The field that a reference leads to.
    pub fn resolve(&self, name: &str) -> Option<&Field> {
        if name == ROOT { Some(&self.root) } else { self.definitions.get(name) }
    }

    /// The field and every field that speaks about the same value: references, `allOf`, `anyOf`, `oneOf`.
    pub fn aspects<'s>(&'s self, field: &'s Field) -> Vec<&'s Field> {
        let mut found: Vec<&Field> = Vec::new();
        let mut waiting = vec![field];
        while let Some(next) = waiting.pop() {
            if found.iter().any(|known| std::ptr::eq(*known, next)) {
                continue;
            }
            found.push(next);
            let referred = next.reference.as_deref().and_then(|name| self.resolve(name));
            // What is named first comes first.
            let alternatives = next.one_of.iter().rev().chain(next.any_of.iter().rev()).chain(next.all_of.iter().rev());
            waiting.extend(alternatives.chain(referred));
        }
        found
    }

    /// What the schema says about a key of a map that the field describes.
    pub fn child<'s>(&'s self, field: &'s Field, key: &str) -> Option<&'s Field> {
        let aspects = self.aspects(field);
        let declared = aspects.iter().find_map(|aspect| aspect.child(key));
        declared.or_else(|| {
            aspects.iter().find_map(|aspect| match &aspect.others {
                Others::Of(values) => Some(&**values),
                Others::Any | Others::Refused => None,
            })
        })
    }

    /// Every declared key of a map that the field describes, in the order of declaration.
    pub fn declared<'s>(&'s self, field: &'s Field) -> Vec<(&'s Str, &'s Field)> {
        let mut found: Vec<(&Str, &Field)> = Vec::new();
        for (key, child) in self.aspects(field).into_iter().flat_map(|aspect| &aspect.fields) {
            if !found.iter().any(|(known, _)| *known == key) {
                found.push((key, child));
            }
        }
        found
    }

    /// Whether the schema calls the value of the field secret.
    pub fn is_secret(&self, field: &Field) -> bool {
        self.aspects(field).iter().any(|aspect| aspect.secret)
    }
}

/// Refuses references that lead nowhere, and those that lead back without going deeper into the document.
pub(super) fn check_references(schema: &Schema) -> Result<()> {
    /// The fields that speak about the same value.
    fn visit(parts: &Parts, field: &Field, open: &mut Vec<Str>, done: &mut BTreeSet<Str>) -> Result<()> {
        if let Some(name) = &field.reference
            && !done.contains(name)
        {
            let shown = if name.is_empty() { "#" } else { name.as_str() };
            let Some(target) = parts.resolve(name) else {
                return Err(Error::new(Code::Invalid, format!("the reference `{shown}` leads nowhere"))
                    .with_hint("references lead to `#`, `#/$defs/<name>` or another place of the document"));
            };
            if open.contains(name) {
                return Err(Error::new(Code::Invalid, format!("the reference `{shown}` leads back to itself"))
                    .with_hint("put a property or a list between the two"));
            }
            open.push(name.clone());
            visit(parts, target, open, done)?;
            open.pop();
            done.insert(name.clone());
        }
        alternatives(field).try_for_each(|field| visit(parts, field, open, done))
    }
    fn every(parts: &Parts, field: &Field, done: &mut BTreeSet<Str>) -> Result<()> {
        visit(parts, field, &mut Vec::new(), done)?;
        below(field).chain(alternatives(field)).try_for_each(|field| every(parts, field, done))
    }
    let mut done = BTreeSet::new();
    every(&schema.0, &schema.0.root, &mut done)?;
    schema.0.definitions.values().try_for_each(|field| every(&schema.0, field, &mut done))
}

fn alternatives(field: &Field) -> impl Iterator<Item = &Field> {
    field.all_of.iter().chain(&field.any_of).chain(&field.one_of).chain(field.not.as_deref())
}

fn below(field: &Field) -> impl Iterator<Item = &Field> {
    let values = if let Others::Of(values) = &field.others { Some(&**values) } else { None };
    field
        .fields
        .iter()
        .map(|(_, child)| child)
        .chain(values)
        .chain(field.items.as_deref())
        .chain(&field.elsewhere_below)
}

/// Every field that validation may come to.
pub(super) fn fields(parts: &Parts) -> impl Iterator<Item = &Field> {
    let mut waiting: Vec<&Field> = std::iter::once(&parts.root).chain(parts.definitions.values()).collect();
    std::iter::from_fn(move || {
        let next = waiting.pop()?;
        waiting.extend(below(next).chain(alternatives(next)).chain(&next.elsewhere));
        Some(next)
    })
}

/// A step of a pattern that is being put together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(Str),
    Any,
    Deep,
}

impl Schema {
    /// Rules that make secret what the schema calls secret, for the [`Policy`](crate::Policy) of the document. Below a
    /// definition that refers to itself the rules cover every depth.
    pub fn policy_rules(&self) -> Vec<Rule> {
        fn holds_one(field: &Field) -> bool {
            field.secret || below(field).chain(alternatives(field)).chain(&field.elsewhere).any(holds_one)
        }
        if !std::iter::once(&self.0.root).chain(self.0.definitions.values()).any(holds_one) {
            return Vec::new();
        }
        let mut search = Secrets {
            parts: &self.0,
            open: Vec::new(),
            recursive: Vec::new(),
            known: BTreeMap::new(),
            visits: MAX_VISITS,
        };
        let mut ways = search.of(&self.0.root);
        if search.visits == 0 {
            // Too entangled to tell what is secret: everything is.
            ways = [Vec::new()].into();
        }
        let patterns: BTreeMap<String, Pattern> =
            ways.iter().map(|way| pattern(way)).map(|pattern| (pattern.to_string(), pattern)).collect();
        patterns.into_values().map(|pattern| Rule::on(pattern).secret(true)).collect()
    }
}

struct Secrets<'s> {
    parts: &'s Parts,
    /// The definitions that the search stands in, by the name of their reference.
    open: Vec<Str>,
    recursive: Vec<Str>,
    /// The ways of definitions that were searched and refer to nothing that is open.
    known: BTreeMap<Str, BTreeSet<Vec<Step>>>,
    visits: usize,
}

impl Secrets<'_> {
    /// The ways from a field to what is secret at it or below.
    fn of(&mut self, field: &Field) -> BTreeSet<Vec<Step>> {
        let mut found = BTreeSet::new();
        let Some(visits) = self.visits.checked_sub(1) else { return found };
        self.visits = visits;
        if field.secret {
            found.insert(Vec::new());
        }
        if let Some(name) = &field.reference {
            if self.open.contains(name) {
                self.recursive.push(name.clone());
            } else if let Some(ways) = self.known.get(name) {
                found.extend(ways.iter().cloned());
            } else if let Some(target) = self.parts.resolve(name) {
                self.open.push(name.clone());
                let mut ways = self.of(target);
                self.open.pop();
                if self.recursive.contains(name) {
                    self.recursive.retain(|other| other != name);
                    let deep: Vec<_> = ways.iter().map(|way| [&[Step::Deep], way.as_slice()].concat()).collect();
                    ways.extend(deep);
                }
                if self.recursive.is_empty() {
                    self.known.insert(name.clone(), ways.clone());
                }
                found.extend(ways);
            }
        }
        for aspect in field.all_of.iter().chain(&field.any_of).chain(&field.one_of).chain(&field.elsewhere) {
            found.extend(self.of(aspect));
        }
        for (key, child) in &field.fields {
            self.extend(&mut found, Step::Key(key.clone()), child);
        }
        if let Others::Of(values) = &field.others {
            self.extend(&mut found, Step::Any, values);
        }
        for items in field.items.as_deref().into_iter().chain(&field.elsewhere_below) {
            self.extend(&mut found, Step::Any, items);
        }
        found
    }

    fn extend(&mut self, found: &mut BTreeSet<Vec<Step>>, step: Step, field: &Field) {
        let ways = self.of(field);
        self.visits = self.visits.saturating_sub(ways.len());
        found.extend(ways.iter().map(|way| [std::slice::from_ref(&step), way.as_slice()].concat()));
    }
}

/// The pattern of a way; where a pattern cannot say exactly that, a wider one.
fn pattern(steps: &[Step]) -> Pattern {
    let keys: Vec<Str> =
        steps.iter().filter_map(|step| if let Step::Key(key) = step { Some(key.clone()) } else { None }).collect();
    if keys.len() == steps.len() {
        return Pattern::exactly(&keys.into_iter().collect());
    }
    let spelled: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Key(key) if !key.is_empty() => Path::root().child(key).to_string(),
            Step::Key(_) | Step::Any => "*".to_owned(),
            Step::Deep => "**".to_owned(),
        })
        .collect();
    let everything = || Pattern::exactly(&Path::root());
    Pattern::parse(&spelled.join(".")).or_else(|_| Pattern::parse("*")).unwrap_or_else(|_| everything())
}
