//! Values for others: programs that are no instances read and write single values at a broker, as plain JSON.
//!
//! What is in force here is what should be known at the broker. So of each path it is remembered what was last heard there,
//! and said where that is another value: at once where the change was made here, after a while where it came from another
//! instance, which says it first. What a program publishes is written as anything else is, by one instance of those that
//! heard it: the others see the write before it is their turn. What is refused is answered by saying what is in force.
//!
//! Nothing goes round: what instances say is never written, and what is heard never makes anybody say what he holds; only
//! changes do, a broker that is reached anew, and what a program published.

mod message;
#[cfg(test)]
mod tests;
mod topic;

pub use message::Message;
pub use topic::{filter, place, tenant_of, topic};

use std::collections::{BTreeMap, VecDeque};

use crate::entropy::Entropy;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::Policy;
use crate::value::{Digest, Str, Value};

/// How whoever publishes for an instance calls itself: so the others know.
pub const PUBLISHER: &str = "confmesh-";
/// How long others have to say what changed here as well, in milliseconds, and how much longer by chance.
const OTHERS_FIRST_MS: u64 = 300;
/// How long it takes at most until what is retained was heard, once a broker is reached.
const COMPARE_AFTER_MS: u64 = 1_000;
/// How long programs have until what was refused is answered.
const ANSWER_AFTER_MS: u64 = 250;
/// By how much longer for each instance of the fleet chance spreads them.
const SPREAD_MS: u64 = 2;
/// How many paths are remembered, and how many writes wait.
const MAX_PATHS: usize = 65_536;
const MAX_WANTED: usize = 1_024;
/// How many values are said in a row.
const BATCH: usize = 64;
/// How far ahead the clock of a program may be.
const AHEAD_MS: u64 = 60_000;

/// What is to be done with values of others.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether what is in force is said.
    pub publishes: bool,
    /// Whether what programs say is written.
    pub takes: bool,
    /// Whether the broker keeps the last value for those who come later.
    pub retains: bool,
    /// Which paths, both ways.
    pub paths: Vec<Pattern>,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Say that this is in force; nothing: that it is gone.
    Say(Path, Option<Value>),
    /// Write what a program published; answer with [`Values::handle_written`].
    Write(Path, Option<Value>, Str),
}

/// Why a value of a program is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The rules do not name its path.
    Path,
    /// Too many wait.
    Busy,
}

#[derive(Debug)]
struct Heard {
    digest: Option<Digest>,
    /// Whether an instance said it.
    is_ours: bool,
}

#[derive(Debug)]
struct Wanted {
    due_ms: u64,
    value: Option<Value>,
    publisher: Str,
}

/// The values of one document at one broker.
#[derive(Debug)]
pub struct Values {
    rules: Rules,
    entropy: Entropy,
    is_up: bool,
    /// What changed, and whether that was here; when to say it is decided with the time.
    changed: VecDeque<(Path, bool)>,
    heard: BTreeMap<Path, Heard>,
    /// What to say when, and whether also where nothing was heard of it.
    due: BTreeMap<Path, (u64, bool)>,
    wanted: BTreeMap<Path, Wanted>,
    compare_ms: Option<u64>,
    outputs: VecDeque<Output>,
}

impl Values {
    /// Values at a broker that is not reached yet.
    pub fn new(rules: Rules, seed: [u8; 32]) -> Values {
        Values {
            rules,
            entropy: Entropy::new(seed),
            is_up: false,
            changed: VecDeque::new(),
            heard: BTreeMap::new(),
            due: BTreeMap::new(),
            wanted: BTreeMap::new(),
            compare_ms: None,
            outputs: VecDeque::new(),
        }
    }

    /// The broker is reached; what it retained is heard next.
    pub fn handle_up(&mut self, now_ms: u64) {
        self.is_up = true;
        self.heard.clear();
        if self.rules.publishes && self.rules.retains {
            self.compare_ms = Some(now_ms + COMPARE_AFTER_MS + self.entropy.below(COMPARE_AFTER_MS));
        }
    }

    /// The broker is lost. What changes meanwhile is said once it is back.
    pub fn handle_down(&mut self) {
        self.is_up = false;
        self.wanted.clear();
    }

