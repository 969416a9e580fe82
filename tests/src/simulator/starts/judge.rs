//! What has to be so once everything was quiet for a while.

use std::collections::{BTreeMap, BTreeSet};

use confmesh::Path;
use confmesh::Value;
use confmesh::canonical::canonical;
use confmesh::engine::DocumentStatus;
use confmesh::format::{Format, parse};

use super::super::{Checked, Property, violated};
use super::{Starts, name};

/// Whether a text is a document that holds something.
fn has_content(text: &str) -> bool {
    parse(text, Format::Json).is_ok_and(|value| value.as_map().is_some_and(|map| !map.is_empty()))
}

impl Starts {
    fn status(&self, at: usize) -> Option<DocumentStatus> {
        self.nodes[at].engine.as_ref()?.status().into_iter().next()
    }

    fn shown(&self, at: usize) -> Value {
        let snapshot = self.nodes[at].engine.as_ref().and_then(|engine| engine.snapshot(&name()));
        snapshot.map(|snapshot| snapshot.value.clone()).unwrap_or_default()
    }

    /// Remembers which documents there are.
    pub(super) fn watch(&mut self, at: usize) {
        let Some(status) = self.status(at) else { return };
        let (Some(genesis), Some(standing)) = (status.genesis, status.standing) else { return };
        *self.births.entry(genesis).or_default() |= standing.content;
    }

