//! Commands that need no instance: files in, data out.
use super::arguments::{Diff, Explain, Hash, Merge, Patch, Validate};
use super::compose::{expanded, is_sound, shown};
use super::edit_file;
use super::input::Inputs;
use super::output::{CORRECTABLE, DONE, Outcome, Stop, data, json, path_name, table, warn};
use super::schema;
use super::suggest::not_found;
use crate::canonical::{canonical, content_hash};
use crate::diff::{self, ChangeOp, apply_merge_patch, diff, merge_patch_between};
use crate::error::{Code, Error, Result};
use crate::format::{Format, print};
use crate::merge::{Candidate, CandidateState, Explanation, merge, priority};
use crate::native::source::environment;
use crate::path::Path;
use crate::schema::parse_bool;
use crate::secret::{masked_changes, masked_patch};
use crate::value::Value;

pub(super) fn run_merge(arguments: &Merge, as_json: bool) -> Outcome {
    let mut inputs = Inputs::new(arguments.reading.input_format);
    let composed = arguments.composing.compose(&mut inputs, &arguments.files, as_json)?;
    if !is_sound(&composed, as_json) {
        return Ok(CORRECTABLE);
    }
    match (arguments.explain, as_json) {
        (false, _) => {
            let shown = shown(&composed.value, &composed.policy, arguments.show_secrets, as_json);
            data(&print(&shown, arguments.format.format())?)?
        }
        (true, true) => json(&composed.explain_all().iter().map(Explanation::to_value).collect::<Vec<_>>().into())?,
        (true, false) => data(&accounts_table(&composed.explain_all()))?,
    }
    Ok(DONE)
}

/// One row for each account: path, value, places.
pub(super) fn accounts_table(accounts: &[Explanation]) -> String {
    let mut rows = vec![["PATH", "VALUE", "SOURCE"].map(str::to_owned).to_vec()];
    rows.extend(accounts.iter().map(|found| {
        let value = found.value.as_ref().map(canonical).unwrap_or_default();
        vec![path_name(&found.path), value, places(found)]
    }));
    table(&rows)
}

/// Where a value stands: the place in each layer that it is made of.
fn places(found: &Explanation) -> String {
    let candidates: Vec<&Candidate> = found.winner.iter().chain(&found.others).collect();
    let places = found.sources.iter().filter_map(|source| {
        let used = |candidate: &&&Candidate| {
            candidate.source == *source && matches!(candidate.state, CandidateState::Wins | CandidateState::Contributes)
        };
        candidates.iter().find(used).map(|candidate| candidate.origin.to_string())
    });
    places.collect::<Vec<_>>().join(" + ")
}

pub(super) fn run_hash(arguments: &Hash, as_json: bool) -> Outcome {
    let value = Inputs::new(arguments.reading.input_format).read(&arguments.file)?.told(as_json)?;
    if arguments.canonical {
        data(&canonical(&value))?;
    } else if as_json {
        json(&content_hash(&value).to_string().into())?;
    } else {
        data(&format!("{}\n", content_hash(&value)))?;
    }
    Ok(DONE)
}

pub(super) fn run_diff(arguments: &Diff, as_json: bool) -> Outcome {
    let mut inputs = Inputs::new(arguments.reading.input_format);
    let old = inputs.read(&arguments.old)?.told(as_json)?;
    let new = inputs.read(arguments.new.as_deref().unwrap_or_default())?.told(as_json)?;
    let policy = arguments.secrecy.policy()?;
    if arguments.merge_patch {
        json(&policy.masked(&Path::root(), &merge_patch_between(&old, &new)?))?;
    } else if as_json {
        json(&masked_patch(&policy, &diff::Patch::between(&old, &new)).to_value())?;
    } else {
        let rows: Vec<Vec<String>> = masked_changes(&policy, &diff(&old, &new))
            .into_iter()
            .map(|change| {
                let side = |value: &Option<Value>| value.as_ref().map(canonical).unwrap_or_default();
                let what = match change.op() {
                    ChangeOp::Added => side(&change.new),
                    ChangeOp::Removed => side(&change.old),
                    ChangeOp::Changed => format!("{} -> {}", side(&change.old), side(&change.new)),
                };
                vec![change.op().to_string(), format!("{}: {what}", path_name(&change.path))]
            })
            .collect();
        data(&table(&rows))?;
    }
    Ok(if arguments.exit_code && old != new { 1 } else { DONE })
}

