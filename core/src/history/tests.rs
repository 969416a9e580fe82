use proptest::prelude::*;

use super::*;
use crate::format::{Format, parse};
use crate::pattern::Pattern;
use crate::policy::Rule;

const DAY: u64 = 24 * 60 * 60 * 1_000;

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

fn change(at_ms: u64) -> Change {
    Change { at_ms, cause: "shared", wrote: Vec::new() }
}

fn history(budget: Budget) -> History {
    History::new("default/default", budget, None)
}

/// Makes a version and has it stored.
fn step(history: &mut History, ticket: u64, now: &Value, policy: &Policy) -> Vec<Write> {
    let writes = history.stage(ticket, now, policy, change(ticket));
    history.persisted(ticket);
    writes
}

fn numbers(history: &History) -> Vec<u64> {
    history.versions(None).map(|version| version.number).collect()
}

/// What the store holds after such writes.
fn stored(writes: impl IntoIterator<Item = Write>) -> BTreeMap<u64, Vec<u8>> {
    writes.into_iter().fold(BTreeMap::new(), |mut store, write| {
        match write {
            Write::Put(number, bytes) => drop(store.insert(number, bytes)),
            Write::Remove(number) => drop(store.remove(&number)),
        }
        store
    })
}

#[derive(Debug)]
struct Rot(u8);

impl Seal for Rot {
    fn seal(&self, place: &str, plain: &[u8]) -> Option<String> {
        let plain = std::str::from_utf8(plain).ok()?;
        Some(format!("{}:{}:{}", self.0, place.len(), plain.chars().rev().collect::<String>()))
    }

    fn open(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        let text = sealed.strip_prefix(&format!("{}:{}:", self.0, place.len()))?;
        Some(text.chars().rev().collect::<String>().into_bytes())
    }
}

fn secret() -> Policy {
    Policy::of([Rule::on(Pattern::parse("db.password").unwrap()).secret(true)]).unwrap()
}

#[test]
fn ten_thousand_versions_of_one_key_take_less_than_five_mebibytes_and_each_can_be_gone_back_to() {
    let mut document = Value::Map((0..2_000).map(|at| (format!("key-{at:04}").into(), Value::from(at))).collect());
    let mut history = history(Budget { versions: 10_001, ..Budget::default() });
    let policy = Policy::default();
    step(&mut history, 1, &document, &policy);
    for ticket in 2..=10_001 {
        let path = Path::parse(&format!("key-{:04}", ticket % 2_000)).unwrap();
        document = document.with(&path, (ticket * 7).into());
        let wrote = Wrote {
            author: crate::id::ReplicaId::from_bytes([1; 16]),
            seq: ticket,
            at_ms: ticket,
            instance: Some(crate::id::InstanceId::from_bytes([2; 16])),
            user: Some("ann".into()),
            message: Some("the limit was wrong".into()),
        };
        history.stage(ticket, &document, &policy, Change { wrote: vec![wrote], ..change(ticket) });
        history.persisted(ticket);
    }
    let (count, bytes) = history.size();
    assert_eq!(count, 10_001);
    assert!(bytes <= 5 << 20, "{bytes} bytes");
    let first = history.at(&history.version(&Named::Number(1)).unwrap()).unwrap();
    assert_eq!(first.value.child("key-0003"), Some(&3.into()));
    let second = history.at(&history.version(&Named::Number(2)).unwrap()).unwrap();
    assert_eq!((second.value.child("key-0002"), second.value.child("key-0003")), (Some(&14.into()), Some(&3.into())));
}

