//! `confmesh watch`: one line per change, across broken connections.
use std::time::Duration;

use super::arguments::Watch;
use super::client::Client;
use super::output::{Outcome, Stop, data, path_name, say};
use crate::backoff::Backoff;
use crate::canonical::canonical;
use crate::diff::{Change, diff, leaves};
use crate::error::{Code, Error, Result};
use crate::pattern::Pattern;
use crate::policy::MASK;
use crate::value::{Map, Value};

const BACKOFF: Backoff = Backoff { initial_ms: 250, factor: 2.0, max_ms: 10_000 };

pub(super) fn run_watch(arguments: &Watch, as_json: bool) -> Outcome {
    let patterns = arguments.patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>>>()?;
    let client = Client::new(&arguments.instance)?;
    // What was printed so far is the difference to this: after a gap the rest is found by comparing.
    let show_secrets = arguments.show_secrets;
    let mut follower = Follower { known: document(&client, show_secrets)?, patterns, as_json, show_secrets };
    let mut attempt = 0;
    loop {
        match follower.follow(&client, &arguments.patterns, &mut attempt) {
            Ok(()) => say(format!("connection to {} lost, reconnecting", client.base())),
            // One that is starting says so for a moment.
            Err(Stop::Error(error, _))
                if matches!(error.code(), Code::Unreachable | Code::NotReady | Code::Closed | Code::Busy) =>
            {
                if attempt == 0 {
                    say(format!("{error}; trying again"));
                }
            }
            Err(stop) => return Err(stop),
        }
        let mut entropy = [0; 8];
        // Without entropy the wait is the longest one.
        let spread = getrandom::fill(&mut entropy).map_or(u64::MAX, |()| u64::from_le_bytes(entropy));
        std::thread::sleep(Duration::from_millis(BACKOFF.delay(attempt, spread)));
        attempt = attempt.saturating_add(1);
    }
}

fn document(client: &Client, show_secrets: bool) -> Result<Value, Stop> {
    let found = if show_secrets { client.value("") } else { client.shown("") };
    Ok(found?.unwrap_or_else(Value::empty_map))
}

struct Follower {
    known: Value,
    patterns: Vec<Pattern>,
    as_json: bool,
    show_secrets: bool,
}

impl Follower {
    /// Prints changes until the connection ends.
    fn follow(&mut self, client: &Client, patterns: &[String], attempt: &mut u32) -> Result<(), Stop> {
        // Subscribed first and compared then: what changes in between comes twice and is recognised.
        let mut events = client.events(patterns, self.show_secrets)?;
        let now = document(client, self.show_secrets)?;
        if *attempt > 0 {
            say(format!("reconnected to {}", client.base()));
        }
        *attempt = 0;
        let missed = diff(&self.known, &now);
        self.print(&missed, None)?;
        self.known = now;
        while let Some(event) = events.next() {
            if event.child("event_type").and_then(Value::as_str).is_some_and(|kind| kind != "config_changed") {
                // Something was left out, or is of a kind that we do not know: compare.
                let now = document(client, self.show_secrets)?;
                self.print(&diff(&self.known, &now), None)?;
                self.known = now;
                continue;
            }
            let changes = event.child("changes").and_then(Value::as_list).into_iter().flatten();
            let changes = changes.map(Change::from_value).collect::<Result<Vec<_>>>().map_err(|_| {
                Error::new(Code::Unreachable, format!("{} sent a change that cannot be read", client.base()))
            })?;
            // A masked secret looks like the one before.
            let is_news =
                |change: &Change| change.new == Some(MASK.into()) || self.known.at(&change.path) != change.new.as_ref();
            let news: Vec<Change> = changes.into_iter().filter(is_news).collect();
            for change in &news {
                self.known = match &change.new {
                    Some(value) => self.known.with(&change.path, value.clone()),
                    None => self.known.without(&change.path),
                };
            }
            self.print(&news, event.child("revision"))?;
        }
        Ok(())
    }

    fn print(&self, changes: &[Change], revision: Option<&Value>) -> Result<(), Stop> {
        for change in leaves(changes) {
            if self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(&change.path)) {
                data(&line(&change, revision, self.as_json))?;
            }
        }
        Ok(())
    }
}

fn line(change: &Change, revision: Option<&Value>, as_json: bool) -> String {
    if as_json {
        let value = change.to_value();
        let map = value.as_map().cloned().unwrap_or_else(Map::default);
        let map = revision.map_or(map.clone(), |revision| map.with("revision".into(), revision.clone()));
        return canonical(&Value::Map(map)) + "\n";
    }
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "(not set)".to_owned(), canonical);
    format!("{}: {} -> {}\n", path_name(&change.path), side(&change.old), side(&change.new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;

    #[test]
    fn one_line_tells_path_old_and_new() {
        let path = Path::parse("a.b").unwrap();
        let change = Change { path, old: None, new: Some("x\ny".into()) };
        assert_eq!(line(&change, None, false), "a.b: (not set) -> \"x\\ny\"\n");
        let expected = r#"{"new":"x\ny","op":"added","path":"a.b","revision":3}"#;
        assert_eq!(line(&change, Some(&3.into()), true).trim_end(), expected);
    }
}
