//! Editors and scripts that hold a text of a bound file and save it later with other changes, against an oracle that knows
//! which text each of them held.
//!
//! Every value that is written is written once only, so a leaf tells by itself whether somebody wrote it since a text was
//! read. What has to hold after a save: its author's changes are there, what others wrote since stays and is listed where
//! the save had it otherwise, and what only the file had changed since is as the save says. Of a list or a text that both
//! changed, every item and line that others added since is there or listed.

use std::collections::{BTreeMap, BTreeSet};

use confmesh::clock::Now;
use confmesh::engine::{DocumentOptions, Engine, EngineConfig, Event, FileBinding, FileWrite, Stays, StoreWrite};
use confmesh::format::{Format, held, parse, print, rewrite};
use confmesh::id::InstanceId;
use confmesh::{Path, Value};

use super::host::name;
use super::random::Random;
use super::{Checked, Property, violated};

const FORMATS: [Format; 5] = [Format::Json, Format::Jsonc, Format::Yaml, Format::Toml, Format::Ini];
/// Others set any of them; only others remove the first kind, only editors the second: two removals look like one.
const OTHERS: &[&str] = &["o.a", "o.b", "o.c", "p"];
const EDITORS: &[&str] = &["e.a", "e.b", "f"];
const SHARED: &[&str] = &["s.a", "s.b", "s.t.x", "s.t.y", "q"];

/// Two lists and a text of lines, in formats that have such. Only others take something from the first, and only editors from
/// the second.
const PARTS: &[&str] = &["l.a", "l.b", "l.t"];

type Leaves = BTreeMap<Path, Value>;

/// A text that somebody read.
#[derive(Clone)]
struct Buffer {
    text: String,
    shown: Leaves,
}

struct Desk {
    random: Random,
    format: Format,
    engine: Engine,
    life: u8,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    file: String,
    in_place: bool,
    /// A write in place that was cut off lies there.
    is_torn: bool,
    /// What the file said when the process last looked.
    looked: Leaves,
    due: Option<FileWrite>,
    /// All that was to be written into the file in place.
    planned: Vec<String>,
    buffers: Vec<Buffer>,
    /// Leaves that this file wrote last.
    by_file: BTreeSet<Path>,
    /// Leaves that this file removed, and that others set since; the file has not shown that.
    unseen: BTreeSet<Path>,
    /// What this file had written last where others wrote something else that the file has not shown.
    unshown: BTreeMap<Path, Value>,
    /// Items and lines that saves added, or brought back.
    added: BTreeSet<i64>,
    has_parts: bool,
    marker: i64,
    now: Now,
    trace: Vec<String>,
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn leaves(value: &Value) -> Leaves {
    let mut leaves = Leaves::new();
    value.for_each_leaf(&mut |path, leaf| {
        // An empty section is no value, and comes and goes with what is in it.
        if *leaf != Value::empty_map() {
            leaves.insert(path.clone(), leaf.clone());
        }
    });
    leaves
}

/// What a list holds, or a text in its lines.
fn parts(value: Option<&Value>) -> Vec<i64> {
    match value {
        Some(Value::String(text)) => text.as_str().lines().filter_map(|line| line.parse().ok()).collect(),
        other => {
            other.and_then(Value::as_list).into_iter().flat_map(|list| list.iter()).filter_map(Value::as_i64).collect()
        }
    }
}

fn of_parts(key: &str, items: &[i64]) -> Value {
    match key {
        "l.t" => items.iter().map(|item| format!("{item}\n")).collect::<String>().as_str().into(),
        _ => items.iter().map(|item| Value::from(*item)).collect::<Vec<Value>>().into(),
    }
}

fn has_number(document: &Value, key: &Path) -> bool {
    document.at(key).is_some_and(|value| value.as_i64().is_some())
}

/// Runs one seed.
pub(crate) fn run(seed: u64) -> Checked {
    let mut desk = Desk::new(seed);
    let result = desk.run();
    result.map_err(|mut violation| {
        violation.what = format!("{} ({:?}: {})", violation.what, desk.format, desk.trace.join("; "));
        violation
    })
}

impl Desk {
    fn new(seed: u64) -> Desk {
        let mut random = Random::of(seed ^ 0x5a5a);
        let built: Vec<Format> =
            FORMATS.into_iter().filter(|format| print(&Value::empty_map(), *format).is_ok()).collect();
        let format = random.pick(&built);
        let keys = OTHERS.iter().chain(EDITORS).chain(SHARED);
        let value = keys
            .enumerate()
            .fold(Value::empty_map(), |value, (at, key)| value.with(&path(key), i64::try_from(at).unwrap().into()));
        let file = print(&held(&value, format).value, format).unwrap();
        let mut desk = Desk {
            format,
            engine: engine(seed, 0, &BTreeMap::new()),
            life: 0,
            store: BTreeMap::new(),
            file,
            in_place: random.below(2) == 0,
            random,
            is_torn: false,
            looked: Leaves::new(),
            due: None,
            planned: Vec::new(),
            buffers: Vec::new(),
            by_file: BTreeSet::new(),
            unseen: BTreeSet::new(),
            unshown: BTreeMap::new(),
            added: BTreeSet::new(),
            has_parts: false,
            marker: 1_000,
            now: Now { wall_ms: 1_790_000_000_000, mono_ms: 0 },
            trace: Vec::new(),
        };
        desk.open();
        desk.settle(true);
        // What the API wrote as numbers and flags keeps its type, whatever a file of texts makes of it.
        for key in OTHERS.iter().chain(EDITORS).chain(SHARED) {
            let value = desk.fresh();
            desk.others(key, Some(value));
        }
        let holds = |value: &Value| desk.texts(value).as_ref() == Some(value);
        desk.has_parts = holds(&of_parts("l.a", &[1])) && holds(&of_parts("l.t", &[1, 2])) && !desk.format.is_untyped();
        let has_parts = desk.has_parts;
        for key in PARTS.iter().filter(|_| has_parts) {
            let items = [desk.marked(), desk.marked()];
            desk.others(key, Some(of_parts(key, &items)));
        }
        desk.settle(true);
        desk
    }

