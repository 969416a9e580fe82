//! Functions of their arguments: the same answer in every language.

use super::fields::{OWN, field, function};
use crate::api::operation::{Door, Doors, Field, Operation, Reply, Type};
use crate::api::shapes::EXPLANATION;

const LAYERS: Field =
    field("layers", Type::List(&Type::Map), "the sources: each a value, a text or variables, with id and priority");
const RULES: Field = field("rules", Type::List(&Type::Map), "the rules by pattern").optional();
const SCHEMA: Field = field("schema", Type::Any, "what the document has to look like").optional();
const PROFILES_ON: Field = field("profiles", Type::List(&Type::Text), "the active profiles").optional();
const VARIABLES: Field = field("interpolate", Type::Map, "the variables that references may read").optional();
const DOCUMENT: Field = field("document", Type::Any, "the document");
const OLD: Field = field("old", Type::Any, "what it was");
const NEW: Field = field("new", Type::Any, "what it is");
const TEXT: Field = field("text", Type::Text, "the text");
const FORMAT: Field = field("format", Type::Text, "the format; json").optional();
const PATH: Field = field("path", Type::Path, "the path");
const OPERATION: Field = field("operation", Type::List(&Type::Any), "the steps of an operation on a list or a text");

const ANY: Reply = Reply::Value(Type::Any);
const TEXT_BACK: Reply = Reply::Value(Type::Text);
const STEPS: Reply = Reply::Value(Type::List(&Type::Any));
/// Why there is no command for what programs need alone.
const FOR_PROGRAMS: Door = Door::Shut("it serves programs; a person sees its effect in `merge`, `diff` and `patch`");

pub(super) static MERGE: Operation = function(
    ("merge", "The effective document of layers; of two layers the one with the lower priority wins."),
    &[LAYERS, RULES, SCHEMA, PROFILES_ON, VARIABLES],
    ANY,
    &["merge", "merge_with"],
    Door::Open(&["merge"]),
    Door::Open(&["merge"]),
    Door::Open(&["merge"]),
);

pub(super) static MERGE_WITH_PROVENANCE: Operation = function(
    ("merge_with_provenance", "The same, with the layers that each leaf came from, and what did not fit."),
    &[LAYERS, RULES, SCHEMA, PROFILES_ON, VARIABLES],
    Reply::Value(Type::Map),
    &["Merged::provenance"],
    Door::Shut("`confmesh merge --explain` prints it"),
    Door::Shut("what `merge` gives has `provenance` and `warnings`"),
    Door::Open(&["mergeWithProvenance"]),
);

pub(super) static EXPLAIN_LAYERS: Operation = function(
    (
        "explain_layers",
        "Why the value at a path of merged layers is what it is: the winner, its rule, what it overrode.",
    ),
    &[LAYERS, PATH, RULES, SCHEMA, PROFILES_ON, VARIABLES],
    Reply::Record(&EXPLANATION),
    &["Merged::explain"],
    Door::Open(&["explain"]),
    Door::Open(&["explain"]),
    Door::Open(&["explain"]),
);

pub(super) static INTERPOLATE: Operation = function(
    ("interpolate", "The document with its references replaced, and what could not be."),
    &[DOCUMENT, field("variables", Type::Map, "what `${env:NAME}` reads").optional()],
    Reply::Value(Type::Map),
    &["interpolate"],
    Door::Shut("`confmesh merge --interpolate` does it"),
    Door::Open(&["interpolate"]),
    Door::Open(&["interpolate"]),
);

pub(super) static PROFILES: Operation = function(
    ("profiles", "The base of a document with profiles and what is active, lowest first."),
    &[DOCUMENT, field("active", Type::List(&Type::Text), "the active profiles")],
    Reply::Value(Type::List(&Type::Map)),
    &["split_profiles"],
    Door::Shut("`confmesh merge --profile` lays them over each other"),
    Door::Open(&["profiles"]),
    Door::Open(&["profiles"]),
);

pub(super) static DIFF: Operation = function(
    ("diff", "The JSON Patch (RFC 6902) that turns one value into another."),
    &[OLD, NEW],
    Reply::Value(Type::List(&Type::Map)),
    &["Patch::between"],
    Door::Open(&["diff"]),
    Door::Open(&["diff"]),
    Door::Open(&["diff"]),
);

