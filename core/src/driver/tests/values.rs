//! Values for others, said and taken by whole fleets, in virtual time.
use super::buses::Fleet;
use super::*;
use crate::bus::values::Rules;
use crate::driver::ValuePlaces;
use crate::pattern::Pattern;

/// A fleet of which everybody says and takes values at one broker, where what was said last is kept.
struct Broker {
    fleet: Fleet,
    kept: BTreeMap<String, String>,
    /// What was said since somebody looked.
    said: Vec<(String, String)>,
}

impl Broker {
    fn of(count: usize) -> Broker {
        let mut broker = Broker { fleet: Fleet::of(count), kept: BTreeMap::new(), said: Vec::new() };
        for at in 0..count {
            let (places, paths) = (places(), vec![Pattern::parse("**").unwrap()]);
            let rules = Rules { publishes: true, takes: true, retains: true, paths };
            let bus = broker.fleet.on[at][0].1;
            broker.fleet.drivers[at].carry_values(bus, &name(), places, rules);
        }
        broker.reach();
        broker
    }

    /// Everybody reaches the broker, and hears what it kept.
    fn reach(&mut self) {
        for at in 0..self.fleet.drivers.len() {
            let bus = self.fleet.on[at][0].1;
            let now = self.fleet.now;
            self.fleet.drivers[at].handle_values_up(bus, now);
            for (topic, text) in &self.kept {
                self.fleet.drivers[at].handle_value(bus, topic, text.as_bytes(), true, now);
            }
            self.fleet.rest(at);
        }
    }

    /// Everybody but the one who said it hears it.
    fn publish(&mut self, from: Option<usize>, topic: &str, text: &str) {
        for at in (0..self.fleet.drivers.len()).filter(|at| Some(*at) != from) {
            let (bus, now) = (self.fleet.on[at][0].1, self.fleet.now);
            self.fleet.drivers[at].handle_value(bus, topic, text.as_bytes(), false, now);
            self.fleet.rest(at);
        }
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 5 {
            self.fleet.pass(5);
            for (at, saying) in std::mem::take(&mut self.fleet.said) {
                if saying.retain {
                    self.kept.insert(saying.topic.clone(), saying.text.clone());
                }
                self.said.push((saying.topic.clone(), saying.text.clone()));
                self.publish(Some(at), &saying.topic, &saying.text);
            }
        }
    }

    fn writes(&self) -> u64 {
        let counts = |at: usize| self.fleet.drivers[at].value_counts(self.fleet.on[at][0].1).unwrap().taken;
        (0..self.fleet.drivers.len()).map(counts).sum()
    }
}

fn places() -> ValuePlaces {
    ValuePlaces { prefix: "apg/config".into(), tenant: None, has_topics: true, broker: "mqtt://b".into() }
}

#[test]
fn a_change_is_said_once_and_what_a_program_says_is_written_by_few_of_a_fleet() {
    let mut broker = Broker::of(20);
    broker.pass(5_000);
    assert_eq!(broker.said, []);
    broker.fleet.set(3, "app.limit", 7);
    broker.pass(10_000);
    let topic = "apg/config/global/app/limit";
    assert_eq!(broker.said.len(), 1, "{:?}", broker.said);
    assert!(broker.kept[topic].contains("\"new_value\":7"));
    broker.said.clear();
    broker.publish(None, topic, r#"{"new_value": 8, "publisher_id": "app"}"#);
    broker.pass(10_000);
    broker.fleet.agree();
    assert_eq!(broker.fleet.shown(0), r#"{"app":{"limit":8}}"#);
    assert!((1..=4).contains(&broker.writes()), "{} of 20 wrote it", broker.writes());
    assert_eq!(broker.said, [], "everybody heard it already");
    // Nothing goes round, however long one waits.
    broker.pass(60_000);
    assert_eq!(broker.said, []);
}

#[test]
fn a_broker_that_forgot_everything_gets_every_value_again_from_few() {
    let mut broker = Broker::of(12);
    for at in 0..10 {
        broker.fleet.set(at, &format!("app.k{at}"), 1);
    }
    broker.pass(5_000);
    broker.kept.clear();
    broker.said.clear();
    broker.reach();
    broker.pass(10_000);
    assert_eq!(broker.kept.len(), 10);
    assert!(broker.said.len() <= 30, "{} messages for 10 values", broker.said.len());
    // What was removed while nobody reached it is taken back.
    broker.kept.insert(
        "apg/config/global/app/old".into(),
        r#"{"new_value": 1, "publisher_id": "confmesh-x", "timestamp": "2020-01-01T00:00:00Z"}"#.into(),
    );
    broker.said.clear();
    broker.reach();
    broker.pass(10_000);
    assert!(broker.said.iter().any(|(topic, text)| topic.ends_with("/old") && text.is_empty()), "{:?}", broker.said);
}