    fn run(&mut self) -> Checked {
        for _ in 0..10 + self.random.below(20) {
            let ms = 1 + self.random.below(60_000);
            self.pass(ms);
            match self.random.below(10) {
                0..=3 => self.some_write(),
                4 | 5 => self.read(),
                6 | 7 => self.save(false)?,
                8 => self.save(true)?,
                _ => self.restart(None),
            }
            if self.random.below(3) > 0 {
                self.settle(true);
            }
        }
        self.settle(true);
        self.look();
        self.settle(true);
        let Ok(shown) = parse(&self.file, self.format) else {
            return violated(Property::Liveness, format!("half a text stays in the file: {:?}", self.file));
        };
        let shown = leaves(&shown);
        if shown != self.held() {
            return violated(Property::Liveness, format!("the file shows {shown:?}, the document {:?}", self.held()));
        }
        Ok(())
    }

    fn open(&mut self) {
        let binding = FileBinding { id: "the.file".into(), format: self.format, is_named: false };
        let options = DocumentOptions { shared: true, file: Some(binding), ..DocumentOptions::default() };
        self.engine.open(name(), options, self.now);
        self.look();
    }

    fn pass(&mut self, ms: usize) {
        let ms = u64::try_from(ms).unwrap();
        self.now = Now { wall_ms: self.now.wall_ms + ms, mono_ms: self.now.mono_ms + ms };
    }

    fn fresh(&mut self) -> Value {
        self.marked().into()
    }

    fn marked(&mut self) -> i64 {
        self.marker += 1;
        self.marker
    }

    /// A list or a text with another item; `shrinks` is the one that may also lose one of its own.
    fn changed(&mut self, key: &str, shrinks: &str, value: Option<&Value>) -> Value {
        let mut items = parts(value);
        if key == shrinks && items.len() > 1 && self.random.below(4) == 0 {
            items.remove(self.random.below(items.len()));
        } else {
            let at = self.random.below(items.len() + 1);
            items.insert(at, self.marked());
        }
        of_parts(key, &items)
    }

