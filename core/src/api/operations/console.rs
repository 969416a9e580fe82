//! What belongs to the command alone.

use super::fields::ASKED;
use crate::api::operation::{Door, Doors, Operation, Right};

pub(super) static CONFIG: Operation = Operation {
    name: "config",
    about: "Says what every setting of `serve` is, and which option, variable, file or preset says so.",
    ..on_the_console(&["config"])
};

pub(super) static COMPLETIONS: Operation = Operation {
    name: "completions",
    about: "Prints what a shell completes commands and options with.",
    ..on_the_console(&["completions"])
};

pub(super) static MAN: Operation = Operation {
    name: "man",
    about: "Prints the page for `man`, or writes one for each command into a directory.",
    ..on_the_console(&["man"])
};

const fn on_the_console(words: &'static [&'static str]) -> Operation {
    Operation {
        right: Right::Nothing,
        doors: Doors {
            rust: THE_COMMAND,
            http: THE_COMMAND,
            command: Door::Open(words),
            python: THE_COMMAND,
            node: THE_COMMAND,
            browser: THE_COMMAND,
            guest: THE_COMMAND,
        },
        begin: None,
        ..ASKED
    }
}

const THE_COMMAND: Door = Door::Shut("it is about the command itself");
