//! Values for others around an engine: what of a document is said at which broker, and what programs write there.

use std::collections::{BTreeMap, VecDeque};

use super::{Action, BusId, Driver};
use crate::bus::values::{Message, Output, PUBLISHER, Refusal, Rules, Values, filter, place, topic};
use crate::clock::Now;
use crate::engine::{Command, Event, Level, RequestId, WriteTerms};
use crate::error::{Code, Error, Result};
use crate::guard::Who;
use crate::id::DocumentName;
use crate::limits::MAX_USER_BYTES;
use crate::path::Path;
use crate::replica::Edit;
use crate::value::Str;

/// Where the values of a document are found.
#[derive(Clone, Debug)]
pub struct ValuePlaces {
    /// How topics begin.
    pub prefix: String,
    /// Whose they are; none in particular.
    pub tenant: Option<String>,
    /// Whether each path has a topic of its own, or all share a channel, and each message names its path.
    pub has_topics: bool,
    /// How the broker is called where it is told who wrote.
    pub broker: Str,
}

impl ValuePlaces {
    /// What to listen to.
    pub fn filter(&self) -> String {
        match self.has_topics {
            true => filter(&self.prefix, Some(self.tenant.as_deref()), "**"),
            false => self.channel(),
        }
    }

    fn channel(&self) -> String {
        format!("{}:{}", self.prefix, self.tenant.as_deref().unwrap_or("global"))
    }

    fn topic(&self, path: &Path) -> Result<String> {
        if self.has_topics { topic(&self.prefix, self.tenant.as_deref(), path) } else { Ok(self.channel()) }
    }

    fn read(&self, topic: &str, payload: &[u8]) -> Result<Option<Message>> {
        if !self.has_topics {
            return Message::parse(None, payload);
        }
        match place(&self.prefix, topic)? {
            Some((tenant, path)) if tenant == self.tenant => {
                Message::parse(Some(&path), payload).map_err(|error| error.with_path(path))
            }
            _ => Ok(None),
        }
    }
}

/// A message for programs at a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// Of which bus.
    pub bus: BusId,
    /// Where, of the values of the document.
    pub path: Path,
    /// Where, at the broker.
    pub topic: String,
    /// What; empty to clear what is retained.
    pub text: String,
    /// Whether the broker is to keep it.
    pub retain: bool,
}

/// What became of the values so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValueCounts {
    /// How many were said.
    pub said: u64,
    /// How many of programs were written.
    pub taken: u64,
    /// How many of programs were refused.
    pub refused: u64,
}

/// The values of one document at one broker.
struct At {
    document: DocumentName,
    places: ValuePlaces,
    rules: Rules,
    values: Values,
    counts: ValueCounts,
    /// In whose name programs write, or why they may not.
    by: Result<Who>,
}

/// All of them.
#[derive(Default)]
pub(super) struct ValueWork {
    at: BTreeMap<BusId, At>,
    waiting: BTreeMap<RequestId, (BusId, Path)>,
    sayings: VecDeque<Saying>,
    refusals: VecDeque<Error>,
}

impl ValueWork {
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.at.values().filter_map(|at| at.values.poll_timeout()).min()
    }

    pub(super) fn poll(&mut self) -> Option<Action> {
        let notice = |error| Action::Event(Event::Notice { level: Level::Warning, error });
        self.sayings.pop_front().map(Action::Say).or_else(|| self.refusals.pop_front().map(notice))
    }
}

impl Driver {
    /// Makes the values of a document known at a broker, and takes those of programs, as the rules say.
    pub fn carry_values(&mut self, bus: BusId, document: &DocumentName, places: ValuePlaces, rules: Rules) {
        let values = Values::new(rules.clone(), self.engine.fork_entropy());
        let (document, counts, by) = (document.clone(), ValueCounts::default(), Ok(None));
        self.values.at.insert(bus, At { document, places, rules, values, counts, by });
    }

    /// In whose name programs write from now on, or why they may not.
    pub fn authorize_values(&mut self, bus: BusId, by: Result<Who>) {
        if let Some(at) = self.values.at.get_mut(&bus) {
            at.by = by;
        }
    }

    /// The broker is reached, and what is said there is heard.
    pub fn handle_values_up(&mut self, bus: BusId, now: Now) {
        self.taken += 1;
        if let Some(at) = self.values.at.get_mut(&bus) {
            at.values.handle_up(now.mono_ms);
        }
        self.drive_values(bus, now);
    }

    /// The broker is lost.
    pub fn handle_values_down(&mut self, bus: BusId) {
        if let Some(at) = self.values.at.get_mut(&bus) {
            at.values.handle_down();
        }
    }

