use proptest::prelude::*;

use super::{Message, Output, Refusal, Rules, Values, filter, place, tenant_of, topic};
use crate::clock::{Now, rfc3339};
use crate::error::Code;
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::{Policy, Rule};
use crate::value::Value;

const WALL_MS: u64 = 1_800_000_000_000;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[test]
fn every_path_of_every_tenant_has_one_topic_and_every_topic_one_path() {
    for (tenant, dotted, written) in [
        (Some("company-tenant"), "app.database.host", "apg/config/company-tenant/app/database/host"),
        (None, "app.limit", "apg/config/global/app/limit"),
        (Some("global"), "a", "apg/config/%67lobal/a"),
        (Some("status"), "a", "apg/config/%73tatus/a"),
        (Some("a/b"), r"hosts.db\.local", "apg/config/a%2Fb/hosts/db.local"),
        (None, r"a+b.c#d.50%.\*", "apg/config/global/a%2Bb/c%23d/50%25/*"),
    ] {
        assert_eq!(topic("apg/config", tenant, &path(dotted)).unwrap(), written);
        let found = place("apg/config", written).unwrap().unwrap();
        assert_eq!(found, (tenant.map(str::to_owned), path(dotted)));
    }
    for other in ["apg/config", "apg/config/global", "apg/config/status/me", "apg/configs/global/a", "x"] {
        assert_eq!(place("apg/config", other).unwrap(), None, "{other}");
    }
    for wrong in ["a/50%", "a/%2f", "a/%61", "a/%zz", "a/%C3"] {
        assert_eq!(place("p", &format!("p/global/{wrong}")).unwrap_err().code(), Code::PathSyntax, "{wrong}");
    }
    assert_eq!(place("p", &format!("p/t{}", "/a".repeat(200))).unwrap_err().code(), Code::TooLarge);
    assert!(place("p", "p/%67lobal/a").unwrap().is_some() && place("p", "p/%61cme/a").is_err());
    let name = |text: &str| tenant_of(&DocumentName::parse(text).unwrap());
    assert_eq!(name("default"), None);
    assert_eq!(name("acme/default").as_deref(), Some("acme"));
    assert_eq!(name("pay").as_deref(), Some("default/pay"));
}

proptest! {
    #[test]
    fn topics_are_read_back_exactly(segments in proptest::collection::vec(".{0,9}", 1..6), tenant in proptest::option::of(".{1,9}")) {
        let path: Path = segments.iter().map(|segment| crate::value::Str::from(segment.as_str())).collect();
        let written = topic("apg/config", tenant.as_deref(), &path).unwrap();
        prop_assert!(!written.contains(['+', '#']) && !written.contains(char::is_control));
        prop_assert_eq!(place("apg/config", &written).unwrap(), Some((tenant, path)));
    }

    #[test]
    fn what_is_no_topic_or_message_breaks_nothing(text in ".{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = place("apg/config", &format!("apg/config/{text}"));
        let _ = Message::parse(None, &bytes);
        let _ = Message::parse(Some(&Path::root()), text.as_bytes());
        let _ = filter("p", None, &text);
    }
}

#[test]
fn a_filter_hears_whatever_its_pattern_matches() {
    for (pattern, written) in [
        ("app.database.*", "apg/config/+/app/database/#"),
        ("*", "apg/config/+/#"),
        ("app.*.host", "apg/config/+/app/+/host"),
        ("app.**.host", "apg/config/+/app/#"),
        ("app.feat*", "apg/config/+/app/#"),
        (r"a\*.b", "apg/config/+/a*/b"),
        (r"db\.local.a+b", "apg/config/+/db.local/a%2Bb"),
    ] {
        assert_eq!(filter("apg/config", None, pattern), written);
    }
    assert_eq!(filter("p", Some(None), "**"), "p/global/#");
    assert_eq!(filter("p", Some(Some("global")), "a"), "p/%67lobal/a");
}

