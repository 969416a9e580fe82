//! Settings of `confmesh serve` from everywhere: an option beats a variable, which beats the file, which beats the preset.
//!
//! They are composed as every configuration is, and come to the command as the options that they stand for: so a value means
//! the same wherever it stands.
mod table;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use self::table::{Setting, preset, schema, settings};
use super::input::Inputs;
use super::output::{DONE, Outcome, Stop, data, json, warn};
use crate::canonical::canonical;
use crate::error::{Code, Error};
use crate::merge::{Composed, Composition, Layer, priority};
use crate::native::source::environment;
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::{MASK, Policy};
use crate::schema::nearest;
use crate::value::Value;

/// The commands that have settings.
const COMMANDS: [&str; 2] = ["serve", "config"];
/// A preset counts less than a file.
const PRESET_PRIORITY: i32 = priority::FILE + 1_000;
/// Variables of confmesh that are no settings.
const OTHERS: [&str; 8] = [
    "CONFMESH_CONFIG",
    "CONFMESH_URL",
    "CONFMESH_TOKEN",
    "CONFMESH_LOG",
    "CONFMESH_WEBHOOK_SECRET",
    "CONFMESH_FENCE",
    "CONFMESH_LOCK",
    "CONFMESH_SEAL_KEY_FILE",
];

/// What is set beside the options that were given.
pub(super) struct Settings {
    composed: Option<Composed>,
    /// The settings that count, with the arguments that say the same.
    said: Vec<(Setting, Vec<String>)>,
}

impl Settings {
    /// What else is set for a command line; nothing for commands without settings.
    pub fn of(command: &clap::Command, arguments: &[OsString]) -> Result<Settings, Stop> {
        let mut found = Settings { composed: None, said: Vec::new() };
        if !arguments.iter().any(|word| COMMANDS.iter().any(|name| word == name)) {
            return Ok(found);
        }
        // What is wrong with the options is told once everything is there.
        let Ok(matches) = command.clone().ignore_errors(true).try_get_matches_from(arguments) else {
            return Ok(found);
        };
        let Some((name, matches)) = matches.subcommand().filter(|(name, _)| COMMANDS.contains(name)) else {
            return Ok(found);
        };
        let Some(command) = command.find_subcommand(name) else { return Ok(found) };
        let of = |name: &str| matches.try_get_one::<String>(name).ok().flatten().map(String::as_str);
        let composed = compose(of("config"), of("preset"))?;
        let listens =
            given(command, matches, "listen").is_some() || composed.value.at(&Path::parse("server.listen")?).is_some();
        for setting in settings().filter(|setting| given(command, matches, setting.option).is_none()) {
            let place = setting.place()?;
            let Some(value) = composed.value.at(&place) else { continue };
            if setting.option == "no-listen" && is_of_preset(&composed, setting) && listens {
                // Who says where to listen wants to.
                continue;
            }
            let said = setting.arguments(value).map_err(|error| {
                composed.origin(&place).into_iter().fold(error.with_path(place.clone()), Error::with_origin)
            })?;
            found.said.push((setting, said));
        }
        found.composed = Some(composed);
        Ok(found)
    }

    /// What the command line would be that says all of it.
    pub fn arguments(&self, given: &[OsString]) -> Vec<OsString> {
        let more = self.said.iter().flat_map(|(_, said)| said).map(OsString::from);
        given.iter().cloned().chain(more).collect()
    }

    /// The error for an argument that came from a setting, with its place; none where it was given.
    pub fn blamed(&self, error: &clap::Error) -> Option<Error> {
        let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
        let option = argument.trim_start_matches("--").split([' ', '=', '[']).next()?;
        let (setting, _) = self.said.iter().find(|(setting, said)| setting.option == option && !said.is_empty())?;
        let text = error.render().to_string();
        let text: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.starts_with("For more")).collect();
        let message = text.first()?.trim_start_matches("error: ").to_owned();
        let place = setting.place().ok()?;
        let error = Error::new(Code::Usage, message).with_path(place);
        Some(self.origin(*setting).into_iter().fold(error, Error::with_origin))
    }

    fn origin(&self, setting: Setting) -> Option<Origin> {
        self.composed.as_ref()?.origin(&setting.place().ok()?)
    }
}

/// Puts together what preset, file and variables say.
fn compose(file: Option<&str>, given_preset: Option<&str>) -> Result<Composed, Stop> {
    let schema = schema()?;
    let mut layers = Vec::new();
    if let Some(file) = file {
        layers.push(Inputs::default().read(file)?.layer(priority::FILE)?);
    }
    let (variables, warnings) = environment::layers(None, Some(&schema), &Policy::default())?;
    warnings.iter().for_each(|warning| warn(warning, false));
    layers.extend(variables);
    tell_strangers(&schema);
    let composition = Composition::new(Policy::default()).with_schema(schema);
    let first = composition.compose(&layers);
    if let Some(error) = Error::all(first.errors.iter().cloned()) {
        return Err(error.into());
    }
    let named = first.value.child("preset").and_then(Value::as_str);
    let composed = match given_preset.or(named) {
        None => first,
        Some(name) => {
            layers.push(Layer::new(format!("preset {name}"), PRESET_PRIORITY, preset(name)?));
            composition.compose(&layers)
        }
    };
    composed.warnings.iter().for_each(|warning| warn(warning, false));
    match Error::all(composed.errors.iter().cloned()) {
        Some(error) => Err(error.into()),
        None => Ok(composed),
    }
}

