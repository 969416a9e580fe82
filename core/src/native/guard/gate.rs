//! The table in force, and who has come in by it.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::sleep;

use crate::error::{Code, Error, Result};
use crate::guard::{Grant, Proof, Table};

/// How long is slept at most before the clock is looked at again: it may have been set.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// The table in force; clones are the same one.
#[derive(Clone, Debug)]
pub struct Gate {
    table: Arc<RwLock<Arc<Table>>>,
    changes: watch::Sender<u64>,
    /// How often somebody showed what is not good.
    refused: Arc<AtomicU64>,
}

/// What somebody came in with.
#[derive(Clone, Debug)]
pub struct Pass {
    /// What it may do.
    pub grant: Arc<Grant>,
    proof: Proof,
}

impl Gate {
    /// A gate with its first table.
    pub fn new(table: Table) -> Gate {
        Gate { table: Arc::new(RwLock::new(Arc::new(table))), changes: watch::Sender::new(0), refused: Arc::default() }
    }

    /// The table in force.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another table in force. Whoever may not do any more what it could is sent away.
    pub fn replace(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        self.changes.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Lets in who shows that.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`].
    pub fn admit(&self, proof: Proof) -> Result<Pass> {
        let grant = self.table().grant(&proof, now_ms()).inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        Ok(Pass { grant, proof })
    }

    /// How often somebody showed what is not good, since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Lets in who shows a token, of the table or of an authority that it names.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`].
    pub fn admit_token(&self, token: &str) -> Result<Pass> {
        let proof = self.table().proof(token, now_ms()).inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        self.admit(proof)
    }

    /// Waits until what somebody came in with is no longer what it was, and says why: revoked, expired, or with other rights.
    pub async fn ended(&self, pass: &Pass) -> String {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            match self.table().grant(&pass.proof, now_ms()) {
                Err(error) => return error.message().to_owned(),
                Ok(grant) if grant != pass.grant => {
                    return format!("what `{}` may do has changed: connect again", pass.grant.principal());
                }
                Ok(_) => {}
            }
            let until_end = pass.grant.expires_ms().map(|end| Duration::from_millis(end.saturating_sub(now_ms())));
            let expires = async {
                match until_end {
                    Some(left) => sleep(left.min(LOOKS_EVERY)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Its end is that of the instance, which ends everything else too.
                changed = changes.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = expires => {}
            }
        }
    }
}

/// The error for who shows nothing.
pub(crate) fn nothing_shown() -> Error {
    Error::new(Code::Unauthenticated, "this instance asks for a token")
        .with_hint("send `Authorization: Bearer TOKEN`; a command takes `--token-file FILE` or CONFMESH_TOKEN")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;
    use crate::format::{Format, parse};
    use crate::guard::{token, token_hash};

    fn table(roles: &str, more: &str) -> Table {
        let hash = token_hash(&token([1; 32]));
        let text = format!("[[principal]]\nname = \"ann\"\ntoken_sha256 = \"{hash}\"\nroles = [{roles}]\n{more}");
        Table::from_value(&parse(&text, Format::Toml).unwrap()).unwrap()
    }

    #[test]
    fn who_is_in_goes_when_revoked_expired_or_changed_and_stays_otherwise() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let gate = Gate::new(table("\"reader\"", ""));
            let pass = gate.admit_token(&token([1; 32])).unwrap();
            let short = Duration::from_millis(50);
            gate.replace(table("\"reader\"", "[[role]]\nname = \"x\"\nverbs = []\n"));
            assert!(timeout(short, gate.ended(&pass)).await.is_err(), "nothing changed for it");
            gate.replace(table("\"writer\"", ""));
            assert!(gate.ended(&pass).await.contains("has changed"));
            let writer = gate.admit_token(&token([1; 32])).unwrap();
            let waiting = gate.ended(&writer);
            gate.replace(Table::default());
            assert_eq!(waiting.await, "the token is not known here");
            let soon = crate::clock::rfc3339(now_ms() + 300);
            gate.replace(table("\"reader\"", &format!("expires = \"{soon}\"")));
            let ending = gate.admit_token(&token([1; 32])).unwrap();
            assert!(gate.ended(&ending).await.contains("expired"));
            assert_eq!(gate.admit_token(&token([1; 32])).unwrap_err().code(), Code::Unauthenticated);
            assert_eq!(gate.refused(), 1);
        });
    }
}
