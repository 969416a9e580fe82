//! Locks, as a program asks for them.
use super::Mesh;
use super::actor::Actor;
use super::answer::Answer;
use super::calls::Reply;
use crate::clock::Now;
use crate::engine::{LockCommand, RequestId};
use crate::error::Result;
use crate::value::{Str, Value};

/// An answer that somebody waits for.
pub(super) struct Locking {
    reply: Reply<Value>,
}

impl Actor {
    /// Somebody waits for the answer to a question for a lock.
    pub(super) fn wait_for_lock(&mut self, request: RequestId, reply: Reply<Value>) {
        self.locking.insert(request, Locking { reply });
    }

    /// The answer is there. A lock that nobody waits for any more is given back at once.
    pub(super) fn lock_answered(&mut self, request: RequestId, result: Result<Value>, now: Now) {
        let Some(Locking { reply }) = self.locking.remove(&request) else { return };
        let given = result.as_ref().ok().and_then(held);
        if !reply.send(result)
            && let Some((token, session)) = given
        {
            let document = self.shared.document.clone();
            let command = LockCommand::Release { token, session };
            self.driver.engine_mut().lock(&document, command, &None, None, now);
        }
    }
}

/// Token and session of a lock that was granted.
fn held(lease: &Value) -> Option<(u64, Str)> {
    let text = |name: &str| lease.child(name).and_then(Value::as_str);
    Some((text("token")?.parse().ok()?, text("session")?.into()))
}

fn given<const N: usize>(arguments: [(&str, Value); N]) -> Value {
    arguments.into_iter().collect()
}

impl Mesh {
    /// Who holds locks of the document, and who grants them: `{"locks": [{"key", "holder", "token", "expires_in_ms"}],
    /// "authority"?}`.
    pub fn locks(&self) -> Answer<Value> {
        self.call("locks", &Value::Null)
    }

    /// Holds a lock on the paths that a pattern matches for so many milliseconds, waiting so many for others to end. The answer
    /// is `{"key", "holder", "token", "session", "expires_in_ms"}`: write with the token as
    /// [`WriteTerms::fence`](crate::engine::WriteTerms::fence), and renew it in time.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// use confmesh::{MeshOptions, Value};
    ///
    /// let mesh = MeshOptions { shared: true, ..MeshOptions::default() }.start()?;
    /// let lock = mesh.lock("db.*", "ann", 30_000, 0).wait()?;
    /// assert_eq!(lock.child("key"), Some(&Value::from("db.*")));
    /// assert!(mesh.set("db.host", "a").wait().is_err(), "it is locked");
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock(&self, key: &str, holder: &str, ttl_ms: u64, wait_ms: u64) -> Answer<Value> {
        let arguments = given([
            ("key", key.into()),
            ("holder", holder.into()),
            ("ttl_ms", ttl_ms.into()),
            ("wait_ms", wait_ms.into()),
        ]);
        self.call("lock", &arguments)
    }

    /// Holds a lock for as long again as it was asked for.
    pub fn renew_lock(&self, key: &str, token: &str, session: &str) -> Answer<Value> {
        self.call("renew_lock", &given([("key", key.into()), ("token", token.into()), ("session", session.into())]))
    }

    /// Ends a lock.
    pub fn release_lock(&self, key: &str, token: &str, session: &str) -> Answer<Value> {
        self.call("release_lock", &given([("key", key.into()), ("token", token.into()), ("session", session.into())]))
    }

    /// Takes a lock from whoever holds it, and writes down why.
    pub fn force_release_lock(&self, key: &str, reason: &str) -> Answer<Value> {
        self.call("force_release_lock", &given([("key", key.into()), ("reason", reason.into())]))
    }

    /// Makes this instance the one that grants the document's locks, where the one that did is gone for good.
    pub fn take_lock_authority(&self) -> Answer<Value> {
        self.call("take_lock_authority", &Value::Null)
    }
}
