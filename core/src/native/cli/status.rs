//! `confmesh status`: how an instance, its peers and its sources are doing, for eyes.
use std::collections::BTreeSet;

use super::arguments::Status;
use super::client::Client;
use super::members;
use super::online::{items, plain, write_text};
use super::output::{DONE, Outcome, data, error_from_value, json};
use crate::canonical::canonical;
use crate::format::LeftOut;
use crate::merge::Withheld;
use crate::value::Value;

/// How wide a line may be.
const WIDTH: usize = 80;

pub(super) fn run_status(arguments: &Status, as_json: bool) -> Outcome {
    let client = Client::new(&arguments.instance)?;
    let status = client.status()?;
    if as_json {
        json(&status)?
    } else {
        data(&status_text(client.base(), &status))?
    }
    Ok(DONE)
}

fn status_text(base: &str, status: &Value) -> String {
    let row = |label: &str, text: String| vec![label.to_owned(), text];
    let mut rows = vec![
        row("instance", plain(status.child("instance_id"))),
        row("address", base.to_owned()),
        row("version", plain(status.child("version"))),
        row("up for", format!("{} s", plain(status.child("uptime_seconds")))),
    ];
    rows.extend(status.child("health").map(|health| row("health", plain(health.child("status")))));
    let below = told_below(status);
    for check in status.child("health").into_iter().flat_map(|health| items(health, "checks")) {
        let name = format!("  {}", plain(check.child("name")));
        let reasons: Vec<String> = items(check, "reasons").map(problem).collect();
        let own = reasons.iter().filter(|reason| !below.contains(*reason));
        rows.extend(own.clone().map(|reason| row(&name, reason.clone())));
        if own.count() < reasons.len() {
            rows.push(row(&name, "see below".to_owned()));
        }
    }
    rows.push(row("clients", plain(status.child("connected_clients"))));
    for peer in items(status, "peers") {
        rows.push(row("peer", peer_text(peer)));
        rows.extend(items(peer, "problems").map(|error| row("", problem(error))));
    }
    for bus in items(status, "buses") {
        rows.push(row("bus", bus_text(bus)));
    }
    for document in items(status, "documents") {
        rows.push(vec![String::new()]);
        rows.extend(document_rows(document));
    }
    wrapped(&rows)
}

fn bus_text(bus: &Value) -> String {
    let (url, state) = (plain(bus.child("url")), plain(bus.child("state")));
    let heard = match plain(bus.child("instances")).as_str() {
        "1" => "1 other instance".to_owned(),
        count => format!("{count} other instances"),
    };
    let mut text = format!("{url} {state}, {heard} heard lately");
    if let Some(error) = bus.child("last_error") {
        text.push_str(&format!(", {}", problem(error)));
    }
    text
}

fn document_rows(document: &Value) -> Vec<Vec<String>> {
    let row = |label: &str, text: String| vec![label.to_owned(), text];
    let founded =
        if document.child("founded").and_then(Value::as_bool) == Some(false) { ", not founded yet" } else { "" };
    let keys = plain(document.child("keys"));
    let mut rows = vec![
        row("document", format!("{} ({keys} keys{founded})", plain(document.child("name")))),
        row("revision", plain(document.child("revision"))),
        // Whole, and still within the width.
        row("hash", plain(document.child("hash")).trim_start_matches("sha256:").to_owned()),
    ];
    rows.extend(document.child("bound_file").and_then(Value::as_str).map(|file| row("file", file.to_owned())));
    if let Some(rejected) = document.child("rejected") {
        let cause = plain(rejected.child("cause"));
        rows.extend(items(rejected, "errors").map(|error| row("rejected", format!("{cause}: {}", problem(error)))));
    }
    for withheld in items(document, "withheld") {
        let Some(what) = Withheld::from_value(withheld) else { continue };
        let written = withheld.child("written").map(write_text).unwrap_or_default();
        rows.push(row("withheld", format!("{what}{}{written}", if written.is_empty() { "" } else { ", " })));
    }
    for part in items(document, "left_out").filter_map(LeftOut::from_value) {
        rows.push(row("left out", format!("{} is not in the file: {}", part.path, part.reason)));
    }
    for warning in items(document, "warnings") {
        rows.push(row("warning", problem(warning)));
    }
    for save in items(document, "save_conflicts") {
        let is_save = plain(save.child("said")) != "write";
        let own = if is_save { "what was saved" } else { "what this instance wrote" };
        let stays = if plain(save.child("stays")) == "theirs" { "what others wrote" } else { own };
        let what = format!("{} ({}): {stays} stays", plain(save.child("path")), plain(save.child("timestamp")));
        rows.push(row(if is_save { "save" } else { "overruled" }, what));
    }
    rows.extend(super::join::rows(document));
    for source in items(document, "sources") {
        let (id, priority) = (plain(source.child("id")), plain(source.child("priority")));
        let mut what = format!("{id} (priority {priority}): {}", plain(source.child("state")));
        what.push_str(&source_times(source));
        if let Some(error) = source.child("error").filter(|error| **error != Value::Null) {
            what.push_str(&format!(", {}", problem(error)));
        }
        rows.push(row("source", what));
    }
    rows.extend(document.child("settling").into_iter().flat_map(members::rows));
    if let Some(ahead) = document.child("stamps_ahead_ms").and_then(Value::as_u64) {
        let seconds = ahead as f64 / 1_000.0;
        let what = format!(
            "writes of this instance are stamped {seconds:.1} s ahead of its clock, and win over simultaneous ones"
        );
        rows.push(row("clock", what));
    }
    for conflict in items(document, "conflicts") {
        let is_in_force = |side: &Value| side.child("in_force").and_then(Value::as_bool) == Some(true);
        let is_decided = items(conflict, "sides").any(is_in_force);
        let sides = items(conflict, "sides").map(|side| {
            let value = side.child("value").map_or_else(|| "removed".to_owned(), canonical);
            let fate = match (is_in_force(side), is_decided) {
                (true, _) => "in force, written",
                (false, true) => "lost, written",
                (false, false) => "waits, written",
            };
            format!("{value} {fate} at {}", plain(side.child("timestamp")))
        });
        let what = format!("{}: {}", plain(conflict.child("path")), sides.collect::<Vec<_>>().join("; "));
        rows.push(row("conflict", what));
    }
    rows
}

