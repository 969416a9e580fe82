//! Schemas: what a document has to look like.

use super::fields::{field, function};
use crate::api::operation::{Door, Field, Operation, Reply, Type};
use crate::api::shapes::PROBLEM;

const DOCUMENT: Field = field("document", Type::Any, "the document");
const PREFIX: Field = field("prefix", Type::Text, "the prefix of variables");
const FORMAT: Field = field("format", Type::Text, "the format; json").optional();
const PROBLEMS: Reply = Reply::Value(Type::List(&Type::Record(&PROBLEM)));

pub(super) static VALIDATE: Operation = function(
    ("validate", "Every problem of a document; none if it is valid."),
    &[DOCUMENT],
    PROBLEMS,
    &["Schema::validate"],
    Door::Open(&["validate"]),
    Door::Open(&["Schema.validate"]),
    Door::Open(&["Schema.validate"]),
);

pub(super) static VALIDATE_TEXT: Operation = function(
    ("validate_text", "Every problem of the document in a text, each with its line and column."),
    &[field("text", Type::Text, "the text"), FORMAT, field("source", Type::Text, "how messages name it").optional()],
    PROBLEMS,
    &["Schema::validate_text"],
    Door::Open(&["validate"]),
    Door::Open(&["Schema.validate_text"]),
    Door::Open(&["Schema.validateText"]),
);

pub(super) static LOAD: Operation = function(
    ("load", "The document with its defaults, if it is valid then; else an error with every problem."),
    &[DOCUMENT],
    Reply::Value(Type::Any),
    &["Schema::load"],
    Door::Shut("`confmesh merge --schema` prints it"),
    Door::Open(&["Schema.load"]),
    Door::Open(&["Schema.load"]),
);

pub(super) static DEFAULTS: Operation = function(
    ("defaults", "The document with every default filled in where it holds nothing."),
    &[DOCUMENT],
    Reply::Value(Type::Any),
    &["Schema::default_values"],
    Door::Shut("`confmesh init` prints a file of them"),
    Door::Open(&["Schema.defaults"]),
    Door::Open(&["Schema.defaults"]),
);

pub(super) static KNOWN: Operation = function(
    ("known", "The document without the keys that the schema does not declare."),
    &[DOCUMENT],
    Reply::Value(Type::Any),
    &["Schema::without_unknown"],
    Door::Shut("`confmesh validate` says which keys nobody knows"),
    Door::Open(&["Schema.known"]),
    Door::Open(&["Schema.known"]),
);

pub(super) static COERCE: Operation = function(
    ("coerce", "Variables with a prefix as a typed document, and what is nothing of its type."),
    &[PREFIX, field("variables", Type::Map, "names and texts")],
    Reply::Value(Type::Map),
    &["Schema::coerce_text"],
    Door::Shut("`confmesh merge --env --schema` does it"),
    Door::Open(&["Schema.coerce"]),
    Door::Open(&["Schema.coerce"]),
);

pub(super) static TO_ENV: Operation = function(
    ("to_env", "The document as variables, whose texts read back as the same values."),
    &[PREFIX, DOCUMENT],
    Reply::Value(Type::Map),
    &["Schema::to_env"],
    Door::Shut("`confmesh schema` names the variable of each field"),
    Door::Open(&["Schema.to_env"]),
    Door::Open(&["Schema.toEnv"]),
);

pub(super) static INITIAL: Operation = function(
    ("initial", "The text of a file to start from, with every description as a comment."),
    &[FORMAT],
    Reply::Value(Type::Text),
    &["Schema::initial"],
    Door::Open(&["init"]),
    Door::Open(&["Schema.initial"]),
    Door::Open(&["Schema.initial"]),
);

pub(super) static REFERENCE: Operation = function(
    ("reference", "Every field with its path, type, default, variable, rules and description."),
    &[
        field("style", Type::OneOf(&["human", "json", "yaml", "markdown", "json-schema"]), "for whom").optional(),
        field("category", Type::Text, "only the fields of one category").optional(),
        field("env_only", Type::Flag, "only the fields that a variable sets").optional(),
        field("show_sensitive", Type::Flag, "whether defaults of secrets are shown").optional(),
        field("prefix", Type::Text, "the program's prefix").optional(),
    ],
    Reply::Value(Type::Text),
    &["Schema::reference"],
    Door::Open(&["schema"]),
    Door::Open(&["Schema.reference"]),
    Door::Open(&["Schema.reference"]),
);

pub(super) static NOTES: Operation = function(
    ("notes", "What a schema says and nobody checks, with its path in it: formats and keywords that are unknown."),
    &[],
    PROBLEMS,
    &["Schema::notes"],
    Door::Open(&["schema"]),
    Door::Open(&["Schema.notes"]),
    Door::Open(&["Schema.notes"]),
);

pub(super) static DEFINITION: Operation = function(
    ("definition", "What a schema was made of."),
    &[],
    Reply::Value(Type::Any),
    &["Schema::from_value"],
    Door::Shut("it is the file that the program wrote"),
    Door::Shut("the program has what it gave"),
    Door::Open(&["Schema.definition"]),
);