#[test]
fn the_oldest_versions_go_by_count_age_and_bytes_and_the_newest_stays() {
    let policy = Policy::default();
    let mut by_count = history(Budget { versions: 3, ..Budget::default() });
    let writes: Vec<Write> = (1..=5)
        .flat_map(|ticket| step(&mut by_count, ticket, &json(&format!("{{\"a\":{ticket}}}")), &policy))
        .collect();
    assert_eq!(numbers(&by_count), [5, 4, 3]);
    assert_eq!(stored(writes).into_keys().collect::<Vec<_>>(), [3, 4, 5], "the store forgets them too");
    let mut by_age = history(Budget { age_ms: DAY, ..Budget::default() });
    for at in [1, 2, DAY + 2, 3 * DAY] {
        by_age.stage(at, &json(&format!("{{\"a\":{at}}}")), &policy, change(at));
        by_age.persisted(at);
    }
    assert_eq!(numbers(&by_age), [4]);
    let mut by_bytes = history(Budget { bytes: 600, ..Budget::default() });
    (1..=20).for_each(|ticket| drop(step(&mut by_bytes, ticket, &json(&format!("{{\"a\":{ticket}}}")), &policy)));
    let (count, bytes) = by_bytes.size();
    assert!(count < 20 && bytes <= 600 && numbers(&by_bytes)[0] == 20, "{count} {bytes}");
    let long = "x".repeat(5_000);
    step(&mut by_bytes, 21, &json(&format!("{{\"a\":\"{long}\"}}")), &policy);
    assert_eq!(numbers(&by_bytes), [21]);
    let mut off = history(Budget { versions: 0, ..Budget::default() });
    assert_eq!(step(&mut off, 1, &json("{\"a\":1}"), &policy), []);
    let none = off.version(&Named::Number(1)).unwrap_err();
    assert!(none.hint().unwrap().contains("--history-versions"), "{none:?}");
}

#[test]
fn what_is_on_its_way_to_the_store_is_no_version_and_what_failed_never_is() {
    let policy = Policy::default();
    let mut history = history(Budget::default());
    let mut writes = step(&mut history, 1, &json("{\"a\":1}"), &policy);
    writes.extend(history.stage(2, &json("{\"a\":2}"), &policy, change(2)));
    assert_eq!(numbers(&history), [1]);
    history.failed(&json("{\"a\":1}"));
    assert_eq!(numbers(&history), [1]);
    // The failed batch may have reached the disk: what comes next takes it out again, and takes another number.
    writes.extend(history.stage(3, &json("{\"a\":3}"), &policy, change(3)));
    history.persisted(3);
    assert_eq!(numbers(&history), [3, 1]);
    let mut again = self::history(Budget::default());
    again.restore(stored(writes).into_iter().collect(), &json("{\"a\":3}")).unwrap();
    assert_eq!(numbers(&again), [3, 1]);
    assert_eq!(again.at(&again.version(&Named::Number(1)).unwrap()).unwrap().value, json("{\"a\":1}"));
    assert_eq!(step(&mut again, 1, &json("{\"a\":4}"), &policy).len(), 1);
    assert_eq!(numbers(&again), [4, 3, 1]);
}

#[test]
fn versions_that_do_not_lead_to_the_document_are_dropped_and_that_is_told() {
    let policy = Policy::default();
    let mut first = history(Budget::default());
    let writes: Vec<Write> =
        (1..=3).flat_map(|ticket| step(&mut first, ticket, &json(&format!("{{\"a\":{ticket}}}")), &policy)).collect();
    let records: Vec<(u64, Vec<u8>)> = stored(writes).into_iter().collect();
    let mut other = history(Budget::default());
    let error = other.restore(records.clone(), &json("{\"a\":9}")).unwrap_err();
    assert_eq!(error.code(), Code::Damaged);
    let gone = other.tidy(1);
    assert_eq!(gone, [Write::Remove(1), Write::Remove(2), Write::Remove(3)]);
    other.persisted(1);
    step(&mut other, 2, &json("{\"a\":10}"), &policy);
    assert_eq!(numbers(&other), [5, 4], "what was there first, and the change: numbers go on");
    // One record that cannot be read takes what is older with it, and nothing else.
    let mut torn = history(Budget::default());
    let mut broken = records;
    broken[1].1 = b"{".to_vec();
    torn.restore(broken, &json("{\"a\":3}")).unwrap();
    assert_eq!(numbers(&torn), [3]);
}

