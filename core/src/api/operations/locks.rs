//! Locks: who holds what, and to hold it.

use super::fields::{ASKED, field, list};
use crate::api::call::{At, Begun, Call};
use crate::api::operation::{CALL, Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::api::shapes::{LOCK_AUTHORITY, LOCK_HELD, LOCK_SHOWN, LOCKS_SHOWN};
use crate::engine::{LockAuthority, LockCommand, MAX_LEASE_MS, MAX_WAIT_MS, MIN_LEASE_MS};
use crate::error::{Code, Error, Result};
use crate::pattern::Pattern;
use crate::value::Value;

/// How long a lock is held where nobody says how long, in milliseconds.
const TTL_MS: u64 = 30_000;

const KEY: Field = field(
    "key",
    Type::Pattern,
    "the paths that the lock covers: `db` is exactly `db`, `db.*` is everything below; the path need not exist",
)
.at(Place::Url);
const TTL: Field = field(
    "ttl_ms",
    Type::Count,
    "how long it is held unless it is renewed, in milliseconds, from 1,000 to 600,000; 30,000",
)
.at(Place::Query)
.optional();
const TOKEN: Field = field("token", Type::Id, "the token of the lock").at(Place::Query);
const SESSION: Field = field("session", Type::Text, "the session that the lock was given to").at(Place::Query);

/// What they have in common.
const LOCKING: Operation = Operation { right: Right::Lock, ..ASKED };

fn key(call: &Call) -> Result<Pattern> {
    Pattern::parse(call.text("key").unwrap_or_default())
}

fn token(call: &Call) -> Result<u64> {
    let text = call.text("token").unwrap_or_default();
    let token = text.parse().ok().filter(|token| *token != 0);
    token.ok_or_else(|| Error::new(Code::Usage, format!("`{}` is no token of a lock", text.escape_debug())))
}

fn asked(at: &mut At<'_>, command: LockCommand) -> Begun {
    Begun::Locking(at.engine.lock(at.document, command, &at.who, at.guest, at.now))
}

fn authority_value(authority: LockAuthority) -> Value {
    let fields = [("instance_id", Value::from(authority.instance.to_string())), ("epoch", authority.epoch.into())];
    fields.into_iter().collect()
}

fn shown(at: &At<'_>, on: Option<&Pattern>) -> Value {
    let held = at.engine.locks(at.document, at.now);
    let may = |scope: &Pattern| at.who.as_ref().is_none_or(|grant| grant.covers(&scope.as_place()));
    let is_meant = |scope: &Pattern| on.is_none_or(|on| on.intersects(scope)) && may(scope);
    let held: Vec<_> = held.into_iter().filter(|held| is_meant(&held.scope)).collect();
    let authority = at.engine.lock_authority(at.document).map_or(Value::Null, authority_value);
    let locks = ("locks", list(&held, |held| held.to_value(at.now.mono_ms)));
    [locks, ("authority", authority)].into_iter().collect()
}

pub(super) static LOCKS: Operation = Operation {
    name: "locks",
    about: "Who holds locks, as far as the instance knows, the oldest first; and who grants them.",
    reply: Reply::Record(&LOCKS_SHOWN),
    doors: Doors {
        rust: Door::Open(&["Mesh::locks"]),
        http: Door::Open(&["GET /locks"]),
        command: Door::Open(&["lock"]),
        python: Door::Open(&["Mesh.locks"]),
        node: Door::Open(&["Mesh.locks"]),
        browser: Door::Open(&["ConfigWebSocketClient.call"]),
        guest: Door::Open(&[CALL]),
    },
    begin: Some(|at, _| Ok(Begun::Done(shown(at, None)))),
    ..ASKED
};

pub(super) static LOCKS_ON: Operation = Operation {
    name: "locks_on",
    about: "Who holds locks on any of the paths that a pattern matches.",
    request: &[KEY],
    reply: Reply::Record(&LOCKS_SHOWN),
    doors: Doors {
        rust: Door::Open(&["Mesh::call"]),
        http: Door::Open(&["GET /locks/{key}"]),
        command: Door::Open(&["lock"]),
        python: Door::Open(&["Mesh.locks_on"]),
        node: Door::Open(&["Mesh.locksOn"]),
        browser: Door::Open(&["ConfigWebSocketClient.call"]),
        guest: Door::Open(&[CALL]),
    },
    fits: |call| key(call).map(drop),
    begin: Some(|at, call| Ok(Begun::Done(shown(at, Some(&key(call)?))))),
    ..ASKED
};

pub(super) static LOCK: Operation = Operation {
    name: "lock",
    about: "Holds a lock on the paths that a pattern matches: writes of others there are refused while it lasts.",
    more: "Write with its `token` as `fence`. It ends by itself unless it is renewed, and what is behind a resource of your own is \
           safe only where that checks the token. Over a WebSocket it ends with the connection.",
    request: &[
        KEY,
        TTL,
        field("wait_ms", Type::Count, "how long to wait while others hold it, in milliseconds, at most an hour; 0")
            .at(Place::Query)
            .optional(),
        field("holder", Type::Text, "who holds it, for those who look; who is authenticated is named so")
            .at(Place::Query)
            .optional(),
        field("session", Type::Text, "what tells this holder from others, to ask again after an answer that was lost")
            .at(Place::Query)
            .optional(),
    ],
    reply: Reply::Record(&LOCK_HELD),
    doors: Doors {
        rust: Door::Open(&["Mesh::lock"]),
        http: Door::Open(&["POST /locks/{key}"]),
        command: Door::Open(&["lock"]),
        python: Door::Open(&["Mesh.lock"]),
        node: Door::Open(&["Mesh.lock"]),
        browser: Door::Open(&["ConfigWebSocketClient.call"]),
        guest: Door::Open(&[CALL]),
    },
    fits: |call| {
        key(call)?;
        let within = |name: &str, least: u64, most: u64| match call.count(name) {
            Some(count) if !(least..=most).contains(&count) => {
                Err(Error::new(Code::Usage, format!("`{name}` is from {least} to {most}, not {count}")))
            }
            _ => Ok(()),
        };
        within("ttl_ms", MIN_LEASE_MS, MAX_LEASE_MS)?;
        within("wait_ms", 0, MAX_WAIT_MS)
    },
    begin: Some(|at, call| {
        let command = LockCommand::Acquire {
            key: key(call)?,
            holder: call.text("holder").unwrap_or("anonymous").into(),
            session: call.text("session").map(Into::into),
            ttl_ms: call.count("ttl_ms").unwrap_or(TTL_MS),
            wait_ms: call.count("wait_ms").unwrap_or(0),
        };
        Ok(asked(at, command))
    }),
    ..LOCKING
};

pub(super) static RENEW_LOCK: Operation = Operation {
    name: "renew_lock",
    about: "Holds a lock longer: from now on as long as before, or as said. One that has ended cannot be renewed.",
    request: &[KEY, TOKEN, SESSION, TTL],
    reply: Reply::Record(&LOCK_SHOWN),
    doors: Doors {
        rust: Door::Open(&["Mesh::renew_lock"]),
        http: Door::Open(&["POST /locks/{key}/renew"]),
        command: Door::Open(&["lock"]),
        python: Door::Open(&["Mesh.renew_lock"]),
        node: Door::Open(&["Mesh.renewLock"]),
        browser: Door::Open(&["ConfigWebSocketClient.call"]),
        guest: Door::Open(&[CALL]),
    },
    fits: |call| token(call).map(drop),
    begin: Some(|at, call| {
        let session = call.text("session").unwrap_or_default().into();
        Ok(asked(at, LockCommand::Renew { token: token(call)?, session, ttl_ms: call.count("ttl_ms") }))
    }),
    ..LOCKING
};

pub(super) static RELEASE_LOCK: Operation = Operation {
    name: "release_lock",
    about: "Ends a lock that is held: whoever waits for it gets it.",
    request: &[KEY, TOKEN, SESSION],
    reply: Reply::Record(&LOCK_SHOWN),
    doors: Doors {
        rust: Door::Open(&["Mesh::release_lock"]),
        http: Door::Open(&["DELETE /locks/{key}"]),
        command: Door::Open(&["lock"]),
        python: Door::Open(&["Mesh.release_lock"]),
        node: Door::Open(&["Mesh.releaseLock"]),
        browser: Door::Open(&["ConfigWebSocketClient.call"]),
        guest: Door::Open(&[CALL]),
    },
    fits: |call| token(call).map(drop),
    begin: Some(|at, call| {
        let session = call.text("session").unwrap_or_default().into();
        Ok(asked(at, LockCommand::Release { token: token(call)?, session }))
    }),
    ..LOCKING
};

pub(super) static FORCE_RELEASE_LOCK: Operation = Operation {
    name: "force_release_lock",
    about: "Takes a lock from whoever holds it. It is written down who did, and why.",
    more: "The holder is not stopped by it: what it does outside of the document goes on until it notices.",
    right: Right::Operate,
    request: &[KEY, field("reason", Type::Text, "why; at most 512 bytes").at(Place::Query)],
    reply: Reply::Record(&LOCK_SHOWN),
    doors: Doors {
        rust: Door::Open(&["Mesh::force_release_lock"]),
        http: Door::Open(&["POST /locks/{key}/force-release"]),
        command: Door::Open(&["lock"]),
        python: Door::Open(&["Mesh.force_release_lock"]),
        node: Door::Open(&["Mesh.forceReleaseLock"]),
        ..ASKED.doors
    },
    fits: |call| key(call).map(drop),
    begin: Some(|at, call| {
        let reason = call.text("reason").unwrap_or_default().into();
        Ok(asked(at, LockCommand::ForceRelease { key: key(call)?, reason, by: None }))
    }),
};

pub(super) static TAKE_LOCK_AUTHORITY: Operation = Operation {
    name: "take_lock_authority",
    about: "Makes the instance the one that grants the document's locks, where the one that did is gone for good.",
    more: "Where locks may be held that it has not heard of, it grants none for ten minutes. If the other one lives on where it \
           cannot be reached, both grant until they meet, and only tokens tell their locks apart.",
    right: Right::Operate,
    reply: Reply::Record(&LOCK_AUTHORITY),
    doors: Doors {
        rust: Door::Open(&["Mesh::take_lock_authority"]),
        http: Door::Open(&["POST /lock-authority"]),
        command: Door::Open(&["lock"]),
        python: Door::Open(&["Mesh.take_lock_authority"]),
        node: Door::Open(&["Mesh.takeLockAuthority"]),
        ..ASKED.doors
    },
    begin: Some(|at, _| {
        let authority = at.engine.take_lock_authority(at.document, at.now)?;
        Ok(Begun::Done(authority_value(authority)))
    }),
    ..LOCKING
};