    /// Somebody said something there; `is_retained`: some time ago.
    pub fn handle_value(&mut self, bus: BusId, topic: &str, payload: &[u8], is_retained: bool, now: Now) {
        self.taken += 1;
        let fleet = self.fleet(bus, now).instances;
        let Driver { engine, values: work, .. } = self;
        let Some(at) = work.at.get_mut(&bus) else { return };
        let message = match at.places.read(topic, payload) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => return at.refuse(error, &mut work.refusals),
        };
        let path = message.path.clone();
        let Some(snapshot) = engine.snapshot(&at.document) else { return };
        let written = engine.written(&at.document, &path).iter().map(|written| written.stamp.wall_ms()).max();
        let (publisher, around) = (message.publisher.clone(), (written, fleet));
        if let Err(refusal) = at.values.handle_message(message, is_retained, &snapshot.value, around, now) {
            let (code, why, hint) = match refusal {
                Refusal::Path => (
                    Code::Forbidden,
                    "is not for programs at this broker to write",
                    "`values-paths=` of the bus says what is",
                ),
                Refusal::Busy => (Code::Busy, "came faster than values can be written", "publish it again"),
            };
            let message = format!("`{path}`, published by `{publisher}` at {}, {why}", at.places.broker);
            at.refuse(Error::new(code, message).with_path(path).with_hint(hint), &mut work.refusals);
        }
        self.drive_values(bus, now);
    }

    /// What was to be said did not get to the broker.
    pub fn handle_unsaid(&mut self, bus: BusId, path: &Path, now: Now) {
        if let Some(at) = self.values.at.get_mut(&bus) {
            at.values.handle_unsaid(path, now.mono_ms);
        }
    }

    /// What became of the values at a broker; none where none are carried.
    pub fn value_counts(&self, bus: BusId) -> Option<ValueCounts> {
        self.values.at.get(&bus).map(|at| at.counts)
    }

    pub(super) fn time_values(&mut self, now: Now) {
        for bus in self.values.at.keys().copied().collect::<Vec<_>>() {
            let fleet = self.fleet(bus, now).instances;
            let Driver { engine, values: work, .. } = self;
            let Some(at) = work.at.get_mut(&bus) else { continue };
            let Some(snapshot) = engine.snapshot(&at.document) else { continue };
            if at.values.poll_timeout().is_some_and(|due| due <= now.mono_ms) {
                at.values.handle_timeout(&snapshot.value, snapshot.policy(), fleet, now.mono_ms);
            }
            self.drive_values(bus, now);
        }
    }

    /// Takes notice of what happened; gives back what is for others.
    pub(super) fn note_values(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Changed(change) => {
                let leaves = crate::diff::leaves(&change.changes);
                let is_ours = change.cause != "peer";
                let of_it = self.values.at.values_mut().filter(|at| at.document == change.snapshot.document);
                of_it.for_each(|at| at.values.handle_changed(leaves.iter().map(|leaf| &leaf.path), is_ours));
                Some(Event::Changed(change))
            }
            Event::Written { request, result } => {
                let Some((bus, path)) = self.values.waiting.remove(&request) else {
                    return Some(Event::Written { request, result });
                };
                let work = &mut self.values;
                let at = work.at.get_mut(&bus)?;
                // Afterwards it is said what is in force; with the next look at the time.
                at.values.handle_written(&path, 0);
                match result {
                    Ok(_) => at.counts.taken = at.counts.taken.saturating_add(1),
                    Err(error) => at
                        .refuse(error.about(&format!("a value published at {}", at.places.broker)), &mut work.refusals),
                }
                None
            }
            other => Some(other),
        }
    }

    fn drive_values(&mut self, bus: BusId, now: Now) {
        let own = self.engine.key().public().instance();
        let Driver { engine, values: work, .. } = self;
        let Some(at) = work.at.get_mut(&bus) else { return };
        while let Some(output) = at.values.poll() {
            match output {
                Output::Say(path, value) => {
                    let Ok(topic) = at.places.topic(&path) else { continue };
                    let publisher = Str::from(format!("{PUBLISHER}{own}").as_str());
                    let (is_removal, said_ms) = (value.is_none(), Some(now.wall_ms));
                    let text = Message { path: path.clone(), value, said_ms, publisher }.to_text();
                    at.counts.said = at.counts.said.saturating_add(1);
                    let retain = at.rules.retains && !is_removal;
                    let saying = Saying { bus, path, topic, text, retain };
                    // Who comes later hears of it by hearing nothing.
                    let clears = (is_removal && at.rules.retains).then(|| Saying {
                        text: String::new(),
                        retain: true,
                        ..saying.clone()
                    });
                    work.sayings.push_back(saying);
                    work.sayings.extend(clears);
                }
                Output::Write(path, value, publisher) => {
                    let by = match &at.by {
                        Ok(by) => by.clone(),
                        Err(error) => {
                            let error = error.clone();
                            at.values.handle_written(&path, now.mono_ms);
                            at.refuse(error.with_path(path), &mut work.refusals);
                            continue;
                        }
                    };
                    let terms = WriteTerms {
                        user: Some(named(&at.places.broker, &publisher, MAX_USER_BYTES)),
                        message: Some(format!("published by `{publisher}` at {}", at.places.broker).as_str().into()),
                        by,
                        ..WriteTerms::default()
                    };
                    let command = Command::Edits(vec![Edit { path: path.clone(), value }]);
                    let request = engine.write(&at.document, command, terms, now);
                    work.waiting.insert(request, (bus, path));
                }
            }
        }
    }
}

impl At {
    /// Counts and tells a refusal, ever more rarely: whoever publishes rubbish must not fill the log.
    fn refuse(&mut self, error: Error, refusals: &mut VecDeque<Error>) {
        self.counts.refused = self.counts.refused.saturating_add(1);
        if self.counts.refused.is_power_of_two() {
            refusals.push_back(error);
        }
    }
}

/// Who wrote: the broker, and what the program calls itself there.
fn named(broker: &str, publisher: &str, limit: usize) -> Str {
    let mut name = if publisher.is_empty() { broker.to_owned() } else { format!("{broker} ({publisher})") };
    while name.len() > limit {
        name.pop();
    }
    name.as_str().into()
}
