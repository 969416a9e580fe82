//! An instance and its life: started, asked how it is, ended.

use super::fields::{ASKED, GUESTS_DO_NOT_OPERATE, IN_THE_PROGRAM, NO_INSTANCE, OVER_HTTP, field};
use crate::api::call::Begun;
use crate::api::operation::{Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::api::shapes::{HEALTH as CHECKS, REPORT, STATUS as INSTANCE};

/// Why nobody outside starts or ends it.
const FROM_INSIDE: Door = Door::Shut("only the program that holds it starts and ends it");
const PROBE: Door = Door::Shut("probes ask over HTTP; `health` says the same, and more");

const FREE: Operation = Operation { right: Right::Nothing, ..ASKED };

pub(super) static OPEN: Operation = Operation {
    name: "open",
    about: "Opens the configuration of one process: files, variables, and what the program sets.",
    more: "A page has no files, variables, sources and directories: it gives layers, and says what `interpolate` may read.",
    request: &[
        field(
            "files",
            Type::List(&Type::Text),
            "the files, the most important last; in a browser layers, as `merge` takes them",
        ),
        field("env_prefix", Type::Text, "variables with this prefix win over the files").optional(),
        field("rules", Type::List(&Type::Map), "the rules by pattern").optional(),
        field("watch", Type::Flag, "whether edits of the files show at once; yes").optional(),
        field("schema", Type::Map, "what the document has to look like").optional(),
        field("model", Type::Any, "a class or schema of the program's language that the document is read as")
            .optional(),
        field("profiles", Type::List(&Type::Text), "the active profiles").optional(),
        field("interpolate", Type::Any, "whether references are replaced, and which variables they may read")
            .optional(),
        field("sources", Type::List(&Type::Any), "sources of every kind, as texts or maps, and of the program's own")
            .optional(),
        field("data_dir", Type::Text, "where the last good documents of sources are kept").optional(),
        field("encrypt_key_file", Type::Text, "the keys that seal those of them that hold secrets").optional(),
        field("check_within", Type::Count, "how long the checks of the schema may take, in milliseconds").optional(),
        field(
            "invalid_variables",
            Type::OneOf(&["refuse", "ignore"]),
            "whether variables that are nothing of their type are refused, or left out with a warning; refused",
        )
        .optional(),
    ],
    doors: Doors {
        rust: Door::Open(&["open"]),
        http: FROM_INSIDE,
        command: Door::Shut("a command merges files at once: `confmesh merge`"),
        python: Door::Open(&["open"]),
        node: Door::Open(&["open", "openAsync"]),
        browser: Door::Open(&["open"]),
        guest: FROM_INSIDE,
    },
    ..FREE
};

pub(super) static START: Operation = Operation {
    name: "start",
    about: "Starts an instance, whose document agrees with that of its peers.",
    doors: Doors {
        rust: Door::Open(&["MeshOptions::start"]),
        http: FROM_INSIDE,
        command: Door::Open(&["serve"]),
        python: Door::Open(&["Mesh.start"]),
        node: Door::Open(&["Mesh.start"]),
        browser: Door::Shut("a page follows an instance, and is none"),
        guest: FROM_INSIDE,
    },
    ..FREE
};

pub(super) static CLOSE: Operation = Operation {
    name: "close",
    about: "Closes it: what was asked for before is finished, and the last document can still be read.",
    doors: Doors {
        rust: Door::Open(&["Mesh::close"]),
        http: FROM_INSIDE,
        command: Door::Shut("Ctrl-C ends `confmesh serve`"),
        python: Door::Open(&["Reader.close"]),
        node: Door::Open(&["Config.close", "Mesh.close"]),
        browser: Door::Open(&["ConfigWebSocketClient.close"]),
        guest: FROM_INSIDE,
    },
    ..FREE
};

pub(super) static CONNECT: Operation = Operation {
    name: "connect",
    about: "A WebSocket: instances exchange writes over it, guests follow the document and write to it.",
    right: Right::Read,
    reply: Reply::Connection,
    doors: Doors {
        rust: Door::Open(&["MeshOptions::peer"]),
        http: Door::Open(&["GET /sync", "GET /ws", "GET /ws/config"]),
        command: Door::Open(&["serve"]),
        python: Door::Open(&["Mesh.start"]),
        node: Door::Open(&["Mesh.start"]),
        browser: Door::Open(&[
            "ConfigWebSocketClient.connect",
            "ConfigWebSocketClient.isLive",
            "ConfigWebSocketClient.url",
            "ConfigWebSocketClient.ws",
            "ConfigWebSocketClient.connectionId",
            "ConfigWebSocketClient.reconnectAttempts",
            "ConfigWebSocketClient.maxReconnectAttempts",
        ]),
        guest: Door::Open(&["ping"]),
    },
    ..FREE
};

pub(super) static STATUS: Operation = Operation {
    name: "status",
    about: "How the instance, its documents, its sources and its peers are doing.",
    right: Right::Read,
    reply: Reply::Record(&INSTANCE),
    doors: Doors {
        rust: Door::Open(&["Mesh::status"]),
        http: Door::Open(&["GET /status"]),
        command: Door::Open(&["status"]),
        python: Door::Open(&["Config.status", "Mesh.status"]),
        node: Door::Open(&["Reader.status"]),
        browser: OVER_HTTP,
        guest: GUESTS_DO_NOT_OPERATE,
    },
    begin: Some(|_, _| Ok(Begun::Asking)),
    ..FREE
};

const EXCLUDE: Field =
    field("exclude", Type::Text, "a check that is left out, again for each").at(Place::Query).optional();
const VERBOSE: Field =
    field("verbose", Type::Text, "there, whatever it says: a line for each check").at(Place::Query).optional();

pub(super) static HEALTH: Operation = Operation {
    name: "health",
    about: "Whether requests may be sent to the instance, and what someone should look at.",
    reply: Reply::Record(&CHECKS),
    doors: Doors {
        rust: Door::Open(&["Mesh::health"]),
        http: Door::Open(&["GET /health"]),
        command: Door::Open(&["status"]),
        python: Door::Open(&["Mesh.health"]),
        node: Door::Open(&["Mesh.health"]),
        browser: OVER_HTTP,
        guest: GUESTS_DO_NOT_OPERATE,
    },
    begin: Some(|_, _| Ok(Begun::Asking)),
    ..FREE
};

pub(super) static METRICS: Operation = Operation {
    name: "metrics",
    about: "Counters, durations and how things stand, in OpenMetrics' text form, for Prometheus and its like.",
    more: "Labels are kinds and outcomes: no path, address or value of the document is among them.",
    right: Right::Read,
    reply: Reply::Value(Type::Text),
    doors: Doors {
        rust: Door::Open(&["Mesh::call"]),
        http: Door::Open(&["GET /metrics"]),
        command: Door::Shut("what collects metrics asks over HTTP; `confmesh status` says how things stand"),
        python: Door::Open(&["Mesh.metrics"]),
        node: Door::Open(&["Mesh.metrics"]),
        browser: OVER_HTTP,
        guest: GUESTS_DO_NOT_OPERATE,
    },
    begin: Some(|_, _| Ok(Begun::Asking)),
    ..FREE
};

pub(super) static LIVE: Operation = Operation {
    name: "live",
    about: "Whether the instance still does anything: status 200, or 503.",
    request: &[EXCLUDE, VERBOSE],
    reply: Reply::Text("text/plain"),
    doors: Doors {
        rust: PROBE,
        http: Door::Open(&["GET /livez"]),
        command: PROBE,
        python: PROBE,
        node: PROBE,
        browser: PROBE,
        guest: PROBE,
    },
    ..FREE
};

pub(super) static READY: Operation = Operation {
    name: "ready",
    about: "Whether requests may be sent to the instance: status 200, or 503 with a line for each check.",
    doors: Doors { http: Door::Open(&["GET /readyz"]), ..LIVE_DOORS },
    request: &[EXCLUDE, VERBOSE],
    reply: Reply::Text("text/plain"),
    ..FREE
};
const LIVE_DOORS: Doors =
    Doors { rust: PROBE, http: PROBE, command: PROBE, python: PROBE, node: PROBE, browser: PROBE, guest: PROBE };

pub(super) static REPORTS: Operation = Operation {
    name: "reports",
    about: "What an operator should know, from the start on: a source that breaks, an edit that was refused, a connection.",
    right: Right::Operate,
    reply: Reply::Stream(&REPORT),
    doors: Doors {
        rust: Door::Open(&["Mesh::reports"]),
        http: Door::Shut("the log says them, and `GET /status` what of them still holds"),
        command: Door::Open(&["serve"]),
        python: Door::Open(&["Reader.reports"]),
        node: Door::Open(&["Reader.reports"]),
        browser: Door::Shut("a layer that cannot be read throws where it is set"),
        guest: GUESTS_DO_NOT_OPERATE,
    },
    ..FREE
};

pub(super) static ADDRESSES: Operation = Operation {
    name: "addresses",
    about: "The addresses that are really listened on.",
    reply: Reply::Value(Type::List(&Type::Text)),
    doors: Doors {
        rust: Door::Open(&["Mesh::addresses", "Mesh::instance", "Mesh::document"]),
        http: Door::Shut("they stand in `GET /status`"),
        command: Door::Open(&["status"]),
        python: Door::Open(&["Mesh.addresses"]),
        node: Door::Open(&["Mesh.addresses"]),
        browser: Door::Shut("a page listens on nothing"),
        guest: GUESTS_DO_NOT_OPERATE,
    },
    ..FREE
};

pub(super) static PENDING_WRITES: Operation = Operation {
    name: "pending_writes",
    about: "How many writes the instance has not answered yet.",
    reply: Reply::Value(Type::Count),
    doors: Doors {
        rust: Door::Shut("a write is an answer that the program holds"),
        http: Door::Shut("a request is answered when its write is on the disk"),
        command: Door::Shut("a command ends when its write is on the disk"),
        python: Door::Shut("a write is an answer that the program holds"),
        node: Door::Shut("a write is a promise that the program holds"),
        browser: Door::Open(&["ConfigWebSocketClient.pendingWrites"]),
        guest: Door::Shut("the guest counts them itself"),
    },
    ..FREE
};

pub(super) static PAGE: Operation = Operation {
    name: "page",
    about: "The page that shows the document, and lets people change it; with an upgrade it is `/sync`.",
    reply: Reply::Text("text/html"),
    doors: Doors {
        rust: Door::Shut("a page is for browsers"),
        http: Door::Open(&["GET /"]),
        command: Door::Open(&["demo"]),
        python: Door::Shut("a page is for browsers"),
        node: Door::Shut("a page is for browsers"),
        browser: OVER_HTTP,
        guest: Door::Shut("a page is for browsers"),
    },
    ..FREE
};

pub(super) static DESCRIBE: Operation = Operation {
    name: "describe",
    about: "This list, as OpenAPI 3.1.",
    reply: Reply::Value(Type::Map),
    doors: Doors {
        rust: Door::Open(&["openapi"]),
        http: Door::Open(&["GET /openapi.json"]),
        command: Door::Shut("`confmesh --help` says what commands there are"),
        python: Door::Shut("it describes HTTP; stubs describe the package"),
        node: Door::Shut("it describes HTTP; types describe the package"),
        browser: OVER_HTTP,
        guest: Door::Shut("it describes HTTP, and a guest follows a document"),
    },
    ..FREE
};

pub(super) static REBUILD: Operation = Operation {
    name: "rebuild",
    about: "Gives a damaged store up: it is kept aside, and at its next start the instance takes the document from a peer.",
    right: Right::Operate,
    request: &[
        field("data_dir", Type::Text, "the directory of the store"),
        field("force", Type::Flag, "whether also one that is in order is given up; no").optional(),
    ],
    reply: Reply::Value(Type::OrNull(&Type::Text)),
    doors: Doors {
        rust: Door::Open(&["rebuild"]),
        http: Door::Shut("its instance cannot run meanwhile"),
        command: Door::Open(&["rebuild"]),
        python: Door::Open(&["rebuild"]),
        node: Door::Open(&["rebuild"]),
        browser: Door::Shut("a browser keeps no store"),
        guest: GUESTS_DO_NOT_OPERATE,
    },
    ..FREE
};

pub(super) static TOKEN: Operation = Operation {
    name: "token",
    about: "Makes, lists and revokes the tokens of an authentication file; instances that use it take that at once.",
    doors: Doors {
        rust: Door::Open(&["guard::new_token", "guard::revoke"]),
        http: Door::Shut("who may do what is said on the host"),
        command: Door::Open(&["token"]),
        python: Door::Shut("`confmesh token` writes the file"),
        node: Door::Shut("`confmesh token` writes the file"),
        browser: Door::Shut("who may do what is said on the host"),
        guest: GUESTS_DO_NOT_OPERATE,
    },
    ..FREE
};

pub(super) static DEMO: Operation = Operation {
    name: "demo",
    about: "Starts two instances on this machine that share a document, to play with.",
    doors: Doors {
        rust: Door::Shut("it is for people who look around"),
        http: FROM_INSIDE,
        command: Door::Open(&["demo"]),
        python: Door::Shut("it is for people who look around"),
        node: Door::Shut("it is for people who look around"),
        browser: Door::Shut("it opens a page"),
        guest: FROM_INSIDE,
    },
    ..FREE
};

pub(super) static VERSION: Operation = Operation {
    name: "version",
    about: "The version of confmesh.",
    reply: Reply::Value(Type::Text),
    doors: Doors {
        rust: Door::Shut("`CARGO_PKG_VERSION` is known when the program is built"),
        http: Door::Shut("it stands in `GET /status` and `GET /health`"),
        command: Door::Shut("`confmesh --version` says it"),
        python: Door::Open(&["version"]),
        node: Door::Open(&["version"]),
        browser: Door::Open(&["version"]),
        guest: Door::Shut("the first message says which protocol is spoken"),
    },
    ..FREE
};

pub(super) static LOAD_MODULE: Operation = Operation {
    name: "load_module",
    about: "Loads the WebAssembly module in a browser, before the first call.",
    request: &[field("source", Type::Any, "what it is read from; the file beside the script").optional()],
    doors: Doors {
        rust: IN_THE_PROGRAM,
        http: NO_INSTANCE,
        command: IN_THE_PROGRAM,
        python: Door::Shut("it is loaded by the import"),
        node: Door::Open(&["ready"]),
        browser: Door::Open(&["ready"]),
        guest: NO_INSTANCE,
    },
    ..FREE
};
