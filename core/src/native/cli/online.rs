//! Commands that talk to a running instance.
use super::arguments::{Explain, Get, Set, Unset};
use super::client::Client;
use super::compose::note_masks;
use super::offline::{accounts_table, typed_value};
use super::output::{DONE, NOT_IN_FORCE, Outcome, Stop, data, json, origin_from_value, warn};
use super::suggest::not_found;
use crate::clock::parse_rfc3339;
use crate::error::{Code, Error};
use crate::format::LeftOut;
use crate::merge::{Absence, Candidate, CandidateState, Explanation, Withheld};
use crate::path::Path;
use crate::policy::MergeStrategy;
use crate::value::{Str, Value};

pub(super) fn run_get(arguments: &Get, as_json: bool) -> Outcome {
    let path = Path::parse(&arguments.path)?;
    let client = Client::new(&arguments.instance)?;
    if arguments.version {
        data(&format!("{}\n", client.version(&path.to_string())?))?;
        return Ok(DONE);
    }
    let found = if arguments.show_secrets { client.value(&path.to_string()) } else { client.shown(&path.to_string()) };
    let value = match found? {
        Some(value) => value,
        None => return Err(missing(&client, &path)?.into()),
    };
    if value.as_str().is_none() && !arguments.show_secrets {
        note_masks(&value, as_json);
    }
    match value.as_str() {
        Some(text) if !as_json => data(&format!("{text}\n"))?,
        _ => json(&value)?,
    }
    Ok(DONE)
}

/// The error for a path that the document does not hold.
fn missing(client: &Client, path: &Path) -> Result<Error, Stop> {
    Ok(not_found(path, &client.value("")?.unwrap_or_default()))
}

pub(super) fn run_set(arguments: &Set, as_json: bool) -> Outcome {
    let path = key_path(&arguments.path)?;
    let client = Client::new(&arguments.instance)?;
    // A text stays a text. Who may write and not read gets what the argument says alone.
    let current = client.value(&path.to_string()).ok().flatten();
    let (value, warning) = typed_value(&arguments.value, arguments.string, arguments.as_json, current.as_ref())?;
    if let Some(warning) = warning {
        warn(&warning, as_json);
    }
    let receipt = client.set(&path.to_string(), &value, &arguments.terms)?;
    written(&path, &receipt, "set", as_json)
}

/// The path of a key. An empty one is the whole document, and in a script more often a variable that is not set.
fn key_path(text: &str) -> Result<Path, Error> {
    let path = Path::parse(text)?;
    if path.is_root() {
        let hint =
            "name a key; to replace the whole document send it with PUT to /config/default, or edit a bound file";
        return Err(Error::new(Code::Usage, "the path is empty").with_hint(hint));
    }
    Ok(path)
}

pub(super) fn run_unset(arguments: &Unset, as_json: bool) -> Outcome {
    let path = key_path(&arguments.path)?;
    let client = Client::new(&arguments.instance)?;
    match client.unset(&path.to_string(), &arguments.terms) {
        Ok(receipt) => written(&path, &receipt, "removed", as_json),
        Err(Stop::Error(error, _)) if error.code() == Code::NotFound => Err(missing(&client, &path)?.into()),
        Err(stop) => Err(stop),
    }
}

/// Tells what a write did not achieve; the receipt itself is data.
pub(super) fn written(path: &Path, receipt: &Value, what: &str, as_json: bool) -> Outcome {
    if let Some(above) = receipt.child("shadowed_by").and_then(Value::as_str) {
        let message =
            format!("`{path}` is {what}, but `{above}` counts more on this instance and still decides it here");
        let hint = format!("see `confmesh explain {path}`");
        warn(&Error::new(Code::Usage, message).with_hint(hint), as_json);
    }
    if as_json {
        json(receipt)?;
    }
    let withheld: Vec<Withheld> = items(receipt, "withheld").filter_map(Withheld::from_value).collect();
    for withheld in &withheld {
        let message = format!("`{path}` is {what} for all instances, and is not in force on this one: {withheld}");
        let hint = withheld.error.hint().map(str::to_owned).unwrap_or_else(|| format!("see `confmesh explain {path}`"));
        warn(&Error::new(withheld.error.code(), message).with_hint(hint), as_json);
    }
    for part in items(receipt, "left_out").filter_map(LeftOut::from_value) {
        let message = format!("`{}` is {what}, and stays out of the bound file there: {}", part.path, part.reason);
        warn(&Error::new(Code::Unrepresentable, message).with_hint("see `confmesh status`"), as_json);
    }
    Ok(if withheld.is_empty() { DONE } else { NOT_IN_FORCE })
}

