//! Signed requests from outside.

use super::fields::{ASKED, GUESTS_DO_NOT_OPERATE, field};
use crate::api::operation::{Door, Doors, Operation, Reply, Right, Type};

pub(super) static WATCH_VARIABLES: Operation = Operation {
    name: "watch_variables",
    about: "Follows variables of the environment by their names: one call for all that changed between two looks.",
    more: "Unset is not empty. Variables of another process cannot be seen: a `.env` file can be followed.",
    right: Right::Nothing,
    request: &[
        field("names", Type::List(&Type::Text), "the variables"),
        field("interval", Type::Number, "how often is looked; every second").optional(),
    ],
    doors: Doors {
        rust: Door::Open(&["watch_variables"]),
        http: NOT_ELSEWHERE,
        command: NOT_ELSEWHERE,
        python: Door::Open(&["watch_variables"]),
        node: Door::Open(&["watchVariables"]),
        browser: Door::Shut("a page has no variables"),
        guest: NOT_ELSEWHERE,
    },
    begin: None,
    ..ASKED
};

pub(super) static DOCTOR: Operation = Operation {
    name: "doctor",
    about: "Looks for what will be in the way: files that cannot be watched, sources that do not answer, limits, permissions, the clock.",
    right: Right::Nothing,
    doors: Doors {
        rust: ON_THE_MACHINE,
        http: ON_THE_MACHINE,
        command: Door::Open(&["doctor"]),
        python: ON_THE_MACHINE,
        node: ON_THE_MACHINE,
        browser: ON_THE_MACHINE,
        guest: ON_THE_MACHINE,
    },
    begin: None,
    ..ASKED
};

const ON_THE_MACHINE: Door = Door::Shut("it is for whoever sets the machine up, before anything runs");

pub(super) static NEW_KEY: Operation = Operation {
    name: "new_key",
    about: "Makes a key that seals what must not lie on a disk as it is, as a line of a key file.",
    right: Right::Nothing,
    reply: Reply::Value(Type::Text),
    doors: Doors {
        rust: Door::Shut("`secret::key_line` makes the line of 32 random bytes"),
        http: Door::Shut("a key is made where it is used"),
        command: Door::Open(&["key"]),
        python: Door::Shut("a key file is made once, by the command"),
        node: Door::Shut("a key file is made once, by the command"),
        browser: Door::Shut("a page keeps nothing on a disk"),
        guest: Door::Shut("a key is made where it is used"),
    },
    begin: None,
    ..ASKED
};

const NOT_ELSEWHERE: Door = Door::Shut("only the program itself sees its variables");

pub(super) static WEBHOOK: Operation = Operation {
    name: "webhook",
    about: "Writes what a signed request says, and calls the handlers of the program.",
    more: "It is signed as Standard Webhooks 1.0.0 says (`webhook-id`, `webhook-timestamp`, `webhook-signature`), or in the way of GitHub \
           or Stripe, and believed for five minutes. It is answered once it is on the disk: 200, and again 200 where it is sent again; 202 \
           where it is for nobody, 400, 401, 403 for paths it may not write, 404, 413, 422 for what the document refuses, 429, 500 where \
           a handler failed, 503. Closed unless the instance has a webhook secret.",
    right: Right::Nothing,
    request: &[
        field("config_name", Type::Text, "the document's name"),
        field("config_data", Type::Map, "a merge patch of it"),
        field("mode", Type::OneOf(&["patch", "replace"]), "whether it takes the place of all that may be written; no")
            .optional(),
    ],
    reply: Reply::Value(Type::Map),
    doors: Doors {
        rust: Door::Open(&["Mesh::on_webhook"]),
        http: Door::Open(&["POST /webhook/config"]),
        command: Door::Open(&["serve"]),
        python: Door::Open(&["Mesh.on_webhook"]),
        node: Door::Open(&["Mesh.onWebhook"]),
        browser: Door::Shut("a page has no secret to sign with"),
        guest: GUESTS_DO_NOT_OPERATE,
    },
    begin: None,
    ..ASKED
};