/// Everything that the rows of documents say is wrong: health need not say it once more.
fn told_below(status: &Value) -> BTreeSet<String> {
    let mut told: BTreeSet<String> =
        items(status, "buses").filter_map(|bus| bus.child("last_error")).map(problem).collect();
    for document in items(status, "documents") {
        told.extend(items(document, "sources").filter_map(|source| source.child("error")).map(problem));
        told.extend(document.child("rejected").into_iter().map(|rejected| {
            let errors: Vec<String> = items(rejected, "errors").map(problem).collect();
            errors.join("; ")
        }));
        told.extend(items(document, "withheld").filter_map(|withheld| withheld.child("error")).map(problem));
    }
    told
}

/// How old what is in force of a source is, how long it has been broken, and when it is asked next.
fn source_times(source: &Value) -> String {
    let count = |name: &str| source.child(name).and_then(Value::as_u64);
    let seconds =
        |ms: u64| if ms < 10_000 { format!("{:.1} s", ms as f64 / 1_000.0) } else { format!("{} s", ms / 1_000) };
    let mut text = String::new();
    if let Some(ms) = count("stale_ms") {
        text.push_str(&format!(" for {}", seconds(ms)));
    }
    if let Some(ms) = count("age_ms") {
        let from =
            if source.child("served_from").and_then(Value::as_str) == Some("disk") { " from the disk" } else { "" };
        text.push_str(&format!(", {} old{from}", seconds(ms)));
    }
    if let Some(failures) = count("failures").filter(|failures| *failures > 1) {
        text.push_str(&format!(", {failures} failures"));
    }
    if let Some(ms) = count("next_poll_ms") {
        text.push_str(&format!(", asked again in {}", seconds(ms)));
    }
    if let Some(error) = source.child("keep_error") {
        text.push_str(&format!(", not kept: {}", problem(error)));
    }
    text
}

/// Where a peer is, who it is, and what it is doing.
fn peer_text(peer: &Value) -> String {
    let text = |key: &str| peer.child(key).and_then(Value::as_str);
    let address = text("address").or_else(|| text("url")).unwrap_or("?");
    let from = if text("direction") == Some("accepted") { "from " } else { "" };
    let mut what = format!("{from}{address}: {}", text("state").unwrap_or("?"));
    if let Some(link) = text("link") {
        what.push_str(&format!(", {}", link.replace('_', " ")));
    }
    if let Some(instance) = text("instance_id") {
        what.push_str(&format!(" ({instance})"));
    }
    if let Some(since) = text("connected_since") {
        what.push_str(&format!(" since {since}"));
    }
    what.push_str(&clock_text(peer));
    if let Some(error) = peer.child("last_error").filter(|error| **error != Value::Null) {
        what.push_str(&format!(", {}", problem(error)));
    }
    if let Some(wait) = peer.child("retry_in_ms").and_then(Value::as_u64) {
        what.push_str(&format!(", retries in {:.1} s", wait as f64 / 1_000.0));
    }
    what
}