#[test]
fn a_secret_is_kept_sealed_or_not_at_all_and_never_shown() {
    let policy = secret();
    let (old, new) =
        (json(r#"{"db":{"host":"h","password":"hunter2"}}"#), json(r#"{"db":{"host":"i","password":"hunter3"}}"#));
    let mut sealed = History::new("default/default", Budget::default(), Some(Arc::new(Rot(1))));
    let mut open = history(Budget::default());
    let mut bytes = Vec::new();
    for history in [&mut sealed, &mut open] {
        let writes = [step(history, 1, &old, &policy), step(history, 2, &new, &policy)].concat();
        bytes.push(format!("{:?}", stored(writes).into_values().map(String::from_utf8).collect::<Vec<_>>()));
        let version = history.version(&Named::Number(2)).unwrap();
        let shown = crate::canonical::canonical(&version.shown(&policy, |_| true).into());
        assert!(!shown.contains("hunter") && shown.contains("db.password"), "{shown}");
        // A secret stays one where the rule is gone.
        let shown = crate::canonical::canonical(&version.shown(&Policy::default(), |_| true).into());
        assert!(!shown.contains("hunter"), "{shown}");
    }
    assert!(bytes.iter().all(|bytes| !bytes.contains("hunter")), "{bytes:?}");
    let then = |history: &History| history.at(&history.version(&Named::Number(1)).unwrap()).unwrap();
    assert_eq!(then(&sealed), Then { value: old, lost: BTreeSet::new() });
    let known = json(r#"{"db":{"host":"h","password":"hunter3"}}"#);
    let lost = BTreeSet::from([Path::parse("db.password").unwrap()]);
    assert_eq!(then(&open), Then { value: known, lost });
}

#[test]
fn a_version_is_named_by_number_by_time_and_by_nothing_else() {
    let at = crate::clock::parse_rfc3339("2024-01-01T12:00:00.250Z").unwrap();
    let mut history = history(Budget::default());
    for (ticket, at_ms) in [(1, at), (2, at + 1), (3, at + 5_000)] {
        history.stage(ticket, &json(&format!("{{\"a\":{ticket}}}")), &Policy::default(), change(at_ms));
        history.persisted(ticket);
    }
    for (name, number) in [
        ("2", 2),
        ("config_20240101120000.json", 2),
        ("config_20240101120000250.json", 1),
        ("config_20240101120005.json", 3),
        ("2024-01-01T12:00:00.250Z", 1),
        ("2024-01-01T12:00:04Z", 2),
        ("2030-01-01T00:00:00Z", 3),
    ] {
        assert_eq!(history.version(&Named::parse(name).unwrap()).unwrap().number, number, "{name}");
    }
    for (name, code) in [("4", Code::NotFound), ("0", Code::NotFound), ("config_20230101120000.json", Code::NotFound)] {
        assert_eq!(history.version(&Named::parse(name).unwrap()).unwrap_err().code(), code, "{name}");
    }
    for name in [
        "",
        "../../etc/passwd",
        "config_../../x.json",
        "config_20240101120000",
        "config_2024010112000x.json",
        "config_99999999999999.json",
        "/1",
        "1/2",
        "-1",
        "99999999999999999999",
    ] {
        assert_eq!(Named::parse(name).unwrap_err().code(), Code::Usage, "{name}");
    }
}

fn maps() -> impl Strategy<Value = Value> {
    crate::diff::tests::trees().prop_map(|value| if value.as_map().is_some() { value } else { Value::empty_map() })
}

proptest! {
    #[test]
    fn every_version_leads_back_to_what_the_document_was_also_after_a_restart(states in proptest::collection::vec(maps(), 1..12)) {
        let policy = Policy::default();
        let mut history = history(Budget::default());
        let (mut known, mut writes) = (Vec::new(), Vec::new());
        for (ticket, state) in (1..).zip(&states) {
            let before = numbers(&history).first().copied();
            writes.extend(step(&mut history, ticket, state, &policy));
            let newest = numbers(&history).first().copied();
            known.extend(newest.filter(|_| newest != before).map(|number| (number, state.clone())));
        }
        let mut again = self::history(Budget::default());
        prop_assert!(again.restore(stored(writes).into_iter().collect(), states.last().unwrap()).is_ok());
        for (number, state) in known {
            for history in [&history, &again] {
                let version = history.version(&Named::Number(number)).unwrap();
                prop_assert_eq!(&history.at(&version).unwrap().value, &state);
            }
        }
    }
}