    /// Something changed: leaves of the document; whether this instance wrote it.
    pub fn handle_changed<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>, is_ours: bool) {
        if !self.rules.publishes {
            return;
        }
        for path in paths {
            // What was a leaf may be a map now.
            let above =
                std::iter::successors(path.parent(), Path::parent).filter(|above| self.heard.contains_key(above));
            self.changed.extend(above.map(|above| (above, is_ours)));
            self.changed.push_back((path.clone(), is_ours));
        }
        // Who has to say so much at once compares everything.
        if self.changed.len() > MAX_PATHS {
            self.changed.clear();
            self.compare_ms = Some(0);
        }
    }

    /// Somebody published a value, now or (`is_retained`) at some time; `written_ms` says when the path was last written here,
    /// `fleet` how many other instances are heard.
    ///
    /// # Errors
    /// Why it will not be written, though it would be otherwise.
    pub fn handle_message(
        &mut self,
        message: Message,
        is_retained: bool,
        document: &Value,
        (written_ms, fleet): (Option<u64>, usize),
        now: crate::clock::Now,
    ) -> Result<(), Refusal> {
        let Message { path, value, said_ms, publisher } = message;
        let is_ours = publisher.starts_with(PUBLISHER);
        if self.heard.len() < MAX_PATHS || self.heard.contains_key(&path) {
            let heard = Heard { digest: value.as_ref().map(Value::digest), is_ours };
            self.heard.insert(path.clone(), heard);
        }
        if is_ours {
            return Ok(());
        }
        // What was kept may have been overtaken since it was said.
        let is_news = !is_retained
            || said_ms.is_some_and(|said| said > written_ms.unwrap_or(0) && said <= now.wall_ms + AHEAD_MS);
        let is_taken = self.rules.takes && is_news;
        // Whatever becomes of it: afterwards programs know what is in force. What is of no concern here stays as it is.
        if is_taken || document.at(&path).is_some() {
            let answer_ms = now.mono_ms + ANSWER_AFTER_MS + self.entropy.below(self.spread(fleet));
            self.due.insert(path.clone(), (answer_ms, true));
        }
        if !is_taken {
            self.wanted.remove(&path);
            return Ok(());
        }
        if !self.may_write(&path, value.as_ref(), document) {
            return Err(Refusal::Path);
        }
        if self.wanted.len() >= MAX_WANTED && !self.wanted.contains_key(&path) {
            return Err(Refusal::Busy);
        }
        let wait = if fleet == 0 { 0 } else { self.entropy.below(self.spread(fleet)) };
        self.due.remove(&path);
        self.wanted.insert(path, Wanted { due_ms: now.mono_ms + wait, value, publisher });
        Ok(())
    }

    /// What a program published was written, or refused.
    pub fn handle_written(&mut self, path: &Path, now_ms: u64) {
        self.due.insert(path.clone(), (now_ms, true));
    }

    /// What was to be said did not get to the broker.
    pub fn handle_unsaid(&mut self, path: &Path, now_ms: u64) {
        self.heard.remove(path);
        self.due.insert(path.clone(), (now_ms + COMPARE_AFTER_MS, true));
    }

    /// When [`Values::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        if !self.is_up {
            return None;
        }
        let soon = (!self.changed.is_empty()).then_some(0);
        let said = self.due.values().map(|(due, _)| *due);
        let wanted = self.wanted.values().map(|wanted| wanted.due_ms);
        soon.into_iter().chain(said).chain(wanted).chain(self.compare_ms).min()
    }

    /// Does what is due, with the document as it is in force, of which secrets are never said.
    pub fn handle_timeout(&mut self, document: &Value, policy: &Policy, fleet: usize, now_ms: u64) {
        if !self.is_up {
            return;
        }
        for (path, is_ours) in std::mem::take(&mut self.changed) {
            let wait = if is_ours { 0 } else { OTHERS_FIRST_MS + self.entropy.below(self.spread(fleet)) };
            let due = self.due.entry(path).or_insert((now_ms + wait, true));
            *due = (due.0.min(now_ms + wait), true);
        }
        if self.compare_ms.is_some_and(|due| due <= now_ms) {
            self.compare_ms = None;
            self.compare(document, now_ms);
        }
        self.take(document, now_ms);
        let ready = self.due.iter().filter(|(_, (due, _))| *due <= now_ms).take(BATCH);
        for path in ready.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
            let is_certain = self.due.remove(&path).is_some_and(|(_, is_certain)| is_certain);
            self.say(path, document, policy, is_certain);
        }
    }

    /// What is to be done next.
    #[must_use]
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn spread(&self, fleet: usize) -> u64 {
        ANSWER_AFTER_MS / 2 + u64::try_from(fleet).unwrap_or(u64::MAX).saturating_mul(SPREAD_MS).min(10_000)
    }

    /// Whether the rules name everything that a value would write, and everything that it would take out.
    fn may_write(&self, path: &Path, value: Option<&Value>, document: &Value) -> bool {
        let is_named = |path: &Path| self.rules.paths.iter().any(|pattern| pattern.matches(path));
        let mut may = true;
        for value in [value, document.at(path)].into_iter().flatten() {
            value.for_each_leaf(&mut |below, _| may &= is_named(&path.join(below)));
        }
        may && (value.is_some() || document.at(path).is_some() || is_named(path))
    }

    /// Everything that is in force and was not heard so, and what instances said that is gone.
    fn compare(&mut self, document: &Value, now_ms: u64) {
        let mut leaves = 0;
        document.for_each_leaf(&mut |path, value| {
            leaves += 1;
            let is_known = self.heard.get(path).is_some_and(|heard| heard.digest == Some(value.digest()));
            if !is_known && leaves <= MAX_PATHS && !path.is_root() {
                self.due.entry(path.clone()).or_insert((now_ms, true));
            }
        });
        let gone =
            |(path, heard): &(&Path, &Heard)| heard.is_ours && heard.digest.is_some() && document.at(path).is_none();
        for (path, _) in self.heard.iter().filter(gone) {
            self.due.entry(path.clone()).or_insert((now_ms, false));
        }
    }

    /// Writes what is due of what programs published, unless it is so already.
    fn take(&mut self, document: &Value, now_ms: u64) {
        let ready = self.wanted.iter().filter(|(_, wanted)| wanted.due_ms <= now_ms);
        for path in ready.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
            let Some(Wanted { value, publisher, .. }) = self.wanted.remove(&path) else { continue };
            if document.at(&path) == value.as_ref() {
                self.handle_written(&path, now_ms);
            } else {
                self.outputs.push_back(Output::Write(path, value, publisher));
            }
        }
    }

    /// Says what is in force, where something else was heard.
    fn say(&mut self, path: Path, document: &Value, policy: &Policy, is_certain: bool) {
        if !self.rules.publishes || !self.rules.paths.iter().any(|pattern| pattern.matches(&path)) {
            return;
        }
        let value = shown(&path, document, policy);
        let digest = value.map(Value::digest);
        let heard = self.heard.get(&path);
        // Of a secret nothing is said, and a map is known by its leaves; unless it was a leaf for all to read before.
        let is_hidden = value.is_none() && document.at(&path).is_some();
        let is_known = match heard {
            Some(heard) => heard.digest == digest || (is_hidden && !heard.is_ours),
            None => digest.is_none() && (is_hidden || !is_certain),
        };
        if is_known {
            return;
        }
        self.outputs.push_back(Output::Say(path.clone(), value.cloned()));
        if self.heard.len() < MAX_PATHS || self.heard.contains_key(&path) {
            self.heard.insert(path, Heard { digest, is_ours: true });
        }
    }
}

/// The leaf at a path, if it may be shown.
fn shown<'v>(path: &Path, document: &'v Value, policy: &Policy) -> Option<&'v Value> {
    let value = document.at(path).filter(|value| !matches!(value, Value::Map(map) if !map.is_empty()))?;
    let mut above = std::iter::successors(path.parent(), Path::parent);
    if path.is_root() || above.any(|above| matches!(document.at(&above), Some(Value::List(_)))) {
        return None;
    }
    let is_secret = policy.has_secrets() && (policy.is_secret(path) || policy.masked(path, value) != *value);
    (!is_secret).then_some(value)
}