#[test]
fn messages_have_the_documented_form_and_others_are_refused() {
    let message = Message {
        path: path("app.database.host"),
        value: Some("db".into()),
        said_ms: Some(WALL_MS),
        publisher: "me".into(),
    };
    let text = format!(
        r#"{{"config_key":"app.database.host","new_value":"db","publisher_id":"me","timestamp":"{}"}}"#,
        rfc3339(WALL_MS)
    );
    assert_eq!(message.to_text(), text);
    assert_eq!(Message::parse(None, text.as_bytes()).unwrap(), Some(message.clone()));
    assert_eq!(Message::parse(Some(&message.path), text.as_bytes()).unwrap(), Some(message.clone()));
    let gone = Message { value: None, ..message };
    assert!(gone.to_text().contains(r#""new_value":null"#) && gone.to_text().contains(r#""removed":true"#));
    assert_eq!(Message::parse(None, gone.to_text().as_bytes()).unwrap(), Some(gone));
    // As Python writes a time that has no zone.
    let bare = br#"{"new_value": [1], "timestamp": "2027-01-15T08:00:00.123456"}"#;
    let read = Message::parse(Some(&path("a")), bare).unwrap().unwrap();
    assert_eq!((read.said_ms, read.publisher.as_str()), (Some(WALL_MS + 123), ""));
    assert_eq!(Message::parse(Some(&path("a")), b"").unwrap(), None, "a topic that is cleared");
    for (wrong, why) in [
        (&br#"{"config_key":"b","new_value":1}"#[..], "another one"),
        (br#"{"config_key":"a"}"#, "`new_value` is missing"),
        (br#"{"config_key":"a..b","new_value":1}"#, "segment"),
        (br#"["new_value"]"#, "no map"),
        (b"{hunter2", "no value for others"),
        (b"\xff", "not UTF-8"),
    ] {
        let error = Message::parse(Some(&path("a")), wrong).unwrap_err();
        assert!(error.code() == Code::Message && error.message().contains(why), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(Message::parse(None, br#"{"new_value":1}"#).unwrap_err().code(), Code::Message);
    assert_eq!(Message::parse(None, &[b' '; 300 << 10]).unwrap_err().code(), Code::TooLarge);
    let long = format!(r#"{{"new_value":1,"publisher_id":"{}\u0007"}}"#, "x".repeat(500));
    assert_eq!(Message::parse(Some(&path("a")), long.as_bytes()).unwrap().unwrap().publisher.len(), 128);
}

/// One instance, its document and its clock.
struct Program {
    values: Values,
    document: Value,
    policy: Policy,
    fleet: usize,
    ms: u64,
}

impl Program {
    fn new(ways: (bool, bool), retains: bool, document: &[(&str, Value)]) -> Program {
        let paths = vec![Pattern::parse("**").unwrap()];
        let rules = Rules { publishes: ways.0, takes: ways.1, retains, paths };
        let mut values = Values::new(rules, [5; 32]);
        values.handle_up(0);
        let document = document.iter().fold(Value::empty_map(), |all, (at, value)| all.with(&path(at), value.clone()));
        Program { values, document, policy: Policy::default(), fleet: 0, ms: 0 }
    }

    fn hears(
        &mut self,
        at: &str,
        value: impl Into<Value>,
        publisher: &str,
        retained: Option<u64>,
    ) -> Result<(), Refusal> {
        let said_ms = retained.or(Some(WALL_MS + self.ms));
        let value = Some(value.into()).filter(|value| *value != Value::Null);
        let message = Message { path: path(at), value, said_ms, publisher: publisher.into() };
        let now = Now { wall_ms: WALL_MS + self.ms, mono_ms: self.ms };
        self.values.handle_message(message, retained.is_some(), &self.document, (Some(WALL_MS), self.fleet), now)
    }

    /// What is done within some time; writes are made.
    fn passes(&mut self, ms: u64) -> Vec<Output> {
        let (end, mut done) = (self.ms + ms, Vec::new());
        while let Some(due) = self.values.poll_timeout().filter(|due| *due <= end) {
            self.ms = self.ms.max(due);
            self.values.handle_timeout(&self.document, &self.policy, self.fleet, self.ms);
            while let Some(output) = self.values.poll() {
                if let Output::Write(at, value, _) = &output {
                    self.document = match value {
                        Some(value) => self.document.with(at, value.clone()),
                        None => self.document.without(at),
                    };
                    self.values.handle_changed([at], true);
                    self.values.handle_written(at, self.ms);
                }
                done.push(output);
            }
        }
        self.ms = end;
        done
    }

    fn sets(&mut self, at: &str, value: impl Into<Value>, is_ours: bool) {
        self.document = self.document.with(&path(at), value.into());
        self.values.handle_changed([&path(at)], is_ours);
    }
}

fn secret(pattern: &str) -> Policy {
    Policy::of([Rule { secret: Some(true), ..Rule::on(Pattern::parse(pattern).unwrap()) }]).unwrap()
}

fn say(at: &str, value: impl Into<Value>) -> Output {
    Output::Say(path(at), Some(value.into()))
}

#[test]
fn what_is_in_force_is_said_where_the_broker_holds_something_else() {
    let mut program = Program::new((true, false), true, &[("a.b", 1.into()), ("c", "x".into())]);
    program.hears("c", "x", "confmesh-other", Some(WALL_MS)).unwrap();
    program.hears("gone", 1, "confmesh-other", Some(WALL_MS)).unwrap();
    program.hears("foreign", 1, "somebody", Some(WALL_MS)).unwrap();
    assert_eq!(program.passes(900), [], "others may be first");
    assert_eq!(program.passes(1_100), [say("a.b", 1), Output::Say(path("gone"), None)]);
    program.sets("a.b", 2, true);
    assert_eq!(program.passes(0), [say("a.b", 2)], "at once");
    program.sets("a.b", 2, true);
    assert_eq!(program.passes(10_000), [], "nothing new");
    // The broker forgot everything.
    program.values.handle_down();
    program.sets("c", "y", true);
    assert_eq!(program.passes(10_000), [], "to nobody");
    program.values.handle_up(program.ms);
    assert_eq!(program.passes(3_000), [say("c", "y"), say("a.b", 2)]);
    // A leaf becomes a map.
    program.document = program.document.with(&path("c"), [("d", 1)].into_iter().collect());
    program.values.handle_changed([&path("c.d")], true);
    assert_eq!(program.passes(0), [Output::Say(path("c"), None), say("c.d", 1)]);
}

#[test]
fn who_hears_another_instance_say_it_says_nothing_and_nothing_goes_round() {
    let mut program = Program::new((true, true), true, &[]);
    program.fleet = 3;
    program.passes(5_000);
    program.sets("a", 1, false);
    program.sets("b", 1, false);
    assert_eq!(program.passes(250), []);
    program.hears("a", 1, "confmesh-other", None).unwrap();
    assert_eq!(program.passes(10_000), [say("b", 1)], "nobody said it: somebody has to");
    // Two fleets that share their topics: each hears the other, and neither answers.
    program.hears("a", 2, "confmesh-foreign", None).unwrap();
    assert_eq!(program.passes(60_000), []);
    assert_eq!(program.document.at(&path("a")), Some(&1.into()));
}

#[test]
fn what_a_program_says_is_written_once_and_only_if_it_is_news() {
    let mut program = Program::new((true, true), true, &[("a", 1.into())]);
    program.passes(5_000);
    let write = |at: &str, value: i64| Output::Write(path(at), Some(value.into()), "app".into());
    program.hears("a", 2, "app", None).unwrap();
    assert_eq!(program.passes(0), [write("a", 2)], "alone it is done at once");
    assert_eq!(program.passes(10_000), [], "and is not said again");
    program.hears("a", 2, "app", None).unwrap();
    assert_eq!(program.passes(10_000), [], "it came twice");
    program.hears("new.key", Value::Null, "app", None).unwrap();
    assert_eq!(program.passes(10_000), [], "it is not there anyway");
    program.hears("a", Value::Null, "app", None).unwrap();
    assert_eq!(program.passes(0), [Output::Write(path("a"), None, "app".into())]);
    program.passes(1_000);
    // In a fleet others may do it first.
    program.fleet = 5;
    program.hears("a", 3, "app", None).unwrap();
    program.sets("a", 3, false);
    assert_eq!(program.passes(10_000), []);
    // What was kept at the broker counts if it is newer than what is here, and not from the future.
    program.hears("a", 4, "app", Some(WALL_MS + 5)).unwrap();
    assert_eq!(program.passes(1_000), [write("a", 4)]);
    program.hears("a", 5, "app", Some(WALL_MS - 5)).unwrap();
    assert_eq!(program.passes(1_000), [say("a", 4)], "what is in force takes its place");
    program.hears("a", 6, "app", Some(WALL_MS + 10_000_000)).unwrap();
    assert_eq!(program.passes(1_000), [say("a", 4)]);
}

#[test]
fn what_is_refused_is_answered_by_what_is_in_force() {
    let mut program = Program::new((true, true), true, &[("app.limit", 1.into()), ("db.host", "x".into())]);
    program.values.rules.paths = vec![Pattern::parse("app.**").unwrap()];
    program.passes(5_000);
    assert_eq!(program.hears("db.host", "y", "app", None), Err(Refusal::Path));
    assert_eq!(program.hears("db", Value::Null, "app", None), Err(Refusal::Path));
    let tree: Value = [("limit", 2)].into_iter().collect();
    assert_eq!(program.hears("app", tree, "app", None), Ok(()), "a map whose leaves are named");
    assert!(matches!(program.passes(100).as_slice(), [Output::Write(..)]));
    // The document refuses it: it stays, and that is said.
    program.hears("app.limit", 3, "app", None).unwrap();
    program.values.handle_timeout(&program.document, &program.policy, 0, program.ms);
    assert!(matches!(program.values.poll(), Some(Output::Write(..))));
    program.values.handle_written(&path("app.limit"), program.ms);
    assert_eq!(program.passes(1_000), [say("app.limit", 2)]);
    // Who only publishes takes nothing.
    let mut program = Program::new((true, false), true, &[("a", 1.into())]);
    program.passes(5_000);
    program.hears("a", 2, "app", None).unwrap();
    assert_eq!(program.passes(1_000), [say("a", 1)]);
}

#[test]
fn secrets_are_never_said_and_neither_is_that_they_change() {
    let mut program = Program::new((true, true), true, &[("db.password", "x".into()), ("db.host", "h".into())]);
    program.policy = secret("db.password");
    assert_eq!(program.passes(5_000), [say("db.host", "h")]);
    program.sets("db.password", "y", true);
    assert_eq!(program.passes(5_000), []);
    program.hears("db.password", "z", "app", None).unwrap();
    assert!(matches!(program.passes(5_000).as_slice(), [Output::Write(..)]), "it may be set, and is not told");
    // What becomes a secret is taken back.
    program.policy = secret("db.*");
    program.values.handle_changed([&path("db.host")], true);
    assert_eq!(program.passes(0), [Output::Say(path("db.host"), None)]);
}

#[test]
fn without_retaining_only_changes_are_said_also_those_of_an_outage() {
    let mut program = Program::new((true, false), false, &[("a", 1.into()), ("b", 1.into())]);
    assert_eq!(program.passes(10_000), []);
    program.sets("a", 2, true);
    assert_eq!(program.passes(0), [say("a", 2)]);
    program.values.handle_down();
    program.sets("b", 2, true);
    program.values.handle_up(program.ms);
    assert_eq!(program.passes(0), [say("b", 2)]);
    program.values.handle_unsaid(&path("b"), program.ms);
    assert_eq!(program.passes(2_000), [say("b", 2)], "again, as it got nowhere");
}