/// A word on variables that are nearly a setting: what they say counts nowhere.
fn tell_strangers(schema: &crate::schema::Schema) {
    let known: Vec<String> = schema.named_variables().into_iter().map(|(_, name)| name.to_string()).collect();
    let others = || OTHERS.into_iter().chain(known.iter().map(String::as_str));
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("CONFMESH_")) else { continue };
        if others().any(|other| other == name) {
            continue;
        }
        let word = |name: &'_ str| name.trim_start_matches("CONFMESH_").to_owned();
        let words: Vec<String> = others().map(word).collect();
        if let Some(near) = nearest(&word(name), words.iter().map(String::as_str)) {
            let error =
                Error::new(Code::UnknownVariable, format!("the variable `{name}` is no setting, and counts nowhere"));
            warn(&error.with_hint(format!("did you mean `CONFMESH_{near}`?")), false);
        }
    }
}

fn is_of_preset(composed: &Composed, setting: Setting) -> bool {
    let origin = setting.place().ok().and_then(|place| composed.origin(&place));
    origin.is_some_and(|origin| origin.source.starts_with("preset "))
}

/// The argument of an option, as the command names it.
fn argument<'a>(command: &'a clap::Command, option: &str) -> Option<&'a clap::Arg> {
    command.get_arguments().find(|argument| argument.get_long() == Some(option))
}

fn is_repeatable(command: &clap::Command, option: &str) -> bool {
    argument(command, option).is_some_and(|argument| matches!(argument.get_action(), clap::ArgAction::Append))
}

/// What was given as an option on the command line.
fn given(command: &clap::Command, matches: &ArgMatches, option: &str) -> Option<Vec<String>> {
    let id = argument(command, option)?.get_id().as_str();
    (matches.value_source(id) == Some(ValueSource::CommandLine)).then(|| {
        let raw = matches.get_raw(id).into_iter().flatten();
        raw.map(|value| value.to_string_lossy().into_owned()).collect()
    })
}

/// What each setting is, and why: `confmesh config`.
pub(super) fn run_config(found: &Settings, arguments: &[OsString], as_json: bool) -> Outcome {
    let command = super::arguments::Arguments::command();
    let Ok(matches) = command.clone().try_get_matches_from(arguments) else { return Ok(DONE) };
    let (Some((_, matches)), Some(serve)) = (matches.subcommand(), command.find_subcommand("config")) else {
        return Ok(DONE);
    };
    let schema = schema()?;
    let variables = schema.named_variables();
    let mut rows = Vec::new();
    for setting in settings() {
        let place = setting.place()?;
        let value = found.composed.as_ref().and_then(|composed| composed.value.at(&place)).cloned();
        let default =
            argument(serve, setting.option).and_then(|argument| argument.get_default_values().first().cloned());
        let default = default.map_or(Value::Null, |text| {
            let text = text.to_string_lossy();
            text.parse::<u64>().map_or_else(|_| text.as_ref().into(), Value::from)
        });
        let (value, from) = match (given(serve, matches, setting.option), value) {
            (Some(texts), _) if !is_repeatable(serve, setting.option) => {
                (texts.into_iter().next().map_or(Value::from(true), Value::from), format!("--{}", setting.option))
            }
            (Some(texts), _) => {
                (texts.into_iter().map(Value::from).collect::<Vec<Value>>().into(), format!("--{}", setting.option))
            }
            (None, Some(value)) => (value, found.origin(setting).map(|origin| origin.to_string()).unwrap_or_default()),
            (None, None) => (default, "default".to_owned()),
        };
        let is_masked = value != Value::Null && schema.is_secret(&place);
        let value = if is_masked { MASK.into() } else { value };
        let variable = variables.iter().find(|(path, _)| *path == place).map(|(_, name)| name.clone());
        rows.push((setting, value, from, variable));
    }
    if as_json {
        let row = |(setting, value, from, variable): (Setting, Value, String, Option<crate::value::Str>)| {
            let fields = [("value", value), ("from", from.into()), ("option", format!("--{}", setting.option).into())];
            let variable = variable.map(|name| ("variable", name.into()));
            (setting.path, fields.into_iter().chain(variable).collect::<Value>())
        };
        json(&rows.into_iter().map(row).collect())?;
        return Ok(DONE);
    }
    let shown: Vec<(String, String)> = rows
        .into_iter()
        .map(|(setting, value, from, _)| {
            let value = if value == Value::Null { "-".to_owned() } else { canonical(&value) };
            (format!("{} = {value}", setting.path), from)
        })
        .collect();
    let width = shown.iter().map(|(text, _)| text.chars().count()).filter(|width| *width < 60).max().unwrap_or(0);
    let line = |(text, from): (String, String)| format!("{text:width$}  {from}\n");
    data(&shown.into_iter().map(line).collect::<String>())?;
    Ok(DONE)
}
