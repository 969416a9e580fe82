//! Who may do what, generated: every principal does everything at every place, through every door, and each door answers as
//! a model of thirty lines says. The model knows nothing of the implementation.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use confmesh::guard::{token, token_hash};
use serde_json::{Value, json as value};

use super::guarded::{Guarded, Guest};
use super::{dir, json, run};

const DOCUMENT: &str = r#"{"app":{"deep":{"x":1},"name":"n","rate":1},"db":{"host":"h","password":"p0"},"top":5}"#;
const SECRET: &str = "db.password";
const LEAVES: [&str; 6] = ["app.deep.x", "app.name", "app.rate", "db.host", "db.password", "top"];
const PLACES: [&str; 9] =
    ["app", "app.deep.x", "app.name", "app.rate", "db", "db.host", "db.password", "top", "none.here"];
const ROLES: [(&str, &[&str]); 8] = [
    ("reader", &["read"]),
    ("secret-reader", &["read", "read-secrets"]),
    ("writer", &["read", "write", "resolve", "lock"]),
    ("admin", &["read", "read-secrets", "write", "resolve", "lock", "operate", "replicate"]),
    ("peer", &["read", "write", "replicate"]),
    ("operator", &["read", "operate"]),
    ("blind", &["write"]),
    ("nobody", &[]),
];
const LIMITS: [&[&str]; 6] = [&[], &["app.*"], &["app.rate", "db"], &["db.*"], &["*.name", "top"], &["**.x"]];

/// A principal of the model.
struct Principal {
    name: String,
    token: String,
    verbs: &'static [&'static str],
    limits: &'static [&'static str],
    of_document: bool,
}

/// Whether a pattern is for a path: `*` is one segment and at the end any number, `**` any number also none.
fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], path) => matches(rest, path) || !path.is_empty() && matches(pattern, &path[1..]),
        (["*"], [_, ..]) => true,
        (["*", rest @ ..], [_, below @ ..]) => matches(rest, below),
        ([first, rest @ ..], [at, below @ ..]) => first == at && matches(rest, below),
        _ => false,
    }
}

impl Principal {
    fn may(&self, verb: &str) -> bool {
        self.of_document && self.verbs.contains(&verb)
    }

    /// Whether a place and all below it is granted.
    fn covers(&self, place: &str) -> bool {
        let path: Vec<&str> = place.split('.').collect();
        let is_for = |limit: &&&str| {
            let pattern: Vec<&str> = limit.split('.').collect();
            (0..=path.len()).any(|length| matches(&pattern, &path[..length]))
        };
        self.limits.is_empty() || self.limits.iter().any(|limit| is_for(&limit))
    }

    fn touches(&self, place: &str) -> bool {
        let may_be = |limit: &&&str| {
            let (pattern, path): (Vec<&str>, Vec<&str>) = (limit.split('.').collect(), place.split('.').collect());
            pattern.contains(&"**")
                || pattern.len() > path.len() && pattern.iter().zip(&path).all(|(a, b)| a == b || *a == "*")
        };
        self.covers(place) || self.limits.iter().any(|limit| may_be(&limit))
    }

    /// What it sees of leaves.
    fn sees(&self, leaves: &BTreeMap<&str, Value>) -> Value {
        let mut seen = value!({});
        for (place, leaf) in leaves.iter().filter(|(place, _)| self.covers(place)) {
            let shown = if *place == SECRET && !self.may("read-secrets") { value!("***") } else { leaf.clone() };
            let mut at = &mut seen;
            for segment in place.split('.') {
                at = &mut at[segment];
            }
            *at = shown;
        }
        seen
    }
}

fn at<'a>(document: &'a Value, place: &str) -> Option<&'a Value> {
    place.split('.').try_fold(document, |value, segment| value.get(segment))
}

