//! What is asked of the authority of a document's locks, here or over other instances.

use crate::error::{Code, Error, Result};
use crate::lock::MAX_HOLDER_BYTES;
use crate::pattern::Pattern;
use crate::value::{Str, Value};

/// How long a lease may be without being renewed, in milliseconds: ten minutes. A new authority grants nothing for so long.
pub const MAX_LEASE_MS: u64 = 600_000;
/// How short a lease may be, in milliseconds.
pub const MIN_LEASE_MS: u64 = 1_000;
/// How long somebody may wait for a lock, in milliseconds: an hour.
pub const MAX_WAIT_MS: u64 = 3_600_000;
/// How long the words may be that say why a lock is taken from somebody, in bytes.
const MAX_REASON_BYTES: usize = 512;
/// How long the pattern of a lock may be, in bytes.
const MAX_KEY_BYTES: usize = 1_024;

/// What somebody wants with a lock.
#[derive(Clone, Debug, PartialEq)]
pub enum LockCommand {
    /// To hold one.
    Acquire {
        /// The paths that it covers.
        key: Pattern,
        /// Who holds it, as others read it.
        holder: Str,
        /// What tells this holder from others of its name: who asks again with it for the same paths takes its own place, as
        /// after an answer that was lost. Made up where none is given.
        session: Option<Str>,
        /// How long the lock is held without being renewed, in milliseconds.
        ttl_ms: u64,
        /// How long to wait for others to end, in milliseconds.
        wait_ms: u64,
    },
    /// To hold it longer.
    Renew {
        /// The token of the lock.
        token: u64,
        /// The session that it was given to.
        session: Str,
        /// How long from now; as long as before where that is not said.
        ttl_ms: Option<u64>,
    },
    /// To hold it no more.
    Release {
        /// The token of the lock.
        token: u64,
        /// The session that it was given to.
        session: Str,
    },
    /// To take it from whoever holds it.
    ForceRelease {
        /// The paths of the lock, as it is listed.
        key: Pattern,
        /// Why.
        reason: Str,
        /// Who does it, where that is known.
        by: Option<Str>,
    },
}

impl LockCommand {
    /// Checks every number and text against its limits.
    ///
    /// # Errors
    /// [`Code::Usage`].
    pub(super) fn check(&self) -> Result<()> {
        match self {
            LockCommand::Acquire { key, holder, session, ttl_ms, wait_ms } => {
                check_key(key)?;
                check_name("the holder of a lock", holder)?;
                session.as_ref().map_or(Ok(()), |session| check_name("the session of a lock", session))?;
                if *wait_ms > MAX_WAIT_MS {
                    let message = format!("nobody waits longer than {MAX_WAIT_MS} ms for a lock");
                    return Err(Error::new(Code::Usage, message).with_hint("ask again after that"));
                }
                check_ttl(*ttl_ms)
            }
            LockCommand::Renew { ttl_ms, .. } => ttl_ms.map_or(Ok(()), check_ttl),
            LockCommand::Release { .. } => Ok(()),
            LockCommand::ForceRelease { key, reason, .. } => {
                check_key(key)?;
                if (1..=MAX_REASON_BYTES).contains(&reason.trim().len()) && reason.len() <= MAX_REASON_BYTES {
                    return Ok(());
                }
                let message = format!("why a lock is taken from somebody has 1 to {MAX_REASON_BYTES} bytes");
                Err(Error::new(Code::Usage, message).with_hint("say it with `--reason`: it is written down"))
            }
        }
    }

    /// How long it may take until it is answered, beside the way there.
    pub(super) fn wait_ms(&self) -> u64 {
        if let LockCommand::Acquire { wait_ms, .. } = self { *wait_ms } else { 0 }
    }

    /// As it travels to the authority.
    pub(super) fn to_value(&self) -> Value {
        let fields: Vec<(&str, Value)> = match self {
            LockCommand::Acquire { key, holder, session, ttl_ms, wait_ms } => vec![
                ("do", "acquire".into()),
                ("key", key.to_string().into()),
                ("holder", holder.clone().into()),
                ("session", session.clone().unwrap_or_default().into()),
                ("ttl", (*ttl_ms).into()),
                ("wait", (*wait_ms).into()),
            ],
            LockCommand::Renew { token, session, ttl_ms } => {
                let ttl = ttl_ms.map(|ttl| ("ttl", Value::from(ttl)));
                let fields = [("do", "renew".into()), ("token", (*token).into()), ("session", session.clone().into())];
                fields.into_iter().chain(ttl).collect()
            }
            LockCommand::Release { token, session } => {
                vec![("do", "release".into()), ("token", (*token).into()), ("session", session.clone().into())]
            }
            LockCommand::ForceRelease { key, reason, by } => {
                let by = by.clone().map(|by| ("by", Value::from(by)));
                let fields =
                    [("do", "force".into()), ("key", key.to_string().into()), ("reason", reason.clone().into())];
                fields.into_iter().chain(by).collect()
            }
        };
        fields.into_iter().collect()
    }

    /// Reads what [`LockCommand::to_value`] makes. Nothing where it is something else, or breaks a limit.
    pub(super) fn from_value(value: &Value) -> Option<LockCommand> {
        let text = |name: &str| value.child(name).and_then(Value::as_str).map(Str::from);
        let number = |name: &str| value.child(name).and_then(Value::as_u64);
        let key = || Pattern::parse(text("key")?.as_str()).ok();
        let command = match value.child("do")?.as_str()? {
            "acquire" => LockCommand::Acquire {
                key: key()?,
                holder: text("holder")?,
                session: text("session"),
                ttl_ms: number("ttl")?,
                wait_ms: number("wait")?,
            },
            "renew" => LockCommand::Renew { token: number("token")?, session: text("session")?, ttl_ms: number("ttl") },
            "release" => LockCommand::Release { token: number("token")?, session: text("session")? },
            "force" => LockCommand::ForceRelease { key: key()?, reason: text("reason")?, by: text("by") },
            _ => return None,
        };
        command.check().is_ok().then_some(command)
    }
}

fn check_ttl(ttl_ms: u64) -> Result<()> {
    if (MIN_LEASE_MS..=MAX_LEASE_MS).contains(&ttl_ms) {
        return Ok(());
    }
    let message = format!("a lock is held for {MIN_LEASE_MS} to {MAX_LEASE_MS} ms, not for {ttl_ms}");
    Err(Error::new(Code::Usage, message).with_hint("hold it for seconds, and renew it"))
}

fn check_key(key: &Pattern) -> Result<()> {
    if key.to_string().len() <= MAX_KEY_BYTES {
        return Ok(());
    }
    Err(Error::new(Code::Usage, format!("the pattern of a lock has at most {MAX_KEY_BYTES} bytes")))
}

fn check_name(what: &str, name: &str) -> Result<()> {
    if (1..=MAX_HOLDER_BYTES).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::new(Code::Usage, format!("{what} has 1 to {MAX_HOLDER_BYTES} bytes")))
}