pub(super) fn run_explain(arguments: &Explain, as_json: bool) -> Outcome {
    let path = Path::parse(&arguments.path)?;
    if !arguments.composing.is_empty() {
        return Err(Error::new(Code::Usage, "the options say how files become a document, and no file is named")
            .with_hint("name files behind the path; a running instance has the options it was started with; see `confmesh explain --help`")
            .into());
    }
    let client = Client::new(&arguments.instance)?;
    let found = match client.explain(&path.to_string())? {
        Some(found) => found,
        None => return Err(missing(&client, &path)?.into()),
    };
    if as_json {
        json(&found)?;
        return Ok(DONE);
    }
    match explanation(&found) {
        Some(explanation) => data(&format!("{explanation}{}", written_text(&found)))?,
        // The account of the whole document is that of its parts.
        None => data(&accounts_table(&items(&found, "paths").filter_map(explanation).collect::<Vec<_>>()))?,
    }
    Ok(DONE)
}

/// Who wrote what the instances share of it, a line a write.
fn written_text(found: &Value) -> String {
    items(found, "written").map(|write| format!("{}\n", write_text(write))).collect()
}

pub(super) fn write_text(write: &Value) -> String {
    let user = write.child("user").and_then(Value::as_str).map(|user| format!(" by {user}")).unwrap_or_default();
    let instance = write.child("instance_id").and_then(Value::as_str);
    let place = instance.map(|instance| format!(" at instance {instance}")).unwrap_or_default();
    format!("written {}{user}{place}", plain(write.child("timestamp")))
}

/// Reads what [`Explanation::to_value`] makes; none where it is something else.
fn explanation(value: &Value) -> Option<Explanation> {
    let text = |key: &str| value.child(key).and_then(Value::as_str);
    let list = |key: &str| value.child(key).and_then(Value::as_list).into_iter().flatten();
    let absence = value.child("absence").and_then(|absence| {
        Some(Absence {
            origin: origin_from_value(absence.child("origin")?)?,
            path: Path::parse(absence.child("path")?.as_str()?).ok()?,
            unset: absence.child("unset")?.as_bool()?,
        })
    });
    Some(Explanation {
        path: Path::parse(text("path")?).ok()?,
        value: value.child("value").cloned(),
        rule: text("rule")?.parse::<MergeStrategy>().ok()?,
        pattern: text("pattern").map(str::to_owned),
        sources: list("sources").filter_map(Value::as_str).map(Str::from).collect(),
        winner: value.child("winner").and_then(candidate),
        others: list("others").filter_map(candidate).collect(),
        absence,
        withheld: value.child("withheld").and_then(Withheld::from_value),
    })
}

fn candidate(value: &Value) -> Option<Candidate> {
    use CandidateState::{Contributes, Overridden, Removed, Wins};
    let state = value.child("state").and_then(Value::as_str)?;
    Some(Candidate {
        source: value.child("source")?.as_str()?.into(),
        priority: i32::try_from(value.child("priority")?.as_i64()?).ok()?,
        value: value.child("value")?.clone(),
        origin: origin_from_value(value.child("origin")?)?,
        state: [Wins, Contributes, Overridden, Removed].into_iter().find(|known| known.as_str() == state)?,
        loaded_ms: value.child("loaded").and_then(Value::as_str).and_then(parse_rfc3339),
    })
}

pub(super) fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.child(key).and_then(Value::as_list).into_iter().flatten()
}

/// A string as it is, anything else as JSON.
pub(super) fn plain(value: Option<&Value>) -> String {
    match value {
        None => "?".to_owned(),
        Some(Value::String(text)) => text.to_string(),
        Some(other) => crate::canonical::canonical(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::merge::{Layer, merge};
    use crate::policy::Policy;

    #[test]
    fn an_explanation_that_travelled_prints_as_the_one_that_did_not() {
        let file = Layer::from_text("file:a.json", 30, r#"{"a":{"b":1,"c":[1]}}"#, Format::Json).unwrap();
        let env = Layer::from_env("X", [("X_A__B".to_owned(), "2".to_owned())]).unwrap();
        let above = Layer::new("runtime", 0, Value::empty_map()).with_unset(Path::parse("a.c").unwrap());
        let merged = merge(&[file, env, above], &Policy::default());
        for path in ["a.b", "a.c", "a"] {
            let found = merged.explain(&Path::parse(path).unwrap()).unwrap();
            assert_eq!(explanation(&found.to_value()), Some(found), "{path}");
        }
        assert_eq!(explanation(&Value::empty_map()), None);
    }
}