fn principals() -> (Vec<Principal>, String) {
    let mut table = String::new();
    for (name, verbs) in &ROLES[5..] {
        table.push_str(&format!("[[role]]\nname = \"{name}\"\nverbs = {verbs:?}\n"));
    }
    let mut all = Vec::new();
    for (role, verbs) in ROLES {
        for (number, limits) in LIMITS.into_iter().enumerate() {
            for of_document in [true, false] {
                if !of_document && number > 0 {
                    continue; // one that has to do with another document is enough of each role
                }
                let name = format!("{role}-{number}-{of_document}");
                let mut bits = [0; 32];
                bits[..name.len().min(32)].copy_from_slice(&name.as_bytes()[..name.len().min(32)]);
                let token = token(bits);
                table.push_str(&format!(
                    "[[principal]]\nname = \"{name}\"\ntoken_sha256 = \"{}\"\nroles = [\"{role}\"]\n",
                    token_hash(&token)
                ));
                if !limits.is_empty() {
                    table.push_str(&format!("paths = {limits:?}\n"));
                }
                if !of_document {
                    table.push_str("documents = [\"other\"]\n");
                }
                all.push(Principal { name, token, verbs, limits, of_document });
            }
        }
    }
    (all, table)
}

/// Notes where two things differ; all of them are told in the end.
macro_rules! same {
    ($wrong:ident, $found:expr, $expected:expr, $($case:tt)*) => {{
        let (found, expected) = (&$found, &$expected);
        if *found != *expected {
            $wrong.push(format!("{}: {found:?}, not {expected:?}", format!($($case)*)));
        }
    }};
}

/// What a request comes to: `ok`, or the code of the error.
fn outcome(status: u16, body: &str) -> String {
    if status < 300 { "ok".to_owned() } else { json(body)["error"]["code"].as_str().unwrap_or("?").to_owned() }
}

/// What the model says of reading a place.
fn reading(who: &Principal, document: &Value, place: &str) -> (String, Option<Value>) {
    if !who.may("read") || !who.touches(place) {
        return ("forbidden".to_owned(), None);
    }
    match at(document, place) {
        Some(found) => ("ok".to_owned(), Some(found.clone())),
        None => ("not_found".to_owned(), None),
    }
}

/// What the model says of an account of a place, which only who may read all of it gets.
fn explaining(who: &Principal, document: &Value, place: &str) -> &'static str {
    match (who.may("read") && who.covers(place), at(document, place)) {
        (false, _) => "forbidden",
        (true, Some(_)) => "ok",
        (true, None) => "not_found",
    }
}

fn writing(who: &Principal, place: &str) -> &'static str {
    if who.may("write") && who.covers(place) { "ok" } else { "forbidden" }
}

/// The changes that a stream brings until it ends.
fn followed(stream: BufReader<TcpStream>) -> Vec<(String, Value)> {
    let lines = stream.lines().map_while(Result::ok);
    let events = lines.filter_map(|line| line.strip_prefix("data:").map(|data| json(data.trim())));
    let changes = events.flat_map(|event| event["changes"].as_array().cloned().unwrap_or_default());
    changes.map(|change| (change["path"].as_str().unwrap().to_owned(), change["new"].clone())).collect()
}

/// The same of a guest that follows, and the last hash that it was told.
fn told(guest: &mut Guest) -> (Vec<(String, Value)>, Option<String>) {
    let (mut changes, mut hash) = (Vec::new(), None);
    while let Ok(message) = guest.hear() {
        if message["type"] == "config_update" {
            hash = message["config_hash"].as_str().map(str::to_owned).or(hash);
            let found = message["changes"].as_array().cloned().unwrap_or_default();
            changes.extend(found.iter().map(|one| (one["path"].as_str().unwrap().to_owned(), one["new"].clone())));
        }
    }
    (changes, hash)
}

