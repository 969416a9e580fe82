//! The kept past: versions listed, shown, compared, and gone back to.

use super::fields::{ASKED, FENCE, FORCE, USER, field, no_document};
use crate::api::call::{At, Begun, Call};
use crate::api::operation::{Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::api::shapes::{COMPARISON, ROLLBACK as ROLLED_BACK, SHOWN_VERSION, VERSION};
use crate::canonical::ContentTag;
use crate::diff::{Change, diff};
use crate::engine::{Command, Rollback, WriteTerms};
use crate::error::{Code, Error, Result};
use crate::history::{Named, Then, Version};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::{MASK, Policy};
use crate::value::{Str, Value};

/// How many versions are listed where nobody says.
const LISTED: u64 = 50;
/// How many are listed at most.
const MOST_LISTED: u64 = 1_000;

static FOUND: Field = field("versions", Type::List(&Type::Record(&VERSION)), "the versions, the newest first");

pub(super) static VERSIONS: Operation = Operation {
    name: "versions",
    about: "The versions of what instances share, as this instance saw them, the newest first: when, who, why, what changed.",
    more: "Each is a visible change. Those before the oldest one that is kept are forgotten.",
    request: &[
        field("path", Type::Path, "only those that changed something there, above or below")
            .at(Place::Query)
            .optional(),
        field("limit", Type::Count, "how many at most, up to 1,000; 50").at(Place::Query).optional(),
        field("before", Type::Count, "only those with a smaller number, for the next page").at(Place::Query).optional(),
    ],
    reply: Reply::Only(&FOUND),
    doors: Doors {
        rust: Door::Open(&["Mesh::versions"]),
        http: Door::Open(&["GET /config/{name}/versions"]),
        command: Door::Open(&["history"]),
        python: Door::Open(&["Mesh.versions"]),
        node: Door::Open(&["Mesh.versions"]),
        ..ASKED.doors
    },
    begin: Some(|at, call| {
        let path = call.path("path")?;
        let limit = call.count("limit").unwrap_or(LISTED).min(MOST_LISTED);
        let speaks = |version: &Version| {
            let touches = |changed: &Path, path: &Path| changed.starts_with(path) || path.starts_with(changed);
            path.as_ref().is_none_or(|path| version.changes.iter().any(|changed| touches(&changed.path, path)))
        };
        let versions = at.engine.history(at.document)?.versions(call.count("before")).filter(speaks);
        let shown = versions.filter_map(|version| version.to_value(|path| sees(at, path)));
        Ok(Begun::Done(shown.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect::<Vec<Value>>().into()))
    }),
    ..ASKED
};

fn sees(at: &At<'_>, path: &Path) -> bool {
    at.who.as_ref().is_none_or(|grant| grant.covers(path))
}

const ID: Field = field(
    "id",
    Type::Id,
    "the version: its number, `config_<UTC time>.json`, or a time such as `2024-01-01T12:00:00Z` that it was in force at",
)
.at(Place::Url);

pub(super) static SHOW_VERSION: Operation = Operation {
    name: "show_version",
    about: "A version: what it changed, and what instances shared after it; secrets are masked.",
    request: &[ID],
    reply: Reply::Record(&SHOWN_VERSION),
    doors: Doors {
        rust: Door::Open(&["Mesh::show_version"]),
        http: Door::Open(&["GET /config/{name}/versions/{id}"]),
        command: Door::Open(&["show"]),
        python: Door::Open(&["Mesh.show_version"]),
        node: Door::Open(&["Mesh.showVersion"]),
        ..ASKED.doors
    },
    fits: |call| named(call, "id").map(drop),
    begin: Some(|at, call| {
        let history = at.engine.history(at.document)?;
        let version = history.version(&named(call, "id")?)?;
        let then = history.at(&version)?;
        let policy = policy(at)?;
        let fields: [(&str, Value); 4] = [
            ("version", shown(at, &version)?),
            ("changes", version.shown(&policy, |path| sees(at, path)).into()),
            ("document", document(at, &policy, &then)),
            ("lost", lost(at, &then)),
        ];
        Ok(Begun::Done(fields.into_iter().collect()))
    }),
    ..ASKED
};

fn named(call: &Call, field: &str) -> Result<Named> {
    Named::parse(call.text(field).unwrap_or_default())
}

fn policy(at: &At<'_>) -> Result<Policy> {
    let snapshot = at.engine.snapshot(at.document).ok_or_else(|| no_document(at.document))?;
    Ok(snapshot.policy().clone())
}

/// A version as whoever asks sees it; it is not there for who sees nothing of what it changed.
fn shown(at: &At<'_>, version: &Version) -> Result<Value> {
    version.to_value(|path| sees(at, path)).ok_or_else(|| {
        Error::new(Code::NotFound, format!("there is no version {}", version.number))
            .with_hint("see `confmesh history`")
    })
}

/// What was shared, as whoever asks sees it.
fn document(at: &At<'_>, policy: &Policy, then: &Then) -> Value {
    let hidden = then.lost.iter().filter(|path| then.value.at(path).is_some());
    let value = hidden.fold(then.value.clone(), |value, path| value.with(path, MASK.into()));
    let seen = match &at.who {
        Some(grant) => grant.view(policy, &value),
        None => value,
    };
    policy.masked(&Path::root(), &seen)
}

fn lost(at: &At<'_>, then: &Then) -> Value {
    let seen = then.lost.iter().filter(|path| sees(at, path));
    seen.map(|path| path.to_string().into()).collect::<Vec<Value>>().into()
}

pub(super) static COMPARE_VERSIONS: Operation = Operation {
    name: "compare_versions",
    about: "What changed from one version to another one, or to what is shared now; secrets are masked.",
    request: &[
        field("before", Type::Id, "the version, as `show_version` takes it").at(Place::Query),
        field("after", Type::Id, "the other version; without one what is there now").at(Place::Query).optional(),
    ],
    reply: Reply::Record(&COMPARISON),
    doors: Doors {
        rust: Door::Open(&["Mesh::compare_versions"]),
        http: Door::Open(&["GET /config/{name}/compare"]),
        command: Door::Open(&["diff"]),
        python: Door::Open(&["Mesh.compare_versions"]),
        node: Door::Open(&["Mesh.compareVersions"]),
        ..ASKED.doors
    },
    fits: |call| {
        named(call, "before")?;
        call.text("after").map(Named::parse).transpose().map(drop)
    },
    begin: Some(|at, call| {
        let history = at.engine.history(at.document)?;
        let policy = policy(at)?;
        let from = history.version(&named(call, "before")?)?;
        let to = call.text("after").map(|text| history.version(&Named::parse(text)?)).transpose()?;
        let before = history.at(&from)?;
        let after = match &to {
            Some(to) => history.at(to)?,
            None => Then { value: history.newest().clone(), lost: Default::default() },
        };
        // Compared before they are masked, so that a secret that changed is told.
        let changes: Vec<Change> = diff(&before.value, &after.value);
        let mut unknown = before;
        unknown.lost.extend(after.lost);
        let fields: [(&str, Value); 4] = [
            ("before", shown(at, &from)?),
            ("after", to.map_or(Ok(Value::Null), |to| shown(at, &to))?),
            ("changes", changes_shown(at, &policy, &changes).into()),
            ("lost", lost(at, &unknown)),
        ];
        Ok(Begun::Done(fields.into_iter().collect()))
    }),
    ..ASKED
};

/// Changes as whoever asks sees them: what stands where it may not look is left out of larger ones.
fn changes_shown(at: &At<'_>, policy: &Policy, changes: &[Change]) -> Vec<Value> {
    let masked = crate::secret::masked_changes(policy, changes);
    let parts = masked.iter().flat_map(|change| {
        if sees(at, &change.path) { vec![change.clone()] } else { crate::diff::leaves(std::slice::from_ref(change)) }
    });
    parts.filter(|change| sees(at, &change.path)).map(|change| change.to_value()).collect()
}

pub(super) static ROLLBACK: Operation = Operation {
    name: "rollback",
    about: "Makes what instances share what it was at a version, by an ordinary write of what differs.",
    more: "The reply says by effect what that is: what returns, what changes, what goes. Files and variables are not touched.",
    right: Right::Write,
    request: &[
        field("version", Type::Id, "the version, as `show_version` takes it"),
        field("pattern", Type::Pattern, "only what matches, and all below it").optional(),
        field("dry_run", Type::Flag, "whether it is only told; no").optional(),
        field("message", Type::Text, "why, for those who look at the history").optional(),
        field("if_hash", Type::Text, "only if this is the document's digest, or its hash").optional(),
        USER,
        FORCE,
        FENCE,
    ],
    reply: Reply::Record(&ROLLED_BACK),
    doors: Doors {
        rust: Door::Open(&["Mesh::rollback", "Mesh::rollback_plan"]),
        http: Door::Open(&["POST /config/{name}/rollback"]),
        command: Door::Open(&["rollback"]),
        python: Door::Open(&["Mesh.rollback"]),
        node: Door::Open(&["Mesh.rollback"]),
        ..ASKED.doors
    },
    fits: |call| {
        named(call, "version")?;
        call.text("if_hash").map(str::parse::<ContentTag>).transpose()?;
        call.text("pattern").map(Pattern::parse).transpose().map(drop)
    },
    begin: Some(rollback),
};

fn rollback(at: &mut At<'_>, call: &Call) -> Result<Begun> {
    let pattern = call.text("pattern").map(Pattern::parse).transpose()?;
    let plan = at.engine.rollback(at.document, &named(call, "version")?, pattern.as_ref(), &at.who)?;
    let told = told(at, &plan)?;
    if call.flag("dry_run") || plan.edits.is_empty() {
        let done = told.into_iter().chain([("receipt".into(), Value::Null)]);
        return Ok(Begun::Done(Value::Map(done.collect())));
    }
    let words = call.text("message").map_or_else(|| plan.words(), str::to_owned);
    let if_hash = call.text("if_hash").map(str::parse::<ContentTag>).transpose()?;
    let terms = WriteTerms { message: Some(words.into()), if_hash, ..call.terms(at) };
    let request = at.engine.write(at.document, Command::Edits(plan.edits), terms, at.now);
    Ok(Begun::WritingAs(request, told))
}

/// What a rollback comes to, by effect.
fn told(at: &At<'_>, plan: &Rollback) -> Result<Vec<(Str, Value)>> {
    let policy = policy(at)?;
    let of = |wanted: fn(&Change) -> bool| -> Value {
        let changes: Vec<Change> = plan.changes.iter().filter(|change| wanted(change)).cloned().collect();
        changes_shown(at, &policy, &changes).into()
    };
    let lost: Vec<Value> = plan.lost.iter().map(|path| path.to_string().into()).collect();
    Ok(vec![
        ("version".into(), shown(at, &plan.version)?),
        ("returns".into(), of(|change| change.old.is_none())),
        ("changes".into(), of(|change| change.old.is_some() && change.new.is_some())),
        ("goes".into(), of(|change| change.new.is_none())),
        ("lost".into(), lost.into()),
    ])
}