pub(super) fn run_patch(arguments: &Patch, as_json: bool) -> Outcome {
    let mut inputs = Inputs::new(arguments.reading.input_format);
    if arguments.in_place && arguments.document == "-" {
        edit_file::read("-")?;
    }
    let _turn = arguments.in_place.then(|| edit_file::Turn::take(&arguments.document));
    let input = match arguments.in_place {
        true => inputs.read_regular(&arguments.document)?,
        false => inputs.read(&arguments.document)?,
    };
    let document = input.told(as_json)?;
    let patch = inputs.read(&arguments.patch)?;
    let change = patch.told(as_json)?;
    let policy = arguments.secrecy.policy()?;
    if arguments.merge_patch {
        if arguments.in_place {
            return edit_file::finish(&input, &apply_merge_patch(&document, &change), as_json);
        }
        json(&policy.masked(&Path::root(), &apply_merge_patch(&document, &change)))?;
        return Ok(DONE);
    }
    let applied = diff::Patch::from_value(&change).and_then(|patch| patch.apply(&document));
    let applied = applied.map_err(|error| {
        // The path of the error is one of the document, or of the patch: the message tells which.
        let origin = crate::origin::Origin::source(&patch.source);
        let is_merge_patch = error.code() == Code::PatchSyntax && change.as_map().is_some();
        let error = error.with_origin(origin);
        if is_merge_patch { error.with_hint("add `--merge-patch` if this is a merge patch") } else { error }
    })?;
    if arguments.in_place {
        return edit_file::finish(&input, &applied, as_json);
    }
    json(&policy.masked(&Path::root(), &applied))?;
    Ok(DONE)
}

pub(super) fn run_validate(arguments: &Validate, as_json: bool) -> Outcome {
    let mut inputs = Inputs::new(arguments.reading.input_format);
    if arguments.composing.checks() {
        let composed = arguments.composing.compose(&mut inputs, &arguments.files, as_json)?;
        composed.warnings.iter().for_each(|warning| warn(warning, as_json));
        return schema::tell(&composed.errors, &arguments.files, as_json);
    }
    let mut layers = Vec::new();
    let mut reports = Vec::new();
    let mut status = DONE;
    let mut files = Vec::new();
    for file in &arguments.files {
        files.extend(expanded(file)?);
    }
    for file in &files {
        let layer =
            inputs.read_if_there(file).and_then(|input| input.map(|input| input.layer(priority::FILE)).transpose());
        let problem = match layer {
            Ok(None) => continue,
            Ok(Some(layer)) => {
                // The later one wins.
                layers.insert(0, layer);
                None
            }
            Err(Stop::Error(error, code)) => {
                status = status.max(code.max(CORRECTABLE));
                Some(error)
            }
            Err(gone) => return Err(gone),
        };
        reports.push((&file.path, problem));
    }
    let policy = arguments.composing.policy()?;
    layers.extend(environment::layers(arguments.composing.env.as_deref(), None, &policy)?.0);
    let merged = merge(&layers, &policy);
    merged.warnings.iter().for_each(|warning| warn(warning, as_json));
    if as_json {
        let reports = reports.iter().map(|(file, problem)| -> Value {
            let problems: Vec<Value> = problem.iter().map(Error::to_value).collect();
            let fields: [(&str, Value); 3] =
                [("file", file.as_str().into()), ("ok", problem.is_none().into()), ("problems", problems.into())];
            fields.into_iter().collect()
        });
        json(&reports.collect::<Vec<_>>().into())?;
        return Ok(status);
    }
    for (file, problem) in reports {
        let Some(error) = problem else {
            data(&format!("{file}: ok\n"))?;
            continue;
        };
        // Messages that name the file already are not led in by it once more.
        let origin = if error.origin().is_some() { String::new() } else { format!("{file}: ") };
        let hint = error.hint().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        data(&format!("{origin}{error}\n{hint}"))?;
    }
    Ok(status)
}