pub(super) static CHANGES: Operation = function(
    ("changes", "What differs between two values, key by key."),
    &[OLD, NEW],
    Reply::Value(Type::List(&Type::Map)),
    &["diff"],
    Door::Open(&["diff"]),
    Door::Open(&["changes"]),
    Door::Open(&["changes"]),
);

pub(super) static PATCH: Operation = function(
    ("patch", "A document with a JSON Patch (RFC 6902) applied, all or nothing."),
    &[DOCUMENT, field("patch", Type::List(&Type::Map), "the operations")],
    ANY,
    &["Patch::apply"],
    Door::Open(&["patch"]),
    Door::Open(&["patch"]),
    Door::Open(&["patch"]),
);

pub(super) static MERGE_PATCH: Operation = function(
    ("merge_patch", "A document with a JSON Merge Patch (RFC 7396) applied: null removes."),
    &[DOCUMENT, field("patch", Type::Any, "the patch")],
    ANY,
    &["apply_merge_patch"],
    Door::Open(&["patch"]),
    Door::Open(&["merge_patch"]),
    Door::Open(&["mergePatch"]),
);

pub(super) static MERGE_PATCH_BETWEEN: Operation = function(
    ("merge_patch_between", "The JSON Merge Patch (RFC 7396) that turns one value into another."),
    &[OLD, NEW],
    ANY,
    &["merge_patch_between"],
    Door::Open(&["diff"]),
    Door::Open(&["merge_patch_between"]),
    Door::Open(&["mergePatchBetween"]),
);

pub(super) static THREE_WAY: Operation = function(
    ("three_way", "What both sides changed since a base; ours stays where they collide."),
    &[
        field("base", Type::Any, "what both began from"),
        field("ours", Type::Any, "the one side"),
        field("theirs", Type::Any, "the other"),
    ],
    Reply::Value(Type::Map),
    &["three_way"],
    FOR_PROGRAMS,
    Door::Open(&["three_way"]),
    Door::Open(&["threeWay"]),
);

pub(super) static PARSE: Operation = function(
    ("parse", "The document of a text; errors name its source, with line and column."),
    &[TEXT, FORMAT, field("source", Type::Text, "how messages name it").optional()],
    ANY,
    &["parse"],
    Door::Open(&["validate"]),
    Door::Open(&["parse"]),
    Door::Open(&["parse"]),
);

pub(super) static DUMP: Operation = function(
    ("dump", "A value as text."),
    &[field("value", Type::Any, "the value"), FORMAT],
    TEXT_BACK,
    &["print"],
    Door::Open(&["merge"]),
    Door::Open(&["dump"]),
    Door::Open(&["dump"]),
);

pub(super) static REWRITE: Operation = function(
    ("rewrite", "A text, changed so that it holds another value; what does not change stays as it is written."),
    &[TEXT, FORMAT, field("target", Type::Any, "the value")],
    TEXT_BACK,
    &["rewrite"],
    Door::Open(&["set", "unset"]),
    Door::Open(&["rewrite"]),
    Door::Open(&["rewrite"]),
);

pub(super) static TIDY: Operation = Operation {
    doors: Doors {
        rust: FOR_PEOPLE,
        command: Door::Open(&["fmt"]),
        python: FOR_PEOPLE,
        node: FOR_PEOPLE,
        browser: FOR_PEOPLE,
        ..OWN.doors
    },
    ..TIDYING
};
const FOR_PEOPLE: Door = Door::Shut("it is about files that people write, and a command for them");
const TIDYING: Operation = function(
    ("tidy", "Files without blanks at the ends of lines, and with one kind of line breaks."),
    &[TEXT],
    TEXT_BACK,
    &[],
    FOR_PEOPLE,
    FOR_PEOPLE,
    FOR_PEOPLE,
);

pub(super) static CANONICAL: Operation = function(
    ("canonical", "The canonical text (RFC 8785) of a value."),
    &[field("value", Type::Any, "the value")],
    TEXT_BACK,
    &["canonical"],
    Door::Open(&["hash"]),
    Door::Open(&["canonical"]),
    Door::Open(&["canonical"]),
);

pub(super) static HASH: Operation = function(
    ("hash", "The content hash of a value: equal documents have equal hashes in every language."),
    &[field("value", Type::Any, "the value")],
    TEXT_BACK,
    &["content_hash"],
    Door::Open(&["hash"]),
    Door::Open(&["hash"]),
    Door::Open(&["hash"]),
);

