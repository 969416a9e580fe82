//! Instances that check: what is invalid for one is withheld there path by path, and everything else is in force.
//!
//! Which paths these are is worked out here anew from few rules that the engine knows as a schema and references.

use std::collections::{BTreeMap, BTreeSet};

use confmesh::canonical::canonical;
use confmesh::engine::{Command, DocumentOptions, WriteTerms};
use confmesh::format::{Format, parse};
use confmesh::replica::Edit;
use confmesh::schema::Schema;
use confmesh::{Path, Value};

use super::generate::path;
use super::host::{Host, Wish, name};
use super::random::Random;
use super::world::World;
use super::{Checked, Property, violated};

/// Where texts refer to other values.
pub(crate) const REFERS: &str = "r";
const TARGETS: &[&str] = &["t", "a.x", "c.d"];

/// What one instance asks of the document.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rules {
    /// `t` is a whole number.
    number: bool,
    /// `a` is a map: `x` in it a whole number up to 3, `l` a list of whole numbers.
    map: bool,
    /// `b` is a map that holds a whole number `x`.
    required: bool,
    /// Texts refer to other values.
    references: bool,
}

impl Rules {
    pub(crate) fn draw(random: &mut Random) -> Rules {
        let mut draw = || random.below(2) == 0;
        Rules { number: draw(), map: draw(), required: draw(), references: draw() }
    }

    pub(crate) fn check_anything(self) -> bool {
        self != Rules::default()
    }