    fn document(&self) -> Value {
        self.engine.snapshot(&name()).unwrap().value.clone()
    }

    /// The document as the file would show it.
    fn held(&self) -> Leaves {
        leaves(&held(&self.document(), self.format).value)
    }

    /// A scalar as the file shows it.
    fn texts(&self, value: &Value) -> Option<Value> {
        let one = Value::empty_map().with(&path("k"), value.clone());
        held(&one, self.format).value.at(&path("k")).cloned()
    }

    /// What the file on disk says; nothing where a write in place was cut off.
    fn shown(&self) -> Leaves {
        parse(&self.file, self.format).map(|value| leaves(&value)).unwrap_or_default()
    }

    fn look(&mut self) {
        if !self.is_torn {
            self.looked = self.shown();
        }
        self.engine.handle_file(&name(), Some(&self.file), self.now);
    }

    /// Takes what comes out; with `writes` the file is written as well.
    fn settle(&mut self, writes: bool) {
        loop {
            while let Some(batch) = self.engine.poll_persist() {
                for write in batch.writes {
                    match write {
                        StoreWrite::Put { key, bytes } => drop(self.store.insert(key, bytes)),
                        StoreWrite::Delete { key } => drop(self.store.remove(&key)),
                    }
                }
                self.engine.handle_persisted(batch.ticket, self.now);
            }
            while self.engine.poll_transmit().is_some() {}
            if let Some(write) = self.engine.poll_file() {
                self.planned.extend(write.in_place.then(|| write.text.to_string()));
                self.due = Some(write);
            }
            while let Some(event) = self.engine.poll_event() {
                if let Event::Notice { error, .. } = event {
                    self.trace.push(format!("says {error}"));
                }
            }
            if !writes || self.due.is_none() {
                return;
            }
            self.write_file();
        }
    }

    /// The write that is on its way ends, and its end looks.
    fn write_file(&mut self) {
        let Some(write) = self.due.take() else { return };
        if self.in_place && !write.in_place {
            self.engine.handle_file_fixed(&name());
        } else {
            if write.expect.as_deref() == Some(&*self.file) {
                self.trace.push(format!("mirrored {:?}", write.text));
                self.file = write.text.to_string();
                self.is_torn = false;
                self.mirrored();
            }
            self.engine.handle_file_written(&name());
        }
        self.look();
    }

    /// What others set is in the file now, so what they do to it next counts.
    fn mirrored(&mut self) {
        let shown = self.shown();
        self.unshown.retain(|key, value| shown.get(key) == Some(value));
        for key in shown.keys() {
            if self.unseen.remove(key) {
                self.by_file.remove(key);
            }
        }
    }

    fn others(&mut self, key: &str, value: Option<Value>) {
        self.trace.push(format!("others: {key} = {value:?}"));
        let key_path = path(key);
        let is_there = self.document().at(&key_path).is_some();
        if value.is_some() && !is_there && self.by_file.contains(&key_path) {
            self.unseen.insert(key_path.clone());
        }
        // Who removes what is not there writes nothing, nor does who writes and removes before the file shows it.
        let is_write = value.is_some() || is_there;
        let mut is_undone = value.is_none() && self.unseen.contains(&key_path);
        if self.by_file.contains(&key_path)
            && let Some(value) = self.held().remove(&key_path)
        {
            self.unshown.insert(key_path.clone(), value);
        }
        match value {
            Some(value) => self.engine.set(&name(), path(key), value, self.now),
            None => self.engine.unset(&name(), path(key), self.now),
        };
        self.settle(false);
        // Nor who puts back what the file shows.
        is_undone |= self.unshown.get(&key_path).is_some_and(|value| self.held().get(&key_path) == Some(value));
        if is_undone {
            self.by_file.insert(key_path);
        } else if is_write {
            self.by_file.remove(&key_path);
        }
    }

