//! The instances that share a document, and documents that take each other's place.

use super::fields::{ASKED, field, list, no_document};
use crate::api::call::{At, Begun, Call};
use crate::api::operation::{Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::api::shapes::{ADOPTION, KEPT as KEPT_TEXT, MEMBER, REPAIR_PLAN as PLAN, REPAIRED};
use crate::engine::{Aside, Member};
use crate::error::Result;
use crate::value::Value;

const OPERATED: Operation = Operation { right: Right::Operate, ..ASKED };

static LISTED: Field = field("members", Type::List(&Type::Record(&MEMBER)), "the members; none where history is kept");

pub(super) static MEMBERS: Operation = Operation {
    name: "members",
    about: "Who has to be reached before the history of the document is dropped, and who holds that up.",
    reply: Reply::Only(&LISTED),
    doors: Doors {
        rust: Door::Open(&["Mesh::members"]),
        http: Door::Open(&["GET /members"]),
        command: Door::Shut("`confmesh status` lists them"),
        python: Door::Open(&["Mesh.members"]),
        node: Door::Open(&["Mesh.members"]),
        ..ASKED.doors
    },
    begin: Some(|at, _| {
        let status = at.engine.status().into_iter().find(|status| status.document == *at.document);
        let settling = status.ok_or_else(|| no_document(at.document))?.settling;
        let members = settling.map(|settling| settling.members).unwrap_or_default();
        Ok(Begun::Done(list(&members, Member::to_value)))
    }),
    ..ASKED
};

static EXPELLED: Field = field("expelled", Type::Text, "the whole id");

pub(super) static EXPEL: Operation = Operation {
    name: "expel",
    about: "Stops waiting for a member that is gone for good, so that it holds up the dropping of history no more.",
    more: "Only for the instance that all others dial: what the member wrote and this one has not seen is not taken any \
           more. Should it come back, it takes over the document and makes its unshared writes again.",
    request: &[field(
        "replica",
        Type::Text,
        "the id of its replica or of its instance, as `members` lists them, or the beginning of one",
    )
    .at(Place::Url)],
    reply: Reply::Only(&EXPELLED),
    doors: Doors {
        rust: Door::Open(&["Mesh::expel"]),
        http: Door::Open(&["POST /members/{replica}/expel"]),
        command: Door::Open(&["expel"]),
        python: Door::Open(&["Mesh.expel"]),
        node: Door::Open(&["Mesh.expel"]),
        ..ASKED.doors
    },
    begin: Some(|at, call| {
        let replica = at.engine.find_member(at.document, call.text("replica").unwrap_or_default())?;
        at.engine.expel(at.document, replica, at.now)?;
        Ok(Begun::Expelling(replica))
    }),
    ..OPERATED
};

static PEERS: Field = field("peers", Type::Count, "how many instances are asked");

pub(super) static FORCE_SYNC: Operation = Operation {
    name: "force_sync",
    about: "Compares the document with every connected instance at once, and says how many are asked.",
    more: "They do so every few seconds anyway: this is for those who do not want to wait.",
    reply: Reply::Only(&PEERS),
    doors: Doors {
        rust: Door::Open(&["Mesh::force_sync"]),
        http: Door::Open(&["POST /force-sync"]),
        command: Door::Open(&["force-sync"]),
        python: Door::Open(&["Mesh.force_sync"]),
        node: Door::Open(&["Mesh.forceSync"]),
        ..ASKED.doors
    },
    begin: Some(|_, _| Ok(Begun::Asking)),
    ..OPERATED
};

static BIRTH: Field = field("genesis", Type::Text, "the whole birth of the other document");

pub(super) static JOIN: Operation = Operation {
    name: "join",
    about: "Gives the document up for another one of the same name that a connected instance holds.",
    more: "Nothing goes along; what was here is kept, and every instance that shares this document follows.",
    request: &[field(
        "adopt",
        Type::Text,
        "the beginning of that document's birth, or of the id of an instance that holds it",
    )],
    reply: Reply::Only(&BIRTH),
    doors: Doors {
        rust: Door::Open(&["Mesh::adopt"]),
        http: Door::Open(&["POST /join"]),
        command: Door::Open(&["join"]),
        python: Door::Shut("`Mesh.adopt` names the other instance, and shows what would be lost"),
        node: Door::Shut("`Mesh.adopt` names the other instance, and shows what would be lost"),
        ..ASKED.doors
    },
    begin: Some(|at, call| {
        let genesis = at.engine.give_up_for(at.document, call.text("adopt").unwrap_or_default(), at.now)?;
        Ok(Begun::GivingUp(genesis, Vec::new()))
    }),
    ..OPERATED
};

pub(super) static ADOPT: Operation = Operation {
    name: "adopt",
    about: "Gives the document up for that of the instance at a URL, or tells what that would lose.",
    more: "The two have to be connected as peers.",
    request: &[
        field("url", Type::Text, "the other instance: `http://host:port`"),
        field("yes", Type::Flag, "whether it is done, and not only told; no").optional(),
    ],
    reply: Reply::Record(&ADOPTION),
    doors: Doors {
        rust: Door::Open(&["Mesh::adopt_from"]),
        http: Door::Shut("whoever asks over HTTP asks both instances, and then for `POST /join`"),
        command: Door::Open(&["join"]),
        python: Door::Open(&["Mesh.adopt"]),
        node: Door::Open(&["Mesh.adopt"]),
        ..ASKED.doors
    },
    ..OPERATED
};

static KEPT_LIST: Field = field("kept", Type::List(&Type::Record(&KEPT_TEXT)), "what is kept, the oldest first");

pub(super) static KEPT: Operation = Operation {
    name: "kept",
    about: "What this instance held before other documents took its place, the oldest first, until it is confirmed.",
    reply: Reply::Only(&KEPT_LIST),
    doors: Doors {
        rust: Door::Open(&["Mesh::kept"]),
        http: Door::Open(&["GET /kept"]),
        command: Door::Open(&["kept"]),
        python: Door::Open(&["Mesh.kept"]),
        node: Door::Open(&["Mesh.kept"]),
        ..ASKED.doors
    },
    begin: Some(|at, _| Ok(Begun::Done(list(at.engine.kept(at.document), Aside::to_full_value)))),
    ..ASKED
};

static CONFIRMED: Field = field("confirmed", Type::Count, "the number");

pub(super) static CONFIRM_KEPT: Operation = Operation {
    name: "confirm_kept",
    about: "Says that what is kept under a number is not needed any more.",
    more: "A copy beside the bound file stays where it is.",
    request: &[field("id", Type::Count, "the number, as `kept` lists it").at(Place::Url)],
    reply: Reply::Told(&CONFIRMED),
    doors: Doors {
        rust: Door::Open(&["Mesh::confirm_kept"]),
        http: Door::Open(&["POST /kept/{id}/confirm"]),
        command: Door::Open(&["kept"]),
        python: Door::Open(&["Mesh.confirm_kept"]),
        node: Door::Open(&["Mesh.confirmKept"]),
        ..ASKED.doors
    },
    begin: Some(|at, call| {
        let id = call.count("id").unwrap_or_default();
        at.engine.confirm_kept(at.document, id)?;
        Ok(Begun::Done(id.into()))
    }),
    ..OPERATED
};

pub(super) static REPAIR_PLAN: Operation = Operation {
    name: "repair_plan",
    about: "What a repair would remove: authors of whom no write is held, and members that are not connected.",
    more: "It changes nothing.",
    reply: Reply::Record(&PLAN),
    doors: Doors {
        rust: Door::Open(&["Mesh::repair_plan"]),
        http: Door::Open(&["GET /repair"]),
        command: Door::Open(&["repair"]),
        python: Door::Open(&["Mesh.repair_plan"]),
        node: Door::Open(&["Mesh.repairPlan"]),
        ..ASKED.doors
    },
    begin: Some(|at, _| at.engine.repair_plan(at.document).map(|plan| Begun::Done(plan.to_value()))),
    ..ASKED
};

pub(super) static REPAIR: Operation = Operation {
    name: "repair",
    about: "Lets the document go on as another one, with the same content, without authors and members that nobody is.",
    more: "Everybody who shares the document follows, makes again what it wrote meanwhile, and keeps what it showed and the \
           new one does not.",
    reply: Reply::Record(&REPAIRED),
    doors: Doors {
        rust: Door::Open(&["Mesh::repair"]),
        http: Door::Open(&["POST /repair"]),
        command: Door::Open(&["repair"]),
        python: Door::Open(&["Mesh.repair"]),
        node: Door::Open(&["Mesh.repair"]),
        ..ASKED.doors
    },
    begin: Some(repair),
    ..OPERATED
};

fn repair(at: &mut At<'_>, _: &Call) -> Result<Begun> {
    let plan = at.engine.repair_plan(at.document)?;
    let genesis = at.engine.repair(at.document, at.now)?;
    let count = |count: usize| Value::from(u64::try_from(count).unwrap_or(u64::MAX));
    let removed =
        vec![("authors_removed".into(), count(plan.idle)), ("members_removed".into(), count(plan.members.len()))];
    Ok(Begun::GivingUp(genesis, removed))
}