/// What is wrong with a peer's clock; differences below a second are the network's.
fn clock_text(peer: &Value) -> String {
    let offset = peer.child("clock_offset_ms").and_then(Value::as_i64).filter(|offset| offset.unsigned_abs() >= 1_000);
    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1_000.0);
    let mut text = offset.map_or_else(String::new, |offset| {
        let side = if offset > 0 { "ahead" } else { "behind" };
        format!(", its clock is {} {side}", seconds(offset.unsigned_abs()))
    });
    if let Some(ahead) = peer.child("stamps_ahead_ms").and_then(Value::as_u64) {
        text.push_str(&format!(", writes came stamped {} ahead", seconds(ahead)));
    }
    text
}

/// An error in an answer: a text, or the JSON shape.
fn problem(value: &Value) -> String {
    let Some(error) = error_from_value(value) else { return plain(Some(value)) };
    let all = std::iter::once(&error).chain(error.related()).map(ToString::to_string);
    all.collect::<Vec<_>>().join("; ")
}

/// Labels and texts in two columns, the text broken at spaces where it is too long. A word that is too long for its
/// column, such as a hash, stays whole.
fn wrapped(rows: &[Vec<String>]) -> String {
    let label_width = rows.iter().filter_map(|row| row.first()).map(|label| label.chars().count()).max().unwrap_or(0);
    let room = WIDTH.saturating_sub(label_width + 2);
    let mut text = String::new();
    for row in rows {
        let (label, rest) = (row.first().map_or("", String::as_str), row.get(1..).unwrap_or_default().join("  "));
        let mut lines: Vec<String> = vec![String::new()];
        for word in rest.split(' ') {
            let Some(line) = lines.last_mut() else { continue };
            if line.is_empty() {
                line.push_str(word);
            } else if line.chars().count() + 1 + word.chars().count() <= room {
                line.push(' ');
                line.push_str(word);
            } else {
                // Set in further, so that one glance tells where an entry begins.
                lines.push(format!("  {word}"));
            }
        }
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            text.push_str(format!("{label:label_width$}  {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};

    #[test]
    fn status_shows_peers_sources_and_what_is_wrong_with_them_at_eighty_columns() {
        let status = parse(
            r#"{"instance_id":"0123456789abcdef0123456789abcdef","version":"0.1.0","uptime_seconds":3,"connected_clients":0,
            "health":{"status":"degraded","checks":[{"name":"store","status":"ok"},{"name":"peers","status":"degraded",
              "reasons":[{"code":"foreign_document","message":"a peer holds another document named `default`: both have been shared with others and are not merged"}]}]},
            "peers":[{"direction":"dialed","address":"ws://c/sync","url":"ws://c/sync","state":"connected","link":"in_step","clock_offset_ms":-75250,"stamps_ahead_ms":90000},
            {"direction":"accepted","address":"10.0.0.8:4711","state":"connected","link":"other_document","instance_id":"fedcba9876543210fedcba9876543210","connected_since":"2026-11-30T10:00:00.000Z",
             "problems":[{"code":"foreign_document","message":"a peer holds another document named `default`"}]},
            {"url":"ws://b/sync","state":"waiting","last_error":"connection refused","retry_in_ms":1500}],
            "documents":[{"name":"default","revision":2,"hash":"sha256:00","founded":false,"keys":4,"stamps_ahead_ms":90000,
            "sources":[{"id":"file:a.json","priority":30,"state":"stale","error":{"code":"syntax","message":"bad"}}]}]}"#,
            Format::Json,
        )
        .unwrap();
        let text = status_text("http://a", &status);
        for expected in [
            "health    degraded\n  peers   a peer holds another document named `default`: both have been shared\n",
            "peer      ws://c/sync: connected, in step, its clock is 75.2 s behind, writes\n            came stamped 90.0 s ahead\n",
            "peer      from 10.0.0.8:4711: connected, other document\n            (fedcba9876543210fedcba9876543210) since 2026-11-30T10:00:00.000Z\n",
            "          a peer holds another document named `default`\n",
            "peer      ws://b/sync: waiting, connection refused, retries in 1.5 s\n",
            "document  default (4 keys, not founded yet)\n",
            "source    file:a.json (priority 30): stale, bad\n",
            "clock     writes of this instance are stamped 90.0 s ahead of its clock, and win\n            over simultaneous ones\n",
        ] {
            assert!(text.contains(expected), "{expected}is missing in\n{text}");
        }
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= WIDTH, "{widest} columns:\n{text}");
    }
}