    fn some_write(&mut self) {
        for _ in 0..=self.random.below(3) {
            let value = match self.random.below(6) {
                0 => Some(Value::Null),
                1 => None,
                _ => Some(self.fresh()),
            };
            let keys = match value {
                None => OTHERS.to_vec(),
                Some(Value::Null) => vec!["n.a", "n.b"],
                Some(_) => [OTHERS, EDITORS, SHARED].concat(),
            };
            let key = self.random.pick(&keys);
            self.others(key, value);
        }
        if self.has_parts && self.random.below(2) == 0 {
            let key = self.random.pick(PARTS);
            let value = self.changed(key, "l.a", self.document().at(&path(key)));
            self.others(key, Some(value));
        }
    }

    /// Somebody opens the file.
    fn read(&mut self) {
        if self.in_place {
            self.settle(true); // nobody opens half a text
        }
        self.trace.push(format!("reader {} opens the file", self.buffers.len()));
        self.buffers.push(Buffer { text: self.file.clone(), shown: self.shown() });
    }

    /// One of them saves what it had read, with changes of its own; perhaps while the process is down.
    fn save(&mut self, is_down: bool) -> Checked {
        if self.buffers.is_empty() {
            return Ok(());
        }
        let at = self.random.below(self.buffers.len());
        let buffer = self.buffers[at].clone();
        let mut value = parse(&buffer.text, self.format).unwrap();
        let mut made: BTreeMap<Path, Option<Value>> = BTreeMap::new();
        for _ in 0..=self.random.below(2) {
            let removes = self.random.below(5) == 0;
            let keys = if removes { EDITORS.to_vec() } else { [EDITORS, SHARED, OTHERS].concat() };
            let key = path(self.random.pick(&keys));
            let new = if removes { None } else { Some(self.fresh()) };
            if (removes && !buffer.shown.contains_key(&key)) || made.contains_key(&key) {
                continue;
            }
            value = match &new {
                Some(new) => value.with(&key, new.clone()),
                None => value.without(&key),
            };
            made.insert(key, new);
        }
        if self.has_parts && self.random.below(2) == 0 {
            let key = self.random.pick(PARTS);
            let new = self.changed(key, "l.b", buffer.shown.get(&path(key)));
            value = value.with(&path(key), new.clone());
            made.insert(path(key), Some(new));
        }
        if made.is_empty() {
            return Ok(());
        }
        let text = rewrite(&buffer.text, self.format, &value).unwrap();
        let on_disk = self.looked.clone();
        if is_down && self.is_like_a_tear(&text) {
            return Ok(()); // no one could tell it from a write that was cut off: `18` from `15` over `08`
        }
        if is_down {
            self.trace.push(format!("{at} saves {made:?} while nobody is there: {text:?}"));
            self.restart(Some(&text));
        } else {
            self.trace.push(format!("{at} saves {made:?}: {text:?}"));
        }
        let before = (self.document(), self.held());
        // A mirror write that is with the outside may have come to the disk, for all that the engine knows.
        let coming = self.due.as_ref().and_then(|write| parse(&write.text, self.format).ok());
        let coming = coming.map(|value| leaves(&value)).unwrap_or_default();
        self.file = text.clone();
        self.is_torn = false;
        match self.due.is_some() {
            true => self.write_file(),
            false => self.look(),
        }
        self.settle(false);
        let is_like_newest = self.check(&buffer, &made, &before, (&on_disk, &coming))?;
        let shown = leaves(&parse(&text, self.format).unwrap());
        self.buffers[at] = Buffer { text, shown };
        for (key, new) in &made {
            if new.is_some() || self.document().at(key).is_none() {
                self.by_file.insert(key.clone());
                self.unseen.remove(key);
            }
        }
        // What a save wrote over what others had written, and told, was written by this file from then on.
        let after = self.held();
        for key in PARTS.iter().map(|key| path(key)) {
            let old = parts(before.1.get(&key));
            self.added.extend(parts(after.get(&key)).into_iter().filter(|item| !old.contains(item)));
        }
        let status = self.engine.status().remove(0);
        let told = status.save_conflicts.iter().filter(|one| one.stays == Stays::Saved).map(|one| &one.path);
        let is_changed = |key: &&Path| before.1.get(*key) != after.get(*key);
        self.by_file.extend(told.filter(is_changed).cloned());
        if is_like_newest {
            self.by_file.extend(before.1.keys().chain(after.keys()).filter(is_changed).cloned());
        }
        Ok(())
    }

