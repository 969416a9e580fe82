//! Locks, as a program asks for them.
use super::actor::Actor;
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

/// Arguments of a call.
pub(super) fn given<const N: usize>(arguments: [(&str, Value); N]) -> Value {
    arguments.into_iter().collect()
}