/// Explains a path of files.
pub(super) fn run_explain(arguments: &Explain, as_json: bool) -> Outcome {
    let path = Path::parse(&arguments.path)?;
    let mut inputs = Inputs::new(arguments.reading.input_format);
    let composed = arguments.composing.compose(&mut inputs, &arguments.files, as_json)?;
    if !is_sound(&composed, as_json) {
        return Ok(CORRECTABLE);
    }
    if path.is_root() {
        // Of the whole document the account is that of its parts.
        let accounts = composed.explain_all();
        if as_json {
            let list: Vec<Value> = accounts.iter().map(Explanation::to_value).collect();
            json(&[("paths", Value::from(list))].into_iter().collect())?;
        } else {
            data(&accounts_table(&accounts))?;
        }
        return Ok(DONE);
    }
    let found = composed.explain(&path).ok_or_else(|| not_found(&path, &composed.value))?;
    if as_json {
        json(&found.to_value())?
    } else {
        data(&found.to_string())?
    }
    Ok(DONE)
}

/// What an argument says that stands for no value of the document.
pub(super) fn argument_value(text: &str) -> Result<(Value, Option<Error>)> {
    typed_value(text, false, false, None)
}

/// The value that an argument stands for: of the kind that stands there, if that is a text, a number or a bool and the argument
/// can be one; else JSON, or the text that it is, also where JSON would spell it in another way, as `1.10`, `1e5` or `007`.
/// What is not plain from the argument comes with a warning: another kind of value, a number that is spelled anew, and text
/// that begins like JSON but is none, because a forgotten quote is likelier than such a text.
pub(super) fn typed_value(
    text: &str,
    is_text: bool,
    is_json: bool,
    current: Option<&Value>,
) -> Result<(Value, Option<Error>)> {
    if is_text {
        return Ok((text.into(), None));
    }
    let parsed = crate::format::parse(text, Format::Json);
    if is_json {
        return parsed.map(|value| (value, None));
    }
    let told = |message: String, hint: &str| Some(Error::new(Code::Ambiguous, message).with_hint(hint));
    let value = match (parsed, current) {
        (Ok(Value::Number(number)), Some(Value::Number(_))) if number.to_string() != text => {
            let message = format!("`{text}` is taken as the number {number}, as a number stands there");
            return Ok((number.into(), told(message, "add `--string` to keep it as it is spelled")));
        }
        (Ok(Value::Number(_)), Some(Value::String(_))) => text.into(),
        (Ok(Value::Number(number)), _) if number.to_string() != text => {
            let message = format!("`{text}` is taken as a text, as the number would be spelled {number}");
            return Ok((text.into(), told(message, "add `--as-json` for the number, or `--string` for the text")));
        }
        (Ok(Value::Bool(_)), Some(Value::String(_))) => {
            let message = format!("`{text}` is taken as a text, as a text stands there");
            return Ok((text.into(), told(message, "add `--as-json` for the bool")));
        }
        (Ok(value), _) => value,
        (Err(error), _) if error.code() != Code::Syntax => return Err(error),
        (Err(_), Some(Value::Bool(_))) if parse_bool(text).is_some() => {
            let value = Value::from(parse_bool(text).unwrap_or_default());
            let message = format!("`{text}` is taken as `{}`, as a bool stands there", canonical(&value));
            return Ok((value, told(message, "add `--string` for the text")));
        }
        (Err(error), _) if text.trim_start().starts_with(['{', '[', '"']) => {
            let message = format!("the value is no JSON and was taken as a text: {}", error.message());
            let warning = Error::new(Code::Syntax, message).with_hint("add `--string` if this is what you mean");
            return Ok((text.into(), Some(warning)));
        }
        (Err(_), _) => text.into(),
    };
    let other = current.filter(|current| !matches!((*current, &value), (Value::Null, _) | (_, Value::Null)));
    let other = other.filter(|current| current.type_name() != value.type_name());
    let warning = other.and_then(|current| {
        let message =
            format!("the value was of the type {} and is of the type {} now", current.type_name(), value.type_name());
        told(message, "`--string` and `--as-json` say which is meant")
    });
    Ok((value, warning))
}
