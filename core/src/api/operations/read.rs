//! Reading a document, and following it.

use super::fields::{ASKED, MASK, PATH, field, list, no_document, nothing_at};
use crate::api::call::{At, Begun, Call};
use crate::api::operation::{CALL, Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::api::shapes::{EVENT, EXPLANATION, VERSIONED, WRITTEN as WRITE};
use crate::engine::Written;
use crate::error::Result;
use crate::path::Path;
use crate::value::Value;

/// The path, or the whole document.
const PLACE: Field = field("path", Type::Path, "the path; without one the whole document").at(Place::Query).optional();

pub(super) static GET: Operation = Operation {
    name: "get",
    about: "The value at a path, or the whole document.",
    request: &[
        PLACE,
        MASK,
        field("If-None-Match", Type::Text, "the ETag that is known: status 304 where it still holds")
            .at(Place::Header)
            .optional(),
    ],
    reply: Reply::Value(Type::Any),
    doors: Doors {
        rust: Door::Open(&["Mesh::get", "Mesh::snapshot", "Mesh::extract"]),
        http: Door::Open(&["GET /config/{name}"]),
        command: Door::Open(&["get"]),
        python: Door::Open(&["Reader.get", "Reader.snapshot", "Reader.to_dict", "Reader.extract", "Reader.model"]),
        node: Door::Open(&[
            "Reader.get",
            "Reader.has",
            "Reader.toObject",
            "Reader.toJSON",
            "Reader.extract",
            "Reader.model",
        ]),
        browser: Door::Open(&["ConfigWebSocketClient.getConfig", "ConfigWebSocketClient.configText"]),
        guest: Door::Open(&["config_request"]),
    },
    ..ASKED
};

pub(super) static READ: Operation = Operation {
    name: "read",
    about: "The value at a path, if one is there, with its version: what `if_version` of a write takes.",
    request: &[PATH],
    reply: Reply::Record(&VERSIONED),
    doors: Doors {
        rust: Door::Open(&["Mesh::read"]),
        http: Door::Open(&["GET /config/{name}"]),
        command: Door::Open(&["get"]),
        python: Door::Open(&["Mesh.read"]),
        node: Door::Open(&["Mesh.read"]),
        browser: Door::Shut("a page's edits are made on what it shows, which its client says by itself"),
        guest: Door::Shut("a guest's edits say what they were made on"),
    },
    begin: Some(|at, call| {
        let path = call.path("path")?.unwrap_or_else(Path::root);
        at.check_read(&path)?;
        let snapshot = at.snapshot()?;
        let version = at.engine.version(at.document, &path).ok_or_else(|| no_document(at.document))?;
        let value = snapshot.value.at(&path).cloned().map(|value| ("value", value));
        Ok(Begun::Done([("version", Value::from(version.to_string()))].into_iter().chain(value).collect()))
    }),
    ..ASKED
};

pub(super) static EXPLAIN: Operation = Operation {
    name: "explain",
    about: "Why the value at a path is what it is: who set it, where, and what it overrides; secrets are masked.",
    more: "Without a path the reply is `{\"paths\": […]}`, with the account of each leaf.",
    request: &[PLACE],
    reply: Reply::Record(&EXPLANATION),
    doors: Doors {
        rust: Door::Open(&["Mesh::explain"]),
        http: Door::Open(&["GET /config/{name}/explain"]),
        command: Door::Open(&["explain"]),
        python: Door::Open(&["Reader.explain"]),
        node: Door::Open(&["Reader.explain"]),
        browser: Door::Open(&["ConfigWebSocketClient.explain"]),
        guest: Door::Open(&[CALL]),
    },
    begin: Some(explain),
    ..ASKED
};

fn explain(at: &mut At<'_>, call: &Call) -> Result<Begun> {
    let snapshot = at.engine.snapshot(at.document).ok_or_else(|| no_document(at.document))?;
    let Some(path) = call.path("path")? else {
        return Ok(Begun::Done([("paths", list(&snapshot.explain_all(), |one| one.to_value()))].into_iter().collect()));
    };
    at.check_read(&path)?;
    let account = snapshot.explain(&path).ok_or_else(|| nothing_at(&path))?.to_value();
    let written = list(&at.engine.written(at.document, &path), Written::to_value);
    Ok(Begun::Done(account.with(&Path::root().child("written"), written)))
}

static WRITES: Field = field("written", Type::List(&Type::Record(&WRITE)), "the newest first, at most 16");

pub(super) static WRITTEN: Operation = Operation {
    name: "written",
    about: "The shared writes that made what is at a path, the newest first: who, when, in whose name.",
    request: &[PATH],
    reply: Reply::Only(&WRITES),
    doors: Doors {
        rust: Door::Open(&["Mesh::written"]),
        http: Door::Open(&["GET /config/{name}/written"]),
        command: Door::Shut("`confmesh explain` shows them below the account"),
        python: Door::Open(&["Mesh.written"]),
        node: Door::Open(&["Mesh.written"]),
        ..ASKED.doors
    },
    begin: Some(|at, call| {
        let path = call.path("path")?.unwrap_or_else(Path::root);
        at.check_read(&path)?;
        Ok(Begun::Done(list(&at.engine.written(at.document, &path), Written::to_value)))
    }),
    ..ASKED
};

pub(super) static PROVENANCE: Operation = Operation {
    name: "provenance",
    about: "The source of every leaf.",
    reply: Reply::Value(Type::Map),
    doors: Doors {
        rust: Door::Open(&["Snapshot::provenance"]),
        http: Door::Shut("`GET /config/{name}/explain` without a path says it of every leaf"),
        command: Door::Shut("`confmesh merge --explain` says it of files, `confmesh explain` of a path"),
        python: Door::Open(&["Reader.provenance"]),
        node: Door::Open(&["Reader.provenance"]),
        browser: Door::Open(&["Reader.provenance"]),
        ..ASKED.doors
    },
    ..ASKED
};

pub(super) static WARNINGS: Operation = Operation {
    name: "warnings",
    about: "What is odd about the sources: values that clash, variables that are ignored.",
    reply: Reply::Value(Type::List(&Type::Record(&crate::api::shapes::PROBLEM))),
    doors: Doors {
        rust: Door::Open(&["Snapshot::warnings"]),
        http: Door::Shut("they stand in `GET /status`"),
        command: Door::Shut("`confmesh status` shows them, `confmesh validate` those of files"),
        python: Door::Open(&["Reader.warnings"]),
        node: Door::Open(&["Reader.warnings"]),
        browser: Door::Open(&["Reader.warnings"]),
        ..ASKED.doors
    },
    ..ASKED
};

pub(super) static REVISION: Operation = Operation {
    name: "revision",
    about: "The number of the document: one more for each visible change, counted by this instance alone.",
    reply: Reply::Value(Type::Count),
    doors: Doors {
        rust: Door::Open(&["Mesh::snapshot"]),
        http: Door::Shut("it stands in `GET /status`, and in every receipt"),
        command: Door::Shut("`confmesh status` shows it"),
        python: Door::Open(&["Reader.revision"]),
        node: Door::Open(&["Reader.revision"]),
        browser: Door::Open(&["ConfigWebSocketClient.revision"]),
        guest: Door::Open(&["config_request"]),
    },
    ..ASKED
};

pub(super) static DOCUMENT_HASH: Operation = Operation {
    name: "document_hash",
    about: "The content hash of the document: equal documents have equal hashes on every instance.",
    reply: Reply::Value(Type::Text),
    doors: Doors {
        rust: Door::Open(&["Snapshot::hash"]),
        http: Door::Open(&["GET /config/{name}"]),
        command: Door::Open(&["status"]),
        python: Door::Open(&["Reader.hash"]),
        node: Door::Open(&["Reader.hash"]),
        browser: Door::Open(&["ConfigWebSocketClient.hash"]),
        guest: Door::Open(&["config_request"]),
    },
    ..ASKED
};

pub(super) static SUBSCRIBE: Operation = Operation {
    name: "subscribe",
    about: "Follows the changes of paths that match a pattern, from now on.",
    right: Right::Read,
    request: &[
        field("pattern", Type::Pattern, "which paths, again for each pattern; `*`").at(Place::Query).optional(),
        MASK,
        field(
            "notices",
            Type::Flag,
            "whether also what is wrong with the instance is told, as events named `notice`, to who may operate it; no",
        )
        .at(Place::Query)
        .optional(),
    ],
    reply: Reply::Stream(&EVENT),
    doors: Doors {
        rust: Door::Open(&["Mesh::subscribe"]),
        http: Door::Open(&["GET /events"]),
        command: Door::Open(&["watch"]),
        python: Door::Open(&["Reader.subscribe"]),
        node: Door::Open(&["Reader.subscribe"]),
        browser: Door::Open(&[
            "ConfigWebSocketClient.subscribe",
            "ConfigWebSocketClient.unsubscribe",
            "ConfigWebSocketClient.on",
            "ConfigWebSocketClient.off",
            "ConfigWebSocketClient.subscriptions",
            "ConfigWebSocketClient.eventHandlers",
            "ConfigWebSocketClient.updateLocalConfig",
            "ConfigWebSocketClient.updateUI",
        ]),
        guest: Door::Open(&["subscribe"]),
    },
    ..ASKED
};