    /// The instances that are there, by who is connected with whom; with `shared`, over those alone that share a document.
    fn components(&self, shared: bool) -> Vec<Vec<usize>> {
        let genesis = |at: usize| self.status(at).and_then(|status| status.genesis);
        let mut group: Vec<usize> = (0..self.nodes.len()).collect();
        for _ in 0..self.nodes.len() {
            for [a, b] in &self.plan.edges {
                let are_there = self.nodes[*a].engine.is_some() && self.nodes[*b].engine.is_some();
                if are_there && (!shared || genesis(*a) == genesis(*b)) {
                    let least = group[*a].min(group[*b]);
                    (group[*a], group[*b]) = (least, least);
                }
            }
        }
        let mut components: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, of) in group.into_iter().enumerate() {
            if self.nodes[at].engine.is_some() {
                components.entry(of).or_default().push(at);
            }
        }
        components.into_values().collect()
    }

    pub(super) fn judge(&mut self) -> Checked {
        for component in self.components(false) {
            self.judge_component(&component)?;
        }
        for component in self.components(true) {
            self.judge_agreement(&component)?;
        }
        self.nothing_lost()
    }

    fn judge_component(&self, component: &[usize]) -> Checked {
        let mut documents: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for at in component {
            let Some(genesis) = self.status(*at).and_then(|status| status.genesis) else {
                return violated(Property::Liveness, format!("{at} has no document"));
            };
            documents.entry(genesis).or_default().push(*at);
        }
        if documents.len() > 1 {
            self.stand_apart(component)?;
        } else if let Some(genesis) = documents.keys().next() {
            let is_empty = !self.births.get(genesis).copied().unwrap_or(false);
            let has_other = self.births.values().any(|content| *content);
            if is_empty && has_other && !self.had_lives && self.components(false).len() == 1 {
                return violated(Property::Loss, "content gave way to nothing");
            }
        }
        // Nobody removes anything here, so what shows nothing never held anything.
        let holds = |at: &&usize| self.nodes[**at].original.as_ref().is_some_and(|text| has_content(text));
        if component.iter().all(|at| self.shown(*at) == Value::empty_map())
            && let Some(at) = component.iter().find(holds)
        {
            return violated(Property::Loss, format!("the file of {at} gave way to nothing"));
        }
        Ok(())
    }

    fn judge_agreement(&self, members: &[usize]) -> Checked {
        for at in members {
            let (mine, first) = (self.shown(*at), self.shown(members[0]));
            if mine != first {
                let what = format!("{at} shows {}, {} {}", canonical(&mine), members[0], canonical(&first));
                return violated(Property::Divergence, what);
            }
            let file = self.nodes[*at].file.as_deref().and_then(|text| parse(text, Format::Json).ok());
            if file.as_ref().unwrap_or(&Value::empty_map()) != &mine {
                let what = format!("the file of {at} holds {file:?}, the document {}", canonical(&mine));
                return violated(Property::Liveness, what);
            }
            self.written_once(*at)?;
            self.nobody_is_made_up(*at)?;
        }
        Ok(())
    }

    /// Only old documents stand apart, and both sides know wherever they meet.
    fn stand_apart(&self, component: &[usize]) -> Checked {
        let genesis = |at: usize| self.status(at).and_then(|status| status.genesis);
        for at in component {
            if !self.status(*at).and_then(|status| status.standing).is_some_and(|standing| standing.old) {
                return violated(Property::Liveness, format!("{at} is young and stands apart from others"));
            }
        }
        for [a, b] in &self.plan.edges {
            let are_there = component.contains(a) && component.contains(b);
            if !are_there || genesis(*a) == genesis(*b) {
                continue;
            }
            for at in [a, b] {
                let is_told = self.nodes[*at].notices.iter().any(|text| text.contains("holds another document"));
                let is_shown = self.nodes[*at].engine.as_ref().is_some_and(|engine| !engine.apart(&name()).is_empty());
                if !is_told || !is_shown {
                    let what = format!("{a} and {b} stand apart, and {at} does not say so ({is_told}, {is_shown})");
                    return violated(Property::Liveness, what);
                }
            }
        }
        Ok(())
    }

    /// Nothing that went along from document to document is there twice. Where a document is repaired while it gives way to
    /// another one as well, a write is made again in the successor and goes along to the other: the same value, twice.
    fn written_once(&self, at: usize) -> Checked {
        if !self.repaired.is_empty() {
            return Ok(());
        }
        let Some(engine) = self.nodes[at].engine.as_ref() else { return Ok(()) };
        for key in &self.acknowledged {
            let path = Path::parse(key).unwrap();
            let written = engine.written(&name(), &path).into_iter().filter(|write| write.path == path).count();
            if written > 1 {
                return violated(Property::Other, format!("{key} is written {written} times at {at}"));
            }
        }
        Ok(())
    }

    fn nothing_lost(&self) -> Checked {
        let there: Vec<usize> = (0..self.nodes.len()).filter(|at| self.nodes[*at].engine.is_some()).collect();
        let shown: Vec<Value> = there.iter().map(|at| self.shown(*at)).collect();
        for key in &self.acknowledged {
            let path = Path::parse(key).unwrap();
            // An instance of an earlier life that did not come back has what it has.
            let is_away = self.nodes.iter().any(|node| node.engine.is_none());
            let is_kept = |at: &usize| !self.repaired.is_empty() && self.keeps(*at, &path);
            if !is_away && !shown.iter().any(|value| value.at(&path).is_some()) && !there.iter().any(is_kept) {
                return violated(Property::Durability, format!("{key} was acknowledged and is nowhere"));
            }
        }
        for (at, value) in there.iter().zip(&shown) {
            self.file_is_kept(*at, value)?;
        }
        Ok(())
    }

    /// Whether it kept what stood at a path aside.
    fn keeps(&self, at: usize, path: &Path) -> bool {
        let kept = self.nodes[at].engine.as_ref().map(|engine| engine.kept(&name())).unwrap_or_default();
        kept.iter().any(|kept| parse(&kept.text, Format::Json).is_ok_and(|text| text.at(path).is_some()))
    }

    /// What a file held is in the document, or kept and named.
    fn file_is_kept(&self, at: usize, shown: &Value) -> Checked {
        let node = &self.nodes[at];
        let Some(original) = node.original.as_ref().and_then(|text| parse(text, Format::Json).ok()) else {
            return Ok(());
        };
        let mut lost = BTreeSet::new();
        // Who joined a document that never held anything wrote it there, at the same time as others.
        let listed = node.engine.as_ref().map(|engine| engine.conflicts(&name(), true)).unwrap_or_default();
        let is_listed = |path: &Path, leaf: &Value| {
            let here = listed.iter().filter(|found| found.path == *path);
            here.flat_map(|found| &found.sides).any(|side| side.value.as_ref() == Some(leaf))
        };
        original.for_each_leaf(&mut |path, leaf| {
            if shown.at(path) != Some(leaf) && !path.is_root() && !is_listed(path, leaf) {
                lost.insert(path.to_string());
            }
        });
        let kept = node.engine.as_ref().map(|engine| engine.kept(&name()).to_vec()).unwrap_or_default();
        let holds = |text: &str| {
            let held = parse(text, Format::Json).unwrap_or_default();
            lost.iter().all(|path| held.at(&Path::parse(path).unwrap()).is_some())
        };
        if lost.is_empty() {
            return Ok(());
        }
        if !kept.iter().any(|kept| holds(&kept.text)) {
            return violated(Property::Loss, format!("the file of {at} held {lost:?}, which nothing names as kept"));
        }
        if !node.copies.iter().any(|text| holds(text)) {
            return violated(Property::Loss, format!("no copy of the file of {at} has {lost:?}"));
        }
        Ok(())
    }
}
