mod buses;
mod values;

use super::*;
use crate::engine::{EngineConfig, FileBinding, SourceState, StoreWrite};
use crate::error::Code;
use crate::format::Format;
use crate::id::InstanceId;
use crate::path::Path;

const START: Now = Now { wall_ms: 1_700_000_000_000, mono_ms: 0 };

/// An instance with a bound file that holds `{"a":1}`.
struct Host {
    driver: Driver,
    now: Now,
    file: Option<String>,
    batches: VecDeque<Persist>,
    writes: VecDeque<FileWrite>,
    looks: VecDeque<Look>,
    edits: VecDeque<FileEdit>,
    events: Vec<Event>,
    stores: bool,
    answers: usize,
}

fn name() -> DocumentName {
    DocumentName::default_name()
}

fn host() -> Host {
    host_that(None)
}

fn host_that(edits_from: Option<usize>) -> Host {
    let config = EngineConfig { edits_from, ..EngineConfig::new(InstanceId::from_bytes([1; 16]), [1; 32]) };
    let engine = Engine::new(config, []).unwrap();
    let mut driver = Driver::new(engine);
    let binding = FileBinding { id: "1.json".into(), format: Format::Json, is_named: false };
    let options = DocumentOptions { shared: true, file: Some(binding), ..DocumentOptions::default() };
    driver.open(name(), options, Patience { text_ms: 12_000, nothing_ms: 12_000 }, START);
    let file = Some("{\"a\":1}".to_owned());
    driver.handle_first_look(&name(), Ok(file.clone()), START);
    let mut host = Host {
        driver,
        now: START,
        file,
        batches: VecDeque::new(),
        writes: VecDeque::new(),
        looks: VecDeque::new(),
        edits: VecDeque::new(),
        events: Vec::new(),
        stores: true,
        answers: 0,
    };
    host.rest();
    host
}

impl Host {
    /// Takes what comes out; nothing of it is done.
    fn poll(&mut self) {
        while let Some(action) = self.driver.poll() {
            match action {
                Action::Store(batch) => self.batches.push_back(batch),
                Action::Look(look) => self.looks.push_back(look),
                Action::Edit(edit) => self.edits.push_back(edit),
                Action::Write(write) => self.writes.push_back(write),
                Action::Event(event) => self.events.push(event),
                Action::Check(request) => self.driver.handle_checked(request.ticket, request.run(), self.now),
                Action::Resume(_) | Action::Transmit(_) | Action::Publish(_) | Action::Say(_) | Action::Keep(_) => {}
            }
        }
    }

    fn answer_store(&mut self) {
        self.answers += 1;
        let batch = self.batches.pop_front().unwrap();
        let failure = Error::new(Code::Store, "no space left on the device");
        let result = if self.stores { Ok(()) } else { Err(failure) };
        self.driver.handle_stored(batch.ticket, result, self.now);
    }

    fn answer_look(&mut self) {
        let look = self.looks.pop_front().unwrap();
        self.driver.handle_look(&look, Ok(self.file.clone()), self.now);
    }

    fn answer_edit(&mut self) {
        let edit = self.edits.pop_front().unwrap();
        self.driver.handle_edited(edit.run());
    }

    fn answer_write(&mut self) {
        let write = self.writes.pop_front().unwrap();
        if self.file.as_deref() == write.expect.as_deref() {
            self.file = Some(write.text.to_string());
        }
        self.driver.handle_wrote(&name(), Ok(()), None, self.now);
    }

    /// Does everything until nothing is left to do.
    fn rest(&mut self) {
        loop {
            self.poll();
            match () {
                () if !self.batches.is_empty() => self.answer_store(),
                () if !self.writes.is_empty() => self.answer_write(),
                () if !self.looks.is_empty() => self.answer_look(),
                () if !self.edits.is_empty() => self.answer_edit(),
                () => return,
            }
        }
    }