pub(super) static PARSE_PATH: Operation = function(
    ("parse_path", "The segments of a dotted path or a JSON Pointer, and both forms."),
    &[PATH],
    Reply::Value(Type::Map),
    &["Path::parse"],
    FOR_PROGRAMS,
    Door::Open(&["parse_path"]),
    Door::Open(&["parsePath"]),
);

pub(super) static JOIN_PATH: Operation = function(
    ("join_path", "The dotted path of segments, escaped where they need it."),
    &[field("segments", Type::List(&Type::Text), "the segments")],
    TEXT_BACK,
    &["Path::child"],
    FOR_PROGRAMS,
    Door::Shut("`parse_path` gives both spellings"),
    Door::Open(&["joinPath"]),
);

pub(super) static MATCHES: Operation = function(
    ("matches", "Whether a pattern such as `app.features.*` matches a path."),
    &[field("pattern", Type::Pattern, "the pattern"), PATH],
    Reply::Value(Type::Flag),
    &["Pattern::matches"],
    FOR_PROGRAMS,
    Door::Open(&["matches"]),
    Door::Open(&["matches"]),
);

pub(super) static RESOLVE_CHANGES: Operation = function(
    ("resolve_changes", "Settles competing changes of one key; their order does not matter."),
    &[
        field("key", Type::Text, "the key"),
        field("changes", Type::List(&Type::Map), "the changes"),
        field("strategy", Type::Text, "the conflict strategy; last_write_wins").optional(),
    ],
    Reply::Value(Type::Map),
    &["resolve_changes"],
    Door::Shut("a command settles conflicts of instances: `confmesh resolve`"),
    Door::Open(&["resolve"]),
    Door::Open(&["resolve"]),
);

pub(super) static VIEW_DELTAS: Operation = function(
    ("view_deltas", "What every instance shows that has seen these deltas, and what their writers disagree on."),
    &[field("deltas", Type::List(&Type::Map), "the deltas, in any order")],
    Reply::Value(Type::Map),
    &["view_of"],
    FOR_PROGRAMS,
    Door::Open(&["view_deltas"]),
    Door::Open(&["viewDeltas"]),
);

pub(super) static SEQUENCE_BETWEEN: Operation = function(
    ("sequence_between", "The operation from one list or text to another: as small as it can be."),
    &[OLD, NEW],
    STEPS,
    &["Operation::between"],
    FOR_PROGRAMS,
    Door::Open(&["sequence_between"]),
    Door::Open(&["sequence.between"]),
);

pub(super) static SEQUENCE_APPLY: Operation = function(
    ("sequence_apply", "The list or text with an operation applied."),
    &[OPERATION, field("value", Type::Any, "the list or text")],
    ANY,
    &["Operation::apply"],
    FOR_PROGRAMS,
    Door::Open(&["sequence_apply"]),
    Door::Open(&["sequence.apply"]),
);

pub(super) static SEQUENCE_COMPOSE: Operation = function(
    ("sequence_compose", "One operation for two, the one and then the other."),
    &[field("first", Type::List(&Type::Any), "the one"), field("second", Type::List(&Type::Any), "the other")],
    STEPS,
    &["Operation::compose"],
    FOR_PROGRAMS,
    Door::Open(&["sequence_compose"]),
    Door::Open(&["sequence.compose"]),
);

pub(super) static SEQUENCE_INVERT: Operation = function(
    ("sequence_invert", "The operation that takes one back."),
    &[OPERATION, field("before", Type::Any, "what that one was made for")],
    STEPS,
    &["Operation::invert"],
    FOR_PROGRAMS,
    Door::Open(&["sequence_invert"]),
    Door::Open(&["sequence.invert"]),
);

pub(super) static SEQUENCE_TRANSFORM: Operation = function(
    ("sequence_transform", "An operation for a sequence that another one has changed already."),
    &[
        OPERATION,
        field("over", Type::List(&Type::Any), "the other one"),
        field("side", Type::OneOf(&["left", "right"]), "whose insertion comes first at one place"),
    ],
    STEPS,
    &["transform"],
    FOR_PROGRAMS,
    Door::Open(&["sequence_transform"]),
    Door::Open(&["sequence.transform"]),
);