#[test]
fn every_door_answers_every_principal_as_the_model_says() {
    let dir = dir(&[("config.json", DOCUMENT)]);
    let (all, table) = principals();
    std::fs::write(dir.path().join("auth.toml"), &table).unwrap();
    let root = all.iter().find(|who| who.name == "admin-0-true").unwrap();
    let instance = Guarded::start(dir.path(), &["--bind", "config.json", "--secret", SECRET]).founded(&root.token);
    let url = format!("http://{}", instance.address);
    let mut document = json(DOCUMENT);
    let leaves = |document: &Value| -> BTreeMap<&'static str, Value> {
        LEAVES.iter().map(|place| (*place, at(document, place).unwrap().clone())).collect()
    };
    let readers: Vec<&Principal> = all.iter().filter(|who| who.may("read")).collect();
    let streams: Vec<_> = readers.iter().map(|who| instance.events(&who.token)).collect();
    let mut followers: Vec<Guest> = readers
        .iter()
        .map(|who| {
            let mut guest = instance.guest(&who.token);
            guest.say(&value!({"v": 1, "type": "config_request", "follow": true}));
            let first = guest.hear_of("config_response");
            assert_eq!(first["config_data"], who.sees(&leaves(&document)), "{}", who.name);
            guest
        })
        .collect();

    let (mut cases, mut writes): (usize, Vec<(&str, Value)>) = (0, Vec::new());
    let mut wrong = Vec::new();
    for (number, who) in all.iter().enumerate() {
        let view = who.sees(&leaves(&document));
        let ask = |method: &str, target: &str, body: &str| instance.ask(method, target, &who.token, body);
        // A guest that may not read comes in only to be told so.
        let mut guest =
            (who.verbs.contains(&"read") || who.verbs.contains(&"replicate")).then(|| instance.guest(&who.token));
        let whole = ask("GET", "/config/default", "");
        let expected = if who.may("read") { "ok" } else { "forbidden" };
        same!(wrong, outcome(whole.0, &whole.1), expected, "{} reads all", who.name);
        if who.may("read") {
            same!(wrong, json(&whole.1), view, "{} reads all", who.name);
        }
        if let Some(guest) = &mut guest {
            guest.say(&value!({"v": 1, "type": "config_request"}));
            let answer = loop {
                let answer = guest.hear().unwrap();
                if answer["type"] != "connection_established" {
                    break answer;
                }
            };
            match who.may("read") {
                true => same!(wrong, answer["config_data"], view, "{} as a guest", who.name),
                false => same!(wrong, answer["code"], "forbidden", "{} as a guest: {answer}", who.name),
            }
        }
        let synced = ask("POST", "/force-sync", "");
        // Who may run the instance runs all of it, whatever paths it is limited to.
        same!(wrong, outcome(synced.0, &synced.1), if who.may("operate") { "ok" } else { "forbidden" }, "{}", who.name);
        cases += 3;
        for place in PLACES {
            let case = format!("{} at {place}", who.name);
            let (read, shown) = reading(who, &view, place);
            let (status, body) = ask("GET", &format!("/config/default?path={place}"), "");
            same!(wrong, outcome(status, &body), read, "reading: {case}");
            if let Some(shown) = shown {
                same!(wrong, json(&body), shown, "reading: {case}");
            }
            let explained = explaining(who, &view, place);
            let (status, body) = ask("GET", &format!("/config/default/explain?path={place}"), "");
            same!(wrong, outcome(status, &body), explained, "explaining: {case}: {body}");
            same!(wrong, body.contains("p0") || body.contains("classified-"), false, "explaining: {case}: {body}");
            if let Some(guest) = &mut guest {
                let answer = guest.ask(&value!({
                    "v": 1, "type": "call", "operation": "explain", "arguments": {"path": place}, "request_id": case
                }));
                let code = answer["error"]["code"].as_str().unwrap_or("ok");
                same!(wrong, code, explained, "explaining as a guest: {case}: {answer}");
            }
            cases += 2;
            // Writing what is there says whether one may, and changes nothing; leaves change, by turns.
            let Some(now) = at(&document, place).cloned() else { continue };
            let changes = LEAVES.contains(&place) && number % 7 == 0;
            let new = match (&now, changes) {
                (Value::Number(old), true) => value!(old.as_i64().unwrap() + 1),
                (Value::String(_), true) if place == SECRET => value!(format!("classified-{number}")),
                (Value::String(_), true) => value!(format!("text-{number}")),
                _ => now.clone(),
            };
            let wrote = writing(who, place);
            let (status, body) = ask("PUT", &format!("/config/default?path={place}"), &new.to_string());
            same!(wrong, outcome(status, &body), wrote, "writing: {case}: {body}");
            if wrote == "ok" {
                if new != now {
                    writes.push((LEAVES[LEAVES.iter().position(|leaf| *leaf == place).unwrap()], new.clone()));
                }
                let mut place_in = &mut document;
                for segment in place.split('.') {
                    place_in = &mut place_in[segment];
                }
                *place_in = new.clone();
            }
            if let Some(guest) = &mut guest {
                let answer = guest.ask(&value!({
                    "v": 1, "type": "config_change", "config_key": place, "new_value": new,
                    "request_id": format!("write {case}")
                }));
                let code = match answer["success"].as_bool() {
                    Some(true) => "ok",
                    _ => answer["code"].as_str().unwrap_or("?"),
                };
                // A guest has to read what it writes to.
                same!(wrong, code, wrote, "writing as a guest: {case}: {answer}");
            }
            let patch = value!([{"op": "replace", "path": format!("/{}", place.replace('.', "/")), "value": new}]);
            let (status, body) = patched(&instance, &who.token, &patch);
            // It replaces what is there for it; what stays as it sees it is no write.
            let seen = who.sees(&leaves(&document));
            let there = at(&seen, place).filter(|_| who.may("read"));
            let below = LEAVES.iter().filter(|leaf| **leaf == place || leaf.starts_with(&format!("{place}.")));
            let differing: Vec<_> = below.filter(|leaf| at(&seen, leaf) != at(&document, leaf)).collect();
            let expected = match (wrote, there) {
                ("ok", Some(_)) => "ok",
                (_, Some(_)) if who.may("write") && differing.iter().all(|leaf| who.covers(leaf)) => "ok",
                _ if who.may("write") => "patch_failed or forbidden",
                _ => "forbidden",
            };
            same!(wrong, expected.contains(&outcome(status, &body)), true, "patching: {case}: {body}, not {expected}");
            cases += 2;
        }
        // The command is a client like others: some of each principal.
        for (place, read) in [PLACES[number % PLACES.len()], "app.rate"]
            .map(|place| (place, reading(who, &who.sees(&leaves(&document)), place)))
        {
            std::fs::write(dir.path().join("who.token"), &who.token).unwrap();
            let ran = run(
                dir.path(),
                &["get", place, "--json", "--show-secrets", "--url", &url, "--token-file", "who.token"],
            );
            let code = if ran.status == 0 {
                "ok".to_owned()
            } else {
                json(&ran.stderr)["error"]["code"].as_str().unwrap().to_owned()
            };
            same!(wrong, code, read.0, "confmesh get {place} of {}: {ran:?}", who.name);
            if let Some(shown) = read.1 {
                same!(wrong, json(&ran.stdout), shown, "confmesh get {place} of {}", who.name);
            }
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 1_000, "{cases} cases");
    assert!(writes.len() > 10, "{writes:?}");

    // Nobody is known any more: every stream and every guest ends, and each was told what it may see and nothing else.
    let last = leaves(&document);
    std::fs::write(dir.path().join("auth.toml"), "").unwrap();
    for ((who, stream), guest) in readers.iter().zip(streams).zip(&mut followers) {
        let sees = |place: &str| who.covers(place) && (place != SECRET || who.may("read-secrets"));
        let mut expected: Vec<(String, Value)> = Vec::new();
        for (place, new) in writes.iter().filter(|(place, _)| sees(place)) {
            expected.push(((*place).to_owned(), new.clone()));
        }
        assert_eq!(followed(stream), expected, "the events of {}", who.name);
        let (changes, hash) = told(guest);
        assert_eq!(changes, expected, "what {} was told as a guest", who.name);
        if let Some(hash) = hash {
            let view = confmesh::format::parse(&who.sees(&last).to_string(), confmesh::format::Format::Json).unwrap();
            assert_eq!(hash, confmesh::canonical::content_hash(&view).to_string(), "the hash of {}", who.name);
        }
    }
}

fn patched(instance: &Guarded, token: &str, patch: &Value) -> (u16, String) {
    instance.ask_with("PATCH", "/config/default", token, &patch.to_string(), "application/json-patch+json")
}