    fn set(&mut self, path: &str, value: i64) {
        let now = self.now;
        self.driver.engine_mut().set(&name(), Path::parse(path).unwrap(), value.into(), now);
    }

    fn save(&mut self, text: &str) {
        self.file = Some(text.to_owned());
        self.driver.handle_file_hint(&name(), Ok(self.file.clone()));
    }

    fn shown(&self) -> String {
        crate::canonical::canonical(&self.driver.engine().snapshot(&name()).unwrap().value)
    }

    /// Lets time pass; how many batches the store answered meanwhile.
    fn pass(&mut self, ms: u64) -> usize {
        let end = self.now.mono_ms + ms;
        let before = self.answers;
        while let Some(due) = self.driver.poll_timeout().filter(|due| *due <= end) {
            self.now.mono_ms = due.max(self.now.mono_ms);
            self.driver.handle_timeout(self.now);
            self.rest();
        }
        self.now.mono_ms = end;
        self.answers - before
    }

    fn told(&self, words: &str) -> usize {
        let is_it = |event: &&Event| matches!(event, Event::Notice { error, .. } if error.to_string().contains(words));
        self.events.iter().filter(is_it).count()
    }
}

#[test]
fn a_look_that_was_taken_before_a_mirror_write_was_released_does_not_count() {
    let mut host = host();
    host.set("b", 2);
    host.poll();
    host.answer_store(); // the write itself
    host.poll();
    host.driver.handle_file_hint(&name(), Ok(host.file.clone()));
    host.poll();
    assert_eq!(host.looks.len(), 1);
    // In one batch: the store has what is about to be written, and the look tells what was there before.
    host.answer_store();
    host.answer_look();
    host.set("b", 3);
    host.rest();
    assert_eq!(host.shown(), r#"{"a":1,"b":3}"#);
    assert_eq!(host.told("was edited"), 0);
    assert_eq!(host.file.as_deref().map(|text| text.contains("\"b\":3")), Some(true), "{:?}", host.file);
}

#[test]
fn nothing_looks_at_a_file_while_a_write_of_it_is_with_the_outside() {
    let mut host = host();
    host.set("b", 2);
    host.poll();
    host.answer_store();
    host.poll();
    host.answer_store();
    host.poll();
    assert_eq!(host.writes.len(), 1);
    host.driver.handle_file_hint(&name(), Ok(host.file.clone()));
    host.pass(60_000);
    host.poll();
    assert_eq!(host.looks.len() + host.batches.len(), 0);
}

#[test]
fn a_text_that_nobody_saw_hold_still_waits_and_one_that_was_seen_does_not() {
    let mut host = host();
    host.save("{\"a\":2}");
    host.rest();
    assert_eq!(host.shown(), r#"{"a":2}"#);
    host.file = Some("{}".to_owned());
    host.driver.handle_file_hint(&name(), Err(Error::new(Code::File, "cannot read")));
    host.rest();
    host.pass(11_000);
    assert_eq!(host.shown(), r#"{"a":2}"#, "it may be half of a save");
    host.pass(1_000);
    assert_eq!(host.shown(), "{}");
}

#[test]
fn a_text_that_held_still_once_has_to_hold_still_again_when_it_comes_back() {
    let mut host = host();
    host.save("{}");
    host.rest();
    host.save("{\"a\":2}");
    host.rest();
    host.file = Some("{}".to_owned());
    host.driver.handle_file_hint(&name(), Err(Error::new(Code::File, "somebody is writing")));
    host.rest();
    assert_eq!(host.shown(), r#"{"a":2}"#, "it may be half of a save");
}

#[test]
fn what_was_saved_while_the_store_was_full_arrives_by_itself_and_nothing_is_tried_in_a_hurry() {
    let mut host = host();
    host.stores = false;
    host.save("{\"a\":2}");
    host.rest();
    let attempts = host.pass(60_000);
    assert!((4..=12).contains(&attempts), "{attempts} attempts in a minute");
    assert_eq!(host.told("no space left"), 1, "{:?}", host.events);
    assert_eq!(host.shown(), r#"{"a":1}"#);
    assert!(host.driver.store_failure().is_some());
    host.stores = true;
    host.pass(10_000);
    assert_eq!(host.shown(), r#"{"a":2}"#);
    assert_eq!(host.told("takes writes again"), 1);
    assert!(host.driver.store_failure().is_none());
}

#[test]
fn a_mirror_write_that_the_store_never_got_is_planned_again() {
    let mut host = host();
    host.set("b", 2);
    host.poll();
    host.answer_store();
    host.poll();
    assert!(host.batches.iter().all(|batch| batch.writes.iter().all(|write| matches!(write, StoreWrite::Put { .. }))));
    host.stores = false;
    host.answer_store();
    host.stores = true;
    host.rest();
    host.pass(10_000);
    assert_eq!(host.file.as_deref().map(|text| text.contains("\"b\":2")), Some(true), "{:?}", host.file);
}

#[test]
fn a_look_at_a_broken_text_lets_no_second_write_go_beside_the_planned_one() {
    let mut host = host();
    host.set("b", 2);
    host.poll();
    host.answer_store(); // the write itself; the plan of the mirror is with the store now
    host.poll();
    host.save("{\"a\":");
    host.poll();
    host.answer_look();
    host.set("b", 3);
    host.poll();
    while !host.batches.is_empty() {
        host.answer_store();
        host.poll();
        assert!(host.writes.len() <= 1, "{:?}", host.writes);
    }
    host.save("{\"a\":1}");
    host.rest();
    assert_eq!(host.file.as_deref().map(|text| text.contains("\"b\":3")), Some(true), "{:?}", host.file);
}

#[test]
fn what_was_wrong_with_a_file_is_forgotten_once_the_file_is_gone() {
    let mut host = host();
    host.stores = false;
    host.save("{\"a\":2}");
    host.rest();
    host.stores = true;
    host.file = None;
    host.driver.handle_file_hint(&name(), Ok(None));
    host.pass(60_000);
    let status = host.driver.engine().status();
    let states: Vec<_> = status.iter().flat_map(|document| &document.sources).map(|source| &source.state).collect();
    assert!(!states.iter().any(|state| matches!(state, SourceState::Stale(_))), "{states:?}");
}

#[test]
fn a_write_that_fails_is_tried_again_and_the_file_is_stale_until_it_is_made() {
    let mut host = host();
    let is_stale = |host: &Host| {
        let status = host.driver.engine().status();
        status.iter().flat_map(|document| &document.sources).any(|source| !matches!(source.state, SourceState::Fresh))
    };
    host.set("b", 2);
    for _ in 0..2 {
        host.poll();
        host.answer_store();
    }
    host.poll();
    for _ in 0..3 {
        assert_eq!(host.writes.len(), 1);
        host.writes.clear();
        host.driver.handle_wrote(&name(), Err(Error::new(Code::File, "read-only")), None, host.now);
        host.poll();
        assert!(is_stale(&host));
        host.now.mono_ms += 3_000;
        host.driver.handle_timeout(host.now);
        host.poll();
        host.answer_look();
        assert!(is_stale(&host), "reading it proves nothing");
        host.poll();
        host.answer_store();
        host.poll();
    }
    host.rest();
    assert!(!is_stale(&host));
    assert_eq!(host.file.as_deref().map(|text| text.contains("\"b\":2")), Some(true), "{:?}", host.file);
}

/// A host that makes a text for its file, to set `b`.
fn editing() -> Host {
    let mut host = host_that(Some(0));
    host.set("b", 2);
    host.poll();
    host.answer_store();
    host.poll();
    assert_eq!((host.edits.len(), host.writes.len(), host.batches.len()), (1, 0, 0));
    host
}

#[test]
fn writes_go_on_while_the_text_of_a_bound_file_is_made_and_all_of_them_cost_one_more() {
    let mut host = editing();
    assert!(host.driver.is_busy(), "who closes waits for the text");
    for value in 3..20 {
        host.set("b", value);
        host.poll();
        host.answer_store();
        host.poll();
    }
    assert_eq!((host.edits.len(), host.writes.len(), host.shown().as_str()), (1, 0, r#"{"a":1,"b":19}"#));
    let mut texts = Vec::new();
    while host.driver.is_busy() {
        host.poll();
        match () {
            () if !host.edits.is_empty() => host.answer_edit(),
            () if !host.batches.is_empty() => host.answer_store(),
            () if !host.looks.is_empty() => host.answer_look(),
            () => {
                texts.extend(host.writes.front().map(|write| write.text.to_string()));
                host.answer_write();
            }
        }
        host.poll();
    }
    assert_eq!(texts, ["{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":19}"]);
}

#[test]
fn a_text_that_was_made_of_one_that_is_there_no_more_is_of_no_use() {
    for saved in ["{\"a\":7}", "{\"a\":"] {
        let mut host = editing();
        host.save(saved);
        host.poll();
        host.answer_look();
        host.answer_edit();
        host.poll();
        assert_eq!(host.writes.len(), 0);
        while !host.batches.is_empty() {
            host.answer_store();
            host.poll();
            assert!(host.writes.iter().all(|write| write.expect.as_deref() == Some(saved)), "{:?}", host.writes);
        }
        host.save("{\"a\":7}");
        host.rest();
        assert_eq!(host.file.as_deref(), Some("{\"a\":7,\"b\":2}"));
        assert_eq!(host.shown(), "{\"a\":7,\"b\":2}");
    }
}

#[test]
fn a_text_that_is_made_while_the_file_goes_is_not_written() {
    let mut host = editing();
    host.file = None;
    host.driver.handle_file_hint(&name(), Ok(None));
    host.poll();
    host.answer_look();
    host.answer_edit();
    host.rest();
    assert!(host.file.as_deref().is_some_and(|text| text.contains("\"b\": 2")), "{:?}", host.file);
}

/// A host whose file is a mount of its own.
fn mounted() -> Host {
    let mut host = host();
    host.set("b", 12_345);
    while host.writes.is_empty() {
        host.poll();
        match host.batches.is_empty() {
            true => host.answer_look(),
            false => host.answer_store(),
        }
        host.poll();
    }
    let write = host.writes.pop_front().unwrap();
    assert!(!write.in_place);
    host.driver.handle_fixed(&name(), None, host.now);
    while host.writes.is_empty() {
        host.poll();
        match host.batches.is_empty() {
            true if !host.looks.is_empty() => host.answer_look(),
            true => assert!(!host.writes.is_empty(), "the write never comes again"),
            false => host.answer_store(),
        }
        host.poll();
    }
    host
}

#[test]
fn where_nothing_can_be_put_in_the_place_of_a_file_it_is_written_in_place() {
    let mut host = mounted();
    let write = host.writes.front().unwrap();
    assert!(write.in_place && write.expect.as_deref() == Some("{\"a\":1}"), "{write:?}");
    host.rest();
    assert_eq!(host.file.as_deref(), Some("{\"a\":1,\"b\":12345}"));
    host.set("a", 3);
    host.rest();
    assert_eq!(host.file.as_deref(), Some("{\"a\":3,\"b\":12345}"));
}

#[test]
fn half_a_write_in_place_is_finished_and_never_an_edit() {
    for half in ["{\"a\":1,\"b\":1", "{\"a\":1,"] {
        let mut host = mounted();
        host.writes.clear();
        host.file = Some(half.to_owned());
        let full = Error::new(Code::File, "no space left on the device");
        host.driver.handle_wrote(&name(), Err(full), None, host.now);
        host.pass(60_000);
        assert_eq!(host.shown(), "{\"a\":1,\"b\":12345}");
        assert_eq!(host.file.as_deref(), Some("{\"a\":1,\"b\":12345}"));
    }
}