    /// Whether a write in place that was cut off could have left this text.
    fn is_like_a_tear(&self, text: &str) -> bool {
        let texts = || self.planned.iter().chain([&self.file]).chain(self.buffers.iter().map(|buffer| &buffer.text));
        let is_tear = |old: &str, new: &str| {
            let same = text.bytes().zip(new.bytes()).take_while(|(text, new)| text == new).count();
            same > 0 && text.as_bytes().get(same..) == old.as_bytes().get(same..)
        };
        text != self.file && self.planned.iter().any(|new| texts().any(|old| is_tear(old, new)))
    }

    /// The process dies, perhaps in the middle of a write of the file, and comes back; `saved` is what somebody saved meanwhile.
    fn restart(&mut self, saved: Option<&str>) {
        self.life += 1;
        self.engine = engine(u64::from(self.life), self.life, &self.store);
        if let Some(write) = self.due.take().filter(|write| write.expect.as_deref() == Some(&*self.file)) {
            let whole = write.text.as_bytes();
            let cut = match write.in_place {
                true if saved.is_none() => self.random.below(whole.len() + 1),
                _ => whole.len() * self.random.below(2),
            };
            let rest = self.file.bytes().skip(cut);
            let torn: Vec<u8> = whole[..cut].iter().copied().chain(rest).collect();
            self.is_torn = (cut != 0 && cut != whole.len()) || (self.is_torn && cut == 0);
            self.file = String::from_utf8(if cut == whole.len() { whole.to_vec() } else { torn }).unwrap();
            if cut == whole.len() {
                self.mirrored();
            }
        }
        self.trace.push(format!("starts again with {:?}", self.file));
        if saved.is_none() {
            self.open();
            self.settle(false);
        } else {
            // It opens what is there before the save is looked at, as its oracle has to know the document.
            let binding = FileBinding { id: "the.file".into(), format: self.format, is_named: false };
            let options = DocumentOptions { shared: true, file: Some(binding), ..DocumentOptions::default() };
            self.engine.open(name(), options, self.now);
        }
    }

