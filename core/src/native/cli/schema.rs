//! Schemas on the command line: their reference, a file to start from, and documents held to them.
use std::io::{ErrorKind, Write};
use std::path::Path as FilePath;

use super::arguments::{Init, SchemaReference};
use super::input::Inputs;
use super::output::{CORRECTABLE, DONE, Outcome, Stop, data, json, warn};
use crate::error::{Code, Error};
use crate::format::locate;
use crate::native::io_error;
use crate::origin::Origin;
use crate::path::Path;
use crate::schema::{ReferenceOptions, ReferenceStyle, Schema};
use crate::value::Value;

pub(super) fn run_schema(arguments: &SchemaReference, as_json: bool) -> Outcome {
    let schema = read_with(&mut Inputs::new(arguments.reading.input_format), &arguments.schema, as_json)?;
    let otherwise = if as_json { ReferenceStyle::Json } else { ReferenceStyle::Human };
    let text = schema.reference(&ReferenceOptions {
        style: arguments.format.unwrap_or(otherwise),
        category: arguments.category.clone(),
        env_only: arguments.env_only,
        show_sensitive: arguments.show_sensitive,
        prefix: None,
    })?;
    match &arguments.output {
        None => data(&text)?,
        Some(path) => std::fs::write(path, text).map_err(|error| unwritable(path, &error))?,
    }
    Ok(DONE)
}

pub(super) fn run_init(arguments: &Init, as_json: bool) -> Outcome {
    let schema = read_with(&mut Inputs::new(arguments.reading.input_format), &arguments.schema, as_json)?;
    let text = schema.initial(arguments.format.format())?;
    let Some(path) = &arguments.output else {
        data(&text)?;
        return Ok(DONE);
    };
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Stop::Error(
            Error::new(Code::File, format!("`{}` exists already", path.display()))
                .with_hint("name another file, or remove this one first"),
            CORRECTABLE,
        ),
        _ => unwritable(path, &error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| unwritable(path, &error))?;
    Ok(DONE)
}

fn unwritable(path: &FilePath, error: &std::io::Error) -> Stop {
    let failure = io_error::failure(Code::File, "write", path, error);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
            Stop::Error(failure, CORRECTABLE)
        }
        _ => failure.into(),
    }
}

/// [`read`] without a word, where the same schema checks nothing.
pub(super) fn read_quietly(argument: &str) -> Result<Schema, Stop> {
    if argument == "-" { read(argument, false) } else { Ok(told(&mut Inputs::default(), argument)?.0) }
}

/// Reads a schema file, whose format its extension says, and tells what in it nobody checks.
pub(super) fn read(argument: &str, as_json: bool) -> Result<Schema, Stop> {
    if argument == "-" {
        let error = Error::new(Code::Usage, "a schema that checks files cannot be stdin");
        return Err(error.with_hint("save the schema to a file").into());
    }
    read_with(&mut Inputs::default(), argument, as_json)
}

fn read_with(inputs: &mut Inputs, argument: &str, as_json: bool) -> Result<Schema, Stop> {
    let (schema, notes) = told(inputs, argument)?;
    notes.iter().for_each(|note| warn(note, as_json));
    Ok(schema)
}

/// A schema and what it notes, with places in the file.
fn told(inputs: &mut Inputs, argument: &str) -> Result<(Schema, Vec<Error>), Stop> {
    let input = inputs.read(argument)?;
    let placed = |error: Error| match (error.origin(), error.path()) {
        (Some(_), _) => error,
        (None, path) => {
            let path = path.cloned().unwrap_or_else(Path::root);
            let origin = Origin::source(&input.source);
            error.with_origin(origin.at(locate(&input.text, input.format, &path)))
        }
    };
    let schema = Schema::from_value(&input.value()?).map_err(&placed)?;
    let notes = input.note().into_iter().chain(schema.notes().iter().cloned().map(placed)).collect();
    Ok((schema, notes))
}

/// Lists the errors of a document on stdout.
pub(super) fn tell(errors: &[Error], files: &[String], as_json: bool) -> Outcome {
    if as_json {
        json(&errors.iter().map(Error::to_value).collect::<Vec<Value>>().into())?;
    } else if errors.is_empty() {
        data(&format!("{}: ok\n", files.join(" + ")))?;
    }
    for error in errors.iter().filter(|_| !as_json) {
        let hint = error.hint().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        data(&format!("{error}\n{hint}"))?;
    }
    Ok(if errors.is_empty() { DONE } else { CORRECTABLE })
}