    pub(crate) fn options(self, options: DocumentOptions) -> DocumentOptions {
        let parts = [
            (self.number, r#""t": "integer""#),
            (
                self.map,
                r#""a": {"fields": {"x": {"type": "integer", "max": 3}, "l": {"type": "list", "items": "integer"}}}"#,
            ),
            (self.required, r#""b": {"fields": {"x": {"type": "integer", "required": true}}}"#),
        ];
        let parts: Vec<&str> = parts.into_iter().filter(|(wanted, _)| *wanted).map(|(_, text)| text).collect();
        let text = format!(r#"{{"fields": {{{}}}}}"#, parts.join(", "));
        let schema = Schema::from_value(&parse(&text, Format::Json).unwrap()).unwrap();
        let schema = (!parts.is_empty()).then_some(schema);
        DocumentOptions { schema, variables: self.references.then(BTreeMap::new), ..options }
    }

    /// What is in force of the newest shared layer where `before` was, and what is withheld.
    pub(crate) fn in_force(self, newest: &Value, before: &Value) -> (Value, BTreeSet<Path>) {
        let mut held = BTreeSet::new();
        loop {
            let value = with_before(newest, before, &held);
            let mut wider: BTreeSet<Path> = self.wrong(&value, before).union(&held).cloned().collect();
            if let Some(targets) = self.broken(&value) {
                let ways = targets.iter().map(|target| in_the_way(newest, target)).chain([path(REFERS)]);
                let blamed: Vec<Path> = ways.filter(|at| newest.at(at) != before.at(at)).collect();
                let free = |at: &&Path| !held.iter().any(|held| at.starts_with(held));
                wider.extend(blamed.iter().find(free).or(blamed.first()).cloned());
            }
            if wider == held {
                break;
            }
            held = wider;
        }
        // A text that is withheld itself holds back nothing that it refers to.
        for path in held.clone() {
            let fewer = held.iter().filter(|held| **held != path).cloned().collect();
            let value = with_before(newest, before, &fewer);
            if self.wrong(&value, before).is_empty() && self.broken(&value).is_none() {
                held = fewer;
            }
        }
        (with_before(newest, before, &held), held)
    }

    fn wrong(self, newest: &Value, before: &Value) -> BTreeSet<Path> {
        let mut wrong = BTreeSet::new();
        let at = |place: &str| newest.at(&path(place));
        let is_map = |place: &str| at(place).is_none_or(|value| value.as_map().is_some());
        if self.number && at("t").is_some_and(|value| value.as_i64().is_none()) {
            wrong.insert(path("t"));
        }
        if self.map && !is_map("a") {
            wrong.insert(path("a"));
        } else if self.map {
            if at("a.x").is_some_and(|value| value.as_i64().is_none_or(|number| number > 3)) {
                wrong.insert(path("a.x"));
            }
            let is_whole =
                |value: &Value| value.as_list().is_some_and(|list| list.iter().all(|one| one.as_i64().is_some()));
            if at("a.l").is_some_and(|value| !is_whole(value)) {
                wrong.insert(path("a.l"));
            }
        }
        if self.required && !is_map("b") {
            wrong.insert(path("b"));
        } else if self.required && at("b").is_some() && at("b.x").is_none_or(|value| value.as_i64().is_none()) {
            // Without a value to show in its place the map goes with it.
            wrong.insert(path(if before.at(&path("b.x")).is_some() { "b.x" } else { "b" }));
        }
        wrong
    }

    /// The one text that refers to other values, in pieces: texts, and where a value stands.
    fn pieces(self, value: &Value) -> Option<Vec<Result<Path, String>>> {
        let mut rest = value.at(&path(REFERS)).filter(|_| self.references)?.as_str()?;
        let mut pieces = Vec::new();
        while let Some((text, target, after)) = rest.split_once("${").and_then(|(text, after)| {
            let (target, after) = after.split_once('}')?;
            Some((text, target, after))
        }) {
            pieces.extend((!text.is_empty()).then(|| Err(text.to_owned())));
            pieces.push(Ok(path(target)));
            rest = after;
        }
        pieces.extend((!rest.is_empty()).then(|| Err(rest.to_owned())));
        Some(pieces)
    }

    /// What the text refers to, where nothing can be put in its place.
    fn broken(self, value: &Value) -> Option<Vec<Path>> {
        let pieces = self.pieces(value)?;
        let is_inside = pieces.len() > 1;
        let cannot_stand = |target: &Path| match value.at(target) {
            None => true,
            Some(found) => is_inside && (found.as_map().is_some() || found.as_list().is_some()),
        };
        let targets: Vec<Path> = pieces.into_iter().flatten().collect();
        targets.iter().any(cannot_stand).then_some(targets)
    }

    /// The document as programs read it.
    pub(crate) fn resolved(self, value: &Value) -> Value {
        let Some(pieces) = self.pieces(value).filter(|_| self.broken(value).is_none()) else { return value.clone() };
        let found = |target: &Path| value.at(target).cloned().unwrap_or(Value::Null);
        let put = match pieces.as_slice() {
            [Ok(target)] => found(target),
            pieces => pieces
                .iter()
                .map(|piece| match piece {
                    Ok(target) => found(target).as_str().map_or_else(|| canonical(&found(target)), str::to_owned),
                    Err(text) => text.clone(),
                })
                .collect::<String>()
                .into(),
        };
        value.with(&path(REFERS), put)
    }
}

/// The path, or the list or scalar that stands in its way.
fn in_the_way(newest: &Value, target: &Path) -> Path {
    let stands = |len: &usize| newest.at(&target.prefix(*len)).is_some_and(|value| value.as_map().is_none());
    target.prefix((1..target.len()).find(stands).unwrap_or(target.len()))
}

fn with_before(newest: &Value, before: &Value, held: &BTreeSet<Path>) -> Value {
    held.iter().fold(newest.clone(), |value, path| match before.at(path) {
        Some(old) => value.with(path, old.clone()),
        None => value.without(path),
    })
}

impl Host {
    /// The shared layer as far as it is in force, with references as they were written.
    pub(crate) fn shown_as_written(&self) -> Option<Value> {
        if self.rules.check_anything() && self.known.is_some() { Some(self.in_force.clone()) } else { self.shown() }
    }
}

impl World {
    /// What a batch that gets to the disk brings into force; `arrives` where the engine hears nothing of it.
    pub(crate) fn bring_into_force(&mut self, at: usize, unheard: bool) {
        let host = &self.hosts[at];
        if !host.rules.check_anything() {
            return;
        }
        let Some(known) = super::history::stored(&host.store) else { return };
        let newest = self.history.expected(&known).value.clone();
        let (value, held) = host.rules.in_force(&newest, &host.in_force);
        self.note(|| format!("{at} has to show {value:?}, withheld {held:?}"));
        let host = &mut self.hosts[at];
        if unheard {
            host.after_death = Some((value, held));
        } else {
            (host.in_force, host.withheld, host.after_death) = (value, held, None);
        }
    }

    /// What an instance shows that checks is what has to be in force there, and it says what is not.
    pub(crate) fn check_in_force(&self, at: usize, shown: &Value, newest: &Value) -> Checked {
        let host = &self.hosts[at];
        let wanted = if host.rules.check_anything() { host.rules.resolved(&host.in_force) } else { newest.clone() };
        if *shown != wanted {
            return violated(Property::Oracle, format!("instance {at} shows {shown:?}, has to show {wanted:?}"));
        }
        let Some(status) = host.engine.as_ref().and_then(|engine| engine.status().into_iter().next()) else {
            return Ok(());
        };
        let withheld: BTreeSet<Path> = status.withheld.iter().map(|one| one.withheld.path.clone()).collect();
        if withheld != host.withheld || status.rejected.is_some() == withheld.is_empty() {
            let what = format!("instance {at} says that it withholds {withheld:?}, and does {:?}", host.withheld);
            return violated(Property::Other, what);
        }
        Ok(())
    }

    /// Somebody writes a text that refers to another value.
    pub(crate) fn refer(&mut self, at: usize) -> Checked {
        let target = self.ruled.pick(TARGETS);
        let now = self.hosts[at].now(self.now_ms);
        let Some(engine) = &mut self.hosts[at].engine else { return Ok(()) };
        let request = engine.set(&name(), path(REFERS), format!("${{{target}}}").into(), now);
        self.hosts[at].open.insert(request, Wish::default());
        self.note(|| format!("{at} refers to {target}"));
        self.settle(at)
    }

    /// People mend what the instances say that they withhold. Returns whether there was anything to do.
    pub(crate) fn mend(&mut self, at: usize) -> Checked<bool> {
        let held: BTreeSet<Path> = self.hosts[at].withheld.iter().map(|path| path.prefix(1)).collect();
        if held.is_empty() || self.hosts[at].known.is_none() {
            return Ok(false);
        }
        let edit = |path: Path| Edit { path, value: None };
        let edits: Vec<Edit> = held.into_iter().chain([path(REFERS)]).map(edit).collect();
        let now = self.hosts[at].now(self.now_ms);
        self.note(|| format!("a person mends what {at} withholds: {edits:?}"));
        let Some(engine) = &mut self.hosts[at].engine else { return Ok(false) };
        let terms = WriteTerms { force: true, ..WriteTerms::default() };
        let request = engine.write(&name(), Command::Edits(edits), terms, now);
        self.hosts[at].open.insert(request, Wish { mends: true, ..Wish::default() });
        self.settle(at)?;
        Ok(true)
    }
}