    /// Checks what a save came to; whether nobody could tell it from an edit of the newest text.
    fn check(
        &mut self,
        buffer: &Buffer,
        made: &BTreeMap<Path, Option<Value>>,
        (typed, before): &(Value, Leaves),
        (on_disk, coming): (&Leaves, &Leaves),
    ) -> Checked<bool> {
        let after = self.held();
        let document = self.document();
        let listed = self.engine.status().remove(0).save_conflicts;
        let is_listed = |key: &Path, stays: Stays| listed.iter().any(|one| one.path == *key && one.stays == stays);
        let all: BTreeSet<&Path> = before.keys().chain(after.keys()).chain(buffer.shown.keys()).collect();
        // What others wrote since the text was read.
        let is_news = |key: &Path| before.get(key) != buffer.shown.get(key) && !self.by_file.contains(key);
        // A text tells its age by what differs from the one that was seen last; what was never in the file tells nothing.
        let is_old = all.iter().any(|key| !made.contains_key(*key) && on_disk.get(*key) != buffer.shown.get(*key));
        let is_part = |key: &Path| PARTS.iter().any(|part| path(part) == *key);
        // Nor does a list without an item.
        let has_all = |key: &Path, new: &Value| {
            let new = parts(Some(new));
            !is_part(key) || parts(buffer.shown.get(key)).iter().all(|item| new.contains(item))
        };
        let is_clear = made.iter().all(|(key, new)| new.as_ref().is_some_and(|new| has_all(key, new)));
        let saved = |key: &Path| made.get(key).map_or_else(|| buffer.shown.get(key), Option::as_ref);
        let from_newest = all.iter().filter(|key| saved(key) != on_disk.get(**key)).count();
        if !is_clear && from_newest <= made.len() {
            return Ok(true); // nobody could tell it from an edit of the newest text
        }
        for key in PARTS.iter().map(|key| path(key)).filter(|_| is_clear) {
            let (held, stays) = (parts(buffer.shown.get(&key)), parts(after.get(&key)));
            let mut lost = parts(before.get(&key));
            lost.retain(|item| !held.contains(item) && !stays.contains(item) && !self.added.contains(item));
            let of_key = listed.iter().filter(|one| one.path == key);
            let told: Vec<i64> = of_key.flat_map(|one| parts(one.theirs.as_ref())).collect();
            if let Some(item) = lost.iter().find(|item| !told.contains(item)) {
                let what = format!("`{key}` lost {item}, which others wrote, and nobody says so");
                return violated(Property::Loss, what);
            }
        }
        for (key, new) in made {
            let shown = document.at(key);
            match new {
                // What may have been taken for another text.
                Some(new) if is_part(key) && !has_all(key, new) => {}
                // In a file of texts the value that was there names the type.
                Some(new)
                    if shown != Some(new) && (has_number(typed, key) || after.get(key) != self.texts(new).as_ref()) =>
                {
                    return violated(Property::Loss, format!("`{key}` lost what others wrote, and nobody says so"));
                }
                None if is_news(key) && is_old => {
                    let is_unseen = on_disk.get(key) != before.get(key);
                    if shown.is_none() || !(is_unseen || is_listed(key, Stays::Theirs)) {
                        let what = format!("`{key}` was removed by somebody who never saw what others wrote");
                        return violated(Property::Loss, what);
                    }
                }
                // Whether its author saw the value that went, a text without it does not tell: where others wrote it, it is
                // listed at least.
                None if !is_news(key) && shown.is_some() && !is_listed(key, Stays::Theirs) => {
                    return violated(Property::Loss, format!("`{key}` was removed and is {shown:?}"));
                }
                _ => {}
            }
        }
        // What is missing says less than what is there: two texts may lack the same for different reasons. Then another one
        // may be taken for the ancestor, and whatever that costs is listed.
        for key in all.into_iter().filter(|key| !made.contains_key(*key)) {
            let (old, new) = (before.get(key), after.get(key));
            let held = buffer.shown.get(key);
            if self.by_file.contains(key) {
                if new != held && is_clear && !is_part(key) {
                    let what =
                        format!("`{key}`, which only the file had changed, is {new:?} and was saved as {held:?}");
                    return violated(Property::Loss, what);
                }
            } else if old != new && (is_clear || !is_listed(key, Stays::Saved)) {
                return violated(Property::Loss, format!("a save took `{key}` back from {old:?} to {new:?}"));
            } else if old == new && typed.at(key) != document.at(key) {
                return violated(Property::Loss, format!("`{key}` changed its type to {:?}", document.at(key)));
            } else if old == new
                && held != old
                && on_disk.get(key) == old
                && coming.get(key) != held
                && !is_listed(key, Stays::Theirs)
            {
                return violated(
                    Property::Loss,
                    format!("`{key}` was saved as {held:?}, is {old:?}, and nobody says so"),
                );
            }
        }
        for key in ["n.a", "n.b"] {
            // A text that is an older state, and one leaf from the newest, is one value set back by hand.
            let is_set_back = !is_clear && is_listed(&path(key), Stays::Saved);
            if typed.at(&path(key)) != document.at(&path(key)) && !is_set_back {
                return violated(Property::Loss, format!("a save changed `{key}`, which the file may not hold"));
            }
        }
        Ok(false)
    }
}

fn engine(seed: u64, life: u8, store: &BTreeMap<Vec<u8>, Vec<u8>>) -> Engine {
    let mut entropy = [life; 32];
    entropy[..8].copy_from_slice(&seed.to_le_bytes());
    let config = EngineConfig::new(InstanceId::from_bytes([1; 16]), entropy);
    Engine::new(config, store.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice()))).unwrap()
}
