//! The `confmesh` command: reads arguments, calls the library, prints data on stdout and words on stderr.
mod access;
mod arguments;
mod backup;
mod client;
mod compose;
mod conflicts;
mod demo;
mod doctor;
mod edit_file;
mod follow;
mod history;
mod input;
mod join;
mod key;
mod listed;
mod lock;
mod members;
mod offline;
mod online;
mod output;
mod pages;
mod rebuild;
mod repair;
mod schema;
mod serve;
mod settings;
mod signals;
mod status;
mod suggest;
mod terms;
mod token;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use arguments::{Arguments, Command};
use output::{CORRECTABLE, DONE, FAILED, Outcome, Stop, complain, data, say};

use crate::error::{Code, Error};

/// Runs one command and gives its exit status: 0 done, 1 something that the user can correct, 2 a failure of confmesh or
/// of the system, 3 written but not in force on this instance. The first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // A defect is told like every other error, in a sentence and without a trace.
    set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        say(format!("error: confmesh has a defect{place}\n\nhint: please report it together with the command"));
    }));
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let status = catch_unwind(AssertUnwindSafe(|| execute(&arguments))).unwrap_or(FAILED);
    ExitCode::from(status)
}

fn execute(arguments: &[OsString]) -> u8 {
    let command = Arguments::command();
    let settings = match settings::Settings::of(&command, arguments) {
        Ok(settings) => settings,
        Err(stop) => return ended(Err(stop), arguments.iter().any(|argument| argument == "--json"), false),
    };
    let given = arguments;
    let arguments = &settings.arguments(given);
    let parsed = listed::with_rows(command.clone()).try_get_matches_from(arguments).and_then(|matches| {
        let made = matches.subcommand().and_then(|(word, of)| Some((listed::row_of(&command, word)?, of.clone())));
        match made {
            Some(made) => Ok((matches.get_flag("json"), Err(made))),
            None => Arguments::from_arg_matches(&matches).map(|parsed| (parsed.json, Ok(parsed))),
        }
    });
    let (as_json, parsed) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            return match settings.blamed(&error) {
                Some(error) => ended(Err(error.into()), given.iter().any(|argument| argument == "--json"), false),
                None => misunderstood(&error, given),
            };
        }
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err((row, matches)) => return ended(listed::run(row, &matches, as_json), as_json, false),
    };
    // As in git: with `--exit-code` the status 1 means a difference, so errors need another one.
    let raised = matches!(&parsed.command, Command::Diff(diff) if diff.exit_code);
    let outcome = match parsed.command {
        // It tells options apart from what else was said.
        Command::Config(_) => settings::run_config(&settings, given, as_json),
        command => dispatch(command, as_json),
    };
    ended(outcome, as_json, raised)
}

/// The exit status of what a command came to.
fn ended(outcome: Outcome, as_json: bool, raised: bool) -> u8 {
    match outcome {
        Ok(status) => status,
        Err(Stop::ReaderGone) => DONE,
        Err(Stop::Error(error, status)) => {
            complain(&error, as_json);
            if raised { FAILED } else { status }
        }
    }
}

fn dispatch(command: Command, as_json: bool) -> Outcome {
    match command {
        Command::Merge(arguments) => offline::run_merge(&arguments, as_json),
        Command::Hash(arguments) => offline::run_hash(&arguments, as_json),
        Command::Diff(arguments) if arguments.version => history::run_diff(&arguments, as_json),
        Command::History(arguments) => history::run_history(&arguments, as_json),
        Command::Show(arguments) => history::run_show(&arguments, as_json),
        Command::Rollback(arguments) => history::run_rollback(&arguments, as_json),
        Command::Diff(arguments) => offline::run_diff(&arguments, as_json),
        Command::Patch(arguments) => offline::run_patch(&arguments, as_json),
        Command::Fmt(arguments) => edit_file::run_fmt(&arguments, as_json),
        Command::Validate(arguments) => offline::run_validate(&arguments, as_json),
        Command::Schema(arguments) => schema::run_schema(&arguments, as_json),
        Command::Init(arguments) => schema::run_init(&arguments, as_json),
        Command::Explain(arguments) if arguments.files.is_empty() && arguments.composing.sources.is_empty() => {
            online::run_explain(&arguments, as_json)
        }
        Command::Explain(arguments) => offline::run_explain(&arguments, as_json),
        Command::Get(arguments) => online::run_get(&arguments, as_json),
        Command::Set(arguments) => match &arguments.file {
            Some(file) => edit_file::run_set(&arguments, file, as_json),
            None => online::run_set(&arguments, as_json),
        },
        Command::Unset(arguments) => match &arguments.file {
            Some(file) => edit_file::run_unset(&arguments, file, as_json),
            None => online::run_unset(&arguments, as_json),
        },
        Command::Watch(arguments) => follow::run_watch(&arguments, as_json),
        Command::Serve(arguments) => serve::run_serve(&arguments),
        Command::Demo(arguments) => demo::run_demo(&arguments),
        Command::Config(_) => Ok(DONE),
        Command::Conflicts(arguments) => conflicts::run_conflicts(&arguments, as_json),
        Command::Assign(arguments) => conflicts::run_assign(&arguments, as_json),
        Command::Resolve(arguments) => conflicts::run_resolve(&arguments, as_json),
        Command::Audit(arguments) => conflicts::run_audit(&arguments, as_json),
        Command::Lock(arguments) => lock::run_lock(&arguments, as_json),
        Command::Expel(arguments) => members::run_expel(&arguments, as_json),
        Command::Join(arguments) => join::run_join(&arguments, as_json),
        Command::Kept(arguments) => join::run_kept(&arguments, as_json),
        Command::Repair(arguments) => repair::run_repair(&arguments, as_json),
        Command::Backup(arguments) => backup::run_backup(&arguments, as_json),
        Command::Restore(arguments) => backup::run_restore(&arguments, as_json),
        Command::Rebuild(arguments) => rebuild::run_rebuild(&arguments, as_json),
        Command::ForceSync(arguments) => members::run_force_sync(&arguments, as_json),
        Command::Doctor(arguments) => doctor::run_doctor(&arguments, as_json),
        Command::Completions(arguments) => pages::run_completions(&arguments),
        Command::Man(arguments) => pages::run_man(&arguments),
        Command::Key(arguments) => key::run_key(&arguments, as_json),
        Command::Status(arguments) => status::run_status(&arguments, as_json),
        Command::Token(arguments) => token::run_token(&arguments, as_json),
    }
}

/// Help, the version, or arguments that make no sense.
fn misunderstood(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return match data(&text) {
            Ok(()) | Err(Stop::ReaderGone) => DONE,
            Err(Stop::Error(error, status)) => {
                complain(&error, false);
                status
            }
        };
    }
    let is_diff = arguments.get(1).is_some_and(|command| command == "diff");
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--json") {
        let first = text.lines().next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first);
        complain(&Error::new(Code::Usage, message).with_hint("see `confmesh --help`"), true);
    } else {
        say(text.trim_end());
    }
    if is_diff && has("--exit-code") { FAILED } else { CORRECTABLE }
}
