//! Writing to a document.

use super::fields::{ASKED, FENCE, FORCE, IF_HASH, IF_MATCH, IF_NONE_MATCH, IF_VERSION, MESSAGE, PATH, USER, field};
use crate::api::operation::{Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::api::shapes::RECEIPT;

const JSON: Place = Place::WholeBody("application/json");
const VALUE: Field = field("value", Type::Any, "the value").at(JSON);
const DOCUMENT: Field = field("value", Type::Map, "the document").at(JSON);
const OPERATIONS: Field =
    field("patch", Type::List(&Type::Map), "the operations").at(Place::WholeBody("application/json-patch+json"));
const CHANGE: Field = field("patch", Type::Any, "the patch").at(Place::WholeBody("application/merge-patch+json"));

/// What the writes have in common.
const WRITES: Operation = Operation { right: Right::Write, reply: Reply::Record(&RECEIPT), ..ASKED };

pub(super) static SET: Operation = Operation {
    name: "set",
    about: "Sets a path on every instance, or in a configuration of one process above every other source.",
    request: &[PATH, VALUE, IF_VERSION, FORCE, FENCE, USER, MESSAGE, IF_MATCH, IF_NONE_MATCH],
    doors: Doors {
        rust: Door::Open(&["Mesh::set", "Mesh::write"]),
        http: Door::Open(&["PUT /config/{name}"]),
        command: Door::Open(&["set"]),
        python: Door::Open(&["Config.set", "Mesh.set"]),
        node: Door::Open(&["Config.set", "Mesh.set"]),
        browser: Door::Open(&["ConfigWebSocketClient.setConfig"]),
        guest: Door::Open(&["config_change"]),
    },
    ..WRITES
};

pub(super) static UNSET: Operation = Operation {
    name: "unset",
    about: "Removes a path, from what `set` writes to.",
    request: &[PATH, IF_VERSION, FORCE, FENCE, USER, MESSAGE, IF_MATCH],
    doors: Doors {
        rust: Door::Open(&["Mesh::unset"]),
        http: Door::Open(&["DELETE /config/{name}"]),
        command: Door::Open(&["unset"]),
        python: Door::Open(&["Config.unset", "Mesh.unset"]),
        node: Door::Open(&["Config.unset", "Mesh.unset"]),
        browser: Door::Open(&["ConfigWebSocketClient.unsetConfig"]),
        guest: Door::Open(&["config_change"]),
    },
    ..WRITES
};

pub(super) static REPLACE: Operation = Operation {
    name: "replace",
    about: "Makes the document this one, by writing what differs.",
    request: &[DOCUMENT, IF_HASH, FORCE, FENCE, USER, MESSAGE, IF_MATCH],
    doors: Doors {
        rust: Door::Open(&["Mesh::replace"]),
        http: Door::Open(&["PUT /config/{name}"]),
        command: Door::Open(&["set"]),
        python: Door::Open(&["Mesh.replace"]),
        node: Door::Open(&["Mesh.replace"]),
        browser: Door::Shut("a page edits what it shows: `patchConfig` makes several edits at once"),
        guest: Door::Open(&["config_update"]),
    },
    ..WRITES
};

pub(super) static PATCH_DOCUMENT: Operation = Operation {
    name: "patch_document",
    about: "Applies a JSON Patch (RFC 6902) to the document, all or nothing, and writes what differs.",
    request: &[OPERATIONS, IF_HASH, FORCE, FENCE, USER, MESSAGE, IF_MATCH],
    doors: Doors {
        rust: Door::Open(&["Mesh::patch"]),
        http: Door::Open(&["PATCH /config/{name}"]),
        command: Door::Shut("`confmesh patch` is for files; `confmesh set` writes a map at once"),
        python: Door::Open(&["Mesh.patch"]),
        node: Door::Open(&["Mesh.patch"]),
        browser: Door::Open(&["ConfigWebSocketClient.patchConfig"]),
        guest: Door::Open(&["config_change"]),
    },
    ..WRITES
};

pub(super) static MERGE_PATCH_DOCUMENT: Operation = Operation {
    name: "merge_patch_document",
    about: "Applies a JSON Merge Patch (RFC 7396) to the document, and writes what differs.",
    request: &[CHANGE, IF_HASH, FORCE, FENCE, USER, MESSAGE, IF_MATCH],
    doors: Doors {
        rust: Door::Open(&["Mesh::merge_patch"]),
        http: Door::Open(&["PATCH /config/{name}"]),
        command: Door::Shut("`confmesh patch` is for files; `confmesh set` writes a map at once"),
        python: Door::Open(&["Mesh.merge_patch"]),
        node: Door::Open(&["Mesh.mergePatch"]),
        browser: Door::Shut("a page edits what it shows: `patchConfig` makes several edits at once"),
        guest: Door::Shut("a guest sends its edits one by one, or a whole document"),
    },
    ..WRITES
};

pub(super) static SET_LAYER: Operation = Operation {
    name: "set_layer",
    about: "Puts a layer in the place of the one with its id: how a page follows a source that changed.",
    request: &[field("layer", Type::Map, "the layer, as `merge` takes it")],
    reply: Reply::Nothing,
    right: Right::Nothing,
    doors: Doors {
        rust: Door::Open(&["Engine::handle_layer"]),
        http: Door::Shut("an instance reads its sources itself"),
        command: Door::Shut("an instance reads its sources itself"),
        python: Door::Shut("files and variables are read, and watched, by the configuration itself"),
        node: Door::Open(&["Config.setLayer"]),
        browser: Door::Open(&["Config.setLayer"]),
        guest: Door::Shut("it is about layers of the page's own"),
    },
    ..ASKED
};
