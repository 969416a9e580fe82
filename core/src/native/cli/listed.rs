//! Commands that are made of the list of operations: where a row names a word that no file here writes out.
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};

use super::arguments::Instance;
use super::client::{Client, encode};
use super::online::plain;
use super::output::{CORRECTABLE, DONE, Outcome, data, json};
use crate::api::{Field, OPERATIONS, Operation, Place, Type};
use crate::error::{Code, Error};
use crate::value::{Str, Value};

/// The rows that make a command, with its word.
fn rows() -> impl Iterator<Item = (&'static str, &'static Operation)> {
    OPERATIONS.iter().filter(|row| row.begin.is_some()).filter_map(|row| match row.doors.command.names() {
        [word] => Some((*word, *row)),
        _ => None,
    })
}

/// The commands that are written out, and those that are made.
pub(super) fn with_rows(command: clap::Command) -> clap::Command {
    rows().fold(command, |command, (word, row)| {
        if command.find_subcommand(word).is_some() { command } else { command.subcommand(made(word, row)) }
    })
}

/// The row of a command that is made.
pub(super) fn row_of(command: &clap::Command, word: &str) -> Option<&'static Operation> {
    if command.find_subcommand(word).is_some() {
        return None;
    }
    rows().find(|(known, _)| *known == word).map(|(_, row)| row)
}

fn made(word: &'static str, row: &'static Operation) -> clap::Command {
    let needed: String =
        row.request.iter().filter(|field| field.required).map(|field| format!(" {}", caps(field))).collect();
    let more = if row.more.is_empty() { String::new() } else { format!("{}\n\n", row.more) };
    // What says whom to ask has a sentence of its own.
    let command = Instance::augment_args(clap::Command::new(word))
        .about(row.about.trim_end_matches('.').to_owned())
        .after_help(format!("{more}Example:\n  confmesh {word}{needed}"));
    row.request.iter().fold(command, |command, field| {
        let argument = Arg::new(field.name).help(field.about);
        command.arg(match (field.required, field.kind) {
            (true, _) => argument.required(true),
            (false, Type::Flag) => argument.long(field.name).action(ArgAction::SetTrue),
            (false, _) => argument.long(field.name),
        })
    })
}

fn caps(field: &Field) -> String {
    field.name.to_ascii_uppercase()
}

/// Asks the instance for what the row says, and prints the reply.
pub(super) fn run(row: &'static Operation, matches: &ArgMatches, as_json: bool) -> Outcome {
    let instance = Instance::from_arg_matches(matches)
        .map_err(|error| Error::new(Code::Usage, error.to_string().lines().next().unwrap_or_default()))?;
    let (method, target, body) = request(row, matches)?;
    let reply = Client::new(&instance)?.call(method, &target, body.as_ref())?;
    let has_failed = reply.child("failed").and_then(Value::as_list).is_some_and(|failed| !failed.is_empty());
    let status = if has_failed { CORRECTABLE } else { DONE };
    if as_json {
        json(&reply)?;
        return Ok(status);
    }
    let mut text = String::new();
    for (name, value) in reply.as_map().into_iter().flat_map(|map| map.iter()) {
        match value.as_list() {
            Some(items) if items.is_empty() => text.push_str(&format!("{name}: none\n")),
            Some(items) => {
                text.push_str(&format!("{name}:\n"));
                items.iter().for_each(|item| text.push_str(&format!("  {}\n", line(item))));
            }
            None => text.push_str(&format!("{name}: {}\n", plain(Some(value)))),
        }
    }
    data(&text)?;
    Ok(status)
}

/// An item of a list; of what failed, why and what to do.
fn line(item: &Value) -> String {
    let Some(error) = item.child("error") else { return plain(Some(item)) };
    let said = |name: &str| error.child(name).map(|text| plain(Some(text)));
    let hint = said("hint").map(|hint| format!("\n    hint: {hint}")).unwrap_or_default();
    format!("{}: {}{hint}", plain(item.child("source")), said("message").unwrap_or_default())
}

/// Method, target and body of the request, as the row has its fields.
fn request(row: &'static Operation, matches: &ArgMatches) -> crate::Result<(&'static str, String, Option<Value>)> {
    let route = row.routes().next();
    let (method, route) = route.ok_or_else(|| Error::new(Code::Internal, format!("`{}` has no route", row.name)))?;
    let mut target = route.replace("{name}", "default");
    let mut query = String::new();
    let mut body: Vec<(Str, Value)> = Vec::new();
    for field in row.request {
        let given = match field.kind {
            Type::Flag if !field.required => matches.get_flag(field.name).then(|| "true".to_owned()),
            _ => matches.get_one::<String>(field.name).cloned(),
        };
        let Some(given) = given else { continue };
        let mut encoded = String::new();
        encode(&given, &mut encoded);
        match field.place {
            Place::Url => target = target.replace(&format!("{{{}}}", field.name), &encoded),
            Place::Query => {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.push_str(&format!("{}={encoded}", field.name));
            }
            _ => body.push((field.name.into(), valued(field, &given))),
        }
    }
    let takes_body = row.request.iter().any(|field| field.place == Place::Body);
    Ok((method, target + &query, takes_body.then(|| Value::Map(body.into_iter().collect()))))
}

/// JSON where the field is none of text, or else the text.
fn valued(field: &Field, given: &str) -> Value {
    match field.kind {
        Type::Text | Type::Id | Type::Path | Type::Pattern | Type::OneOf(_) => given.into(),
        _ => crate::format::parse(given, crate::format::Format::Json).unwrap_or_else(|_| given.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::canonical::canonical;
    use crate::native::cli::arguments::Arguments;

    #[test]
    fn every_command_that_is_made_is_sound_and_teaches_with_an_example() {
        let command = with_rows(Arguments::command());
        command.clone().debug_assert();
        for word in command.get_subcommands().filter(|made| row_of(&Arguments::command(), made.get_name()).is_some()) {
            let help = word.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("confmesh {}", word.get_name())), "{help}");
        }
    }

    #[test]
    fn a_row_becomes_a_request() {
        let row = crate::api::find("resolve").unwrap();
        let matches = made("resolve", row).try_get_matches_from(["resolve", "a/b", "--take", "1", "--force"]).unwrap();
        let (method, target, body) = request(row, &matches).unwrap();
        assert_eq!((method, &*target), ("POST", "/conflicts/a%2Fb/resolve?force=true"));
        assert_eq!(body.map(|body| canonical(&body)), Some("{\"take\":1}".to_owned()));
    }
}
