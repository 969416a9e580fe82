//! The running thing that a program holds: an engine on a thread of its own, with files, store, listener and peers.
mod access;
mod actor;
pub(crate) mod adopting;
mod answer;
mod asked;
mod backup;
mod buses;
mod calls;
mod checker;
mod checks;
mod clock;
mod environment;
mod files;
mod hosting;
mod inputs;
mod launch;
mod listen;
mod listing;
mod locks;
mod log;
mod log_writer;
mod metrics;
mod notices;
mod open;
mod options;
mod peers;
mod rebuild;
mod remotes;
mod reports;
mod sources;
mod status;
mod subscription;
#[cfg(test)]
mod tests;
mod values;
mod variables;
mod versions;
mod webhooks;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

pub use crate::native::http::{Check, Health, Verdict};
pub use crate::native::source::environment::Environment;
pub use crate::native::source::polled::Source;
pub use access::AuthStatus;
pub use adopting::Adoption;
pub use answer::Answer;
pub use backup::{BackedUp, Restored, backup_bytes, backup_directory, read_backed_up, restore};
pub use buses::BusStatus;
pub use log::{LogFormat, LogLevel};
pub use notices::{NotifyOptions, NotifyStatus};
pub use open::{OpenOptions, open};
pub use options::MeshOptions;
pub use rebuild::rebuild;
pub use remotes::RemoteStatus;
pub use reports::{Report, Reports};
pub use sources::GivenSource;
pub use status::{Direction, DocumentState, MeshStatus, PeerState, PeerStatus};
pub use subscription::{ChangeSet, Notification, Subscription};
pub use variables::{VariableChange, VariableChanges, watch_variables};
pub use versions::ShownVersion;
pub use webhooks::{Webhook, WebhookOptions};

use crate::api::Call;
use crate::canonical::{ContentHash, ContentTag};
use crate::diff::{Change, Patch};
use crate::engine::{
    Aside, Audit, Choice, Command, Conflict, Member, PathVersion, Receipt, Repair, Rollback, Snapshot, WriteTerms,
    Written,
};
use crate::error::{Code, Error, Result};
use crate::history::Version;
use crate::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use crate::merge::Explanation;
use crate::native::guard::Gate;
use crate::native::http::Elsewhere;
use crate::native::net::Shown;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;
use inputs::Request;
use reports::Journal;
use subscription::Subscribers;

/// How long closing may take in all.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// A running configuration; clones are handles to the same one, and dropping the last one closes it.
///
/// Reading takes no lock and never waits. Writing is answered when the write is on the disk.
#[derive(Clone)]
pub struct Mesh {
    owner: Arc<Owner>,
}

/// What [`open`] returns: a [`Mesh`] of one process, whose writes go to the runtime layer.
pub type Config = Mesh;

/// A value and its version, of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned {
    /// The value; `None` where nothing is.
    pub value: Option<Value>,
    /// Its version.
    pub version: PathVersion,
}

/// Closes the mesh with the last handle.
struct Owner(Arc<Shared>);

/// What the handles and the mesh's own thread have in common.
struct Shared {
    document: DocumentName,
    instance: InstanceId,
    addresses: OnceLock<Vec<SocketAddr>>,
    /// What signed requests may do; none are taken.
    webhooks: Option<webhooks::Webhooks>,
    /// Tells those who follow them what is wrong.
    notices: tokio::sync::broadcast::Sender<crate::notice::Notice>,
    /// Set once the start is done.
    started: OnceLock<()>,
    snapshot: ArcSwap<Snapshot>,
    requests: mpsc::Sender<Request>,
    subscribers: Arc<Subscribers>,
    journal: Arc<Journal>,
    /// Who may do what; none where everybody may do everything.
    gate: Option<Gate>,
    /// Who this instance is where it asks others.
    shown: Shown,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Mesh {
    /// The document as it is now; cheap to take and to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.owner.0.snapshot.load_full()
    }

    /// The value at a path; `None` where nothing is.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] for what is no path.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        Ok(self.snapshot().value.at(&Path::parse(path)?).cloned())
    }

    /// Reads what stands at a path as a type of the program; the empty path is the whole document.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] for what is no path, [`Code::Type`] and [`Code::Invalid`] with path, file and line for what does
    /// not fit. Nothing counts as null, which an `Option` takes.
    #[cfg(feature = "serde")]
    pub fn extract<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.snapshot().extract(&Path::parse(path)?)
    }

    /// Sets a path of the shared layer, or of the runtime layer where nothing is shared.
    pub fn set(&self, path: &str, value: impl Into<Value>) -> Answer<Receipt> {
        match Path::parse(path) {
            Ok(path) => self.write(Command::set(path, value.into()), WriteTerms::default()),
            Err(error) => Answer::refused(error),
        }
    }

    /// Removes a path from the layer that [`Mesh::set`] writes.
    pub fn unset(&self, path: &str) -> Answer<Receipt> {
        match Path::parse(path) {
            Ok(path) => self.write(Command::unset(path), WriteTerms::default()),
            Err(error) => Answer::refused(error),
        }
    }

    /// Applies an RFC 6902 patch to the document, and writes what differs; with `if_hash` only if that is the hash of
    /// the document.
    pub fn patch(&self, patch: Patch, if_hash: Option<ContentTag>) -> Answer<Receipt> {
        self.write(Command::Patch(patch), WriteTerms { if_hash, ..WriteTerms::default() })
    }

    /// Applies an RFC 7396 merge patch to the document, and writes what differs.
    pub fn merge_patch(&self, patch: Value, if_hash: Option<ContentTag>) -> Answer<Receipt> {
        self.write(Command::MergePatch(patch), WriteTerms { if_hash, ..WriteTerms::default() })
    }

    /// Makes the document this one, by writing what differs.
    pub fn replace(&self, value: Value, if_hash: Option<ContentTag>) -> Answer<Receipt> {
        self.write(Command::Replace(value), WriteTerms { if_hash, ..WriteTerms::default() })
    }

    /// Writes under conditions, by force, under a lock's token, or in somebody's name.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// use confmesh::engine::{Command, WriteTerms};
    /// use confmesh::{MeshOptions, Path};
    ///
    /// let mesh = MeshOptions::default().start()?;
    /// mesh.set("limit", 1).wait()?;
    /// let read = mesh.read("limit").wait()?;
    /// mesh.set("limit", 2).wait()?;
    /// let terms = WriteTerms { if_version: Some(read.version), ..WriteTerms::default() };
    /// let stale = mesh.write(Command::set(Path::parse("limit")?, 3.into()), terms).wait();
    /// assert_eq!(stale.expect_err("it is refused").code(), confmesh::Code::Stale);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&self, command: Command, terms: WriteTerms) -> Answer<Receipt> {
        self.owner.0.write(command, terms)
    }

    /// The value at a path together with its version, which [`Mesh::write`] takes as a condition.
    pub fn read(&self, path: &str) -> Answer<Versioned> {
        match Path::parse(path) {
            Ok(path) => self
                .owner
                .0
                .read(path.clone())
                .map(move |(snapshot, version)| Versioned { value: snapshot.value.at(&path).cloned(), version }),
            Err(error) => Answer::refused(error),
        }
    }

    /// The shared writes that made what is at a path, the newest first, at most 16: who, when, for whom.
    pub fn written(&self, path: &str) -> Answer<Vec<Written>> {
        match Path::parse(path) {
            Ok(path) => self.owner.0.written(path),
            Err(error) => Answer::refused(error),
        }
    }

    /// What instances wrote at the same time in different ways: what waits for a decision, and with `all` also what a rule
    /// decided, so that whatever lost can be seen.
    pub fn conflicts(&self, all: bool) -> Answer<Vec<Conflict>> {
        self.owner.0.conflicts(all)
    }

    /// How conflicts ended, and what came from elsewhere and became of it: the newest entries since the start, oldest first,
    /// at most 1,024. The log has them all, from the level `info` on.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions::default().start()?;
    /// mesh.set("app.limit", 1).wait()?;
    /// assert!(mesh.audit().wait()?.is_empty(), "nothing came from elsewhere");
    /// # Ok(())
    /// # }
    /// ```
    pub fn audit(&self) -> Answer<Vec<Audit>> {
        self.owner.0.audit()
    }

    /// Compares the document with every connected instance now, and not only with the next heartbeat: what either side lacks
    /// is sent. Answered with how many instances are asked; one that fails holds up no other one.
    pub fn force_sync(&self) -> Answer<usize> {
        self.owner.0.force_sync()
    }

    /// Settles a conflict that [`Mesh::conflicts`] listed.
    pub fn resolve(&self, id: ContentHash, choice: Choice) -> Answer<Receipt> {
        self.write(Command::Resolve(id, choice), WriteTerms::default())
    }

    /// Names for every instance who is to decide an open conflict; `None` withdraws the name.
    pub fn assign(&self, id: ContentHash, user: Option<&str>) -> Answer<Receipt> {
        self.write(Command::Assign(id, user.map(Into::into)), WriteTerms::default())
    }

    /// Who has to be reached before the history of the document is dropped, and who holds that up; none where the history is
    /// kept.
    pub fn members(&self) -> Answer<Vec<Member>> {
        let document = self.document().clone();
        self.status().map(move |status| {
            let status = status.documents.into_iter().map(|state| state.status).find(|s| s.document == document);
            status.and_then(|status| status.settling).map(|settling| settling.members).unwrap_or_default()
        })
    }

    /// Takes a member that is gone for good out of the members, so that it holds up the dropping of history no more. Name
    /// it by the beginning of its replica's id; answered with the whole id when that is on the disk.
    ///
    /// Only for the one instance that all others dial: writes of the member that this instance has not seen are not taken
    /// any more. Should it come back, it takes over the document and makes its unshared writes again. Refused with
    /// [`Code::NotFound`] for no member, [`Code::Usage`] for several, or for this very instance.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions { settle: true, ..Default::default() }.start()?;
    /// let members = mesh.members().wait()?;
    /// let own = members.first().map(|member| member.replica.to_string()).unwrap_or_default();
    /// let refused = mesh.expel(&own).wait().expect_err("nobody expels itself");
    /// assert_eq!(refused.code(), confmesh::Code::Usage);
    /// # Ok(())
    /// # }
    /// ```
    pub fn expel(&self, replica: &str) -> Answer<ReplicaId> {
        self.owner.0.expel(replica)
    }

    /// Gives the document up for another one of the same name that a connected instance holds: named by the beginning of that
    /// document's birth, or of the instance's id (`/status` names both). Nothing goes along; everything that was here is kept
    /// ([`Mesh::kept`]), and every instance that shares this document follows. Answered with the whole birth when that is
    /// on the disk.
    ///
    /// Refused with [`Code::NotFound`] where nobody connected holds such a document, [`Code::Usage`] where several do.
    pub fn adopt(&self, other: &str) -> Answer<Genesis> {
        self.owner.0.adopt(other)
    }

    /// What [`Mesh::adopt`] would lose for the document of the instance at `https://host:port`, and with `yes` that it is done.
    /// The two have to be connected as peers.
    ///
    /// Refused with [`Code::Unreachable`] where no instance answers there, [`Code::Usage`] for what is no such URL and where both
    /// share one document already, and as [`Mesh::adopt`] is.
    ///
    /// ```no_run
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions::default().peer("wss://10.0.0.7:8765").start()?;
    /// for change in mesh.adopt_from("https://10.0.0.7:8765", false).wait()?.lost {
    ///     println!("{} would be lost", change.path);
    /// }
    /// assert!(mesh.adopt_from("https://10.0.0.7:8765", true).wait()?.done);
    /// # Ok(())
    /// # }
    /// ```
    pub fn adopt_from(&self, url: &str, yes: bool) -> Answer<Adoption> {
        match Elsewhere::parse(url) {
            Ok(other) => self.owner.0.ask(|reply| Request::AdoptFrom(other, yes, reply)),
            Err(error) => Answer::refused(error),
        }
    }

    /// What [`Mesh::repair`] would remove: authors of whom no write is held, and members that are not connected. Changes nothing.
    pub fn repair_plan(&self) -> Answer<Repair> {
        self.owner.0.repair_plan()
    }

    /// Lets the document go on as another one, with the same content and without history, authors and members that nobody
    /// is; where no member was left, this instance is one again. Everybody who shares the document follows, makes again what it
    /// wrote meanwhile, and keeps what it showed and that one does not ([`Mesh::kept`]). Answered with the other one's birth when
    /// it is on the disk.
    ///
    /// Refused with [`Code::Usage`] where there is nothing to repair, [`Code::Disputed`] while somebody has to decide a
    /// conflict.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions::default().start()?;
    /// assert!(mesh.repair_plan().wait()?.is_needless());
    /// let refused = mesh.repair().wait().expect_err("nothing is wrong with it");
    /// assert_eq!(refused.code(), confmesh::Code::Usage);
    /// # Ok(())
    /// # }
    /// ```
    pub fn repair(&self) -> Answer<Genesis> {
        self.owner.0.repair()
    }

    /// What this instance held before other documents took its place, the oldest first, until it is confirmed.
    pub fn kept(&self) -> Answer<Vec<Aside>> {
        self.owner.0.kept()
    }

    /// Says that what is kept under a number is not needed any more. A copy beside the bound file stays where it is.
    /// Refused with [`Code::NotFound`] where there is none.
    pub fn confirm_kept(&self, id: u64) -> Answer<()> {
        self.owner.0.confirm_kept(id)
    }

    /// Follows the changes of paths that match a pattern, from now on.
    ///
    /// # Errors
    /// [`Code::PatternSyntax`] for what is no pattern, [`Code::Closed`] after [`Mesh::close`].
    pub fn subscribe(&self, pattern: &str) -> Result<Subscription> {
        self.owner.0.subscribers.add(vec![Pattern::parse(pattern)?])
    }

    /// What an operator should know, from the start on: a source that broke or is in order again, an edit that was refused,
    /// a connection. What the log is told, whatever its level; the newest 1,024 are kept for those who ask late.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions::default().listen("127.0.0.1:0").start()?;
    /// let mut reports = mesh.reports();
    /// let first = reports.wait(std::time::Duration::from_secs(9))?.expect("it listens");
    /// assert!(first.message.starts_with("listening on"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn reports(&self) -> Reports {
        self.owner.0.journal.read()
    }

    /// Calls a function for every webhook about a document of this name, `*` for any, once what it wrote is on the disk. Where it
    /// fails the sender hears so, sends it again, and it is called again; others are called whatever one does. It runs on a thread of
    /// its own, at most ten seconds.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions::default().webhook_secret("deploy=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").start()?;
    /// mesh.on_webhook("*", |hook| {
    ///     println!("{} sent {} for {}", hook.principal, hook.id, hook.name);
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Code::Usage`] where no webhook secret is set: it would never be called.
    pub fn on_webhook(
        &self,
        name: &str,
        handler: impl Fn(&Webhook) -> Result<()> + Send + Sync + 'static,
    ) -> Result<()> {
        let Some(webhooks) = &self.owner.0.webhooks else {
            return Err(Error::new(Code::Usage, "this instance takes no webhooks, as no secret is set")
                .with_hint("start it with a webhook secret, or with `CONFMESH_WEBHOOK_SECRET` in `confmesh serve`"));
        };
        webhooks.add(name, Arc::new(handler));
        Ok(())
    }

    /// The newest versions of what instances share, at most so many, the newest first: each is a visible change, as this
    /// instance saw it. How many are kept says [`MeshOptions::history`](struct@MeshOptions).
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// let mesh = confmesh::MeshOptions::default().start()?;
    /// mesh.set("limit", 1).wait()?;
    /// mesh.set("limit", 2).wait()?;
    /// let versions = mesh.versions(10).wait()?;
    /// let shown = mesh.show_version(&versions[1].number.to_string()).wait()?;
    /// assert_eq!(shown.then.value.child("limit"), Some(&1.into()));
    /// mesh.rollback("1", None, Default::default()).wait()?;
    /// assert_eq!(mesh.get("limit")?, Some(1.into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn versions(&self, most: usize) -> Answer<Vec<Version>> {
        self.owner.0.versions(most)
    }

    /// A version, and what instances shared after it: by its number, by `config_<UTC time>.json`, or by a time that it was in
    /// force at. Refused with [`Code::NotFound`] for one that is not kept.
    pub fn show_version(&self, version: &str) -> Answer<ShownVersion> {
        self.owner.0.show_version(version)
    }

    /// What changed from one version to another one, or to what is shared now.
    pub fn compare_versions(&self, from: &str, to: Option<&str>) -> Answer<Vec<Change>> {
        self.owner.0.compare_versions(from, to)
    }

    /// What [`Mesh::rollback`] would write; changes nothing.
    pub fn rollback_plan(&self, version: &str, pattern: Option<&str>) -> Answer<Rollback> {
        self.owner.0.rollback_plan(version, pattern)
    }

    /// Makes what instances share what it was at a version, where a pattern matches and below it or everywhere, by an ordinary
    /// write: checked, permitted, and a version of its own. Answered with nothing where there is nothing to write.
    pub fn rollback(&self, version: &str, pattern: Option<&str>, terms: WriteTerms) -> Answer<Option<Receipt>> {
        self.owner.0.rollback(version, pattern, terms)
    }

    /// Why the value at a path is what it is; `None` where no source ever spoke of it.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] for what is no path.
    pub fn explain(&self, path: &str) -> Result<Option<Explanation>> {
        Ok(self.snapshot().explain(&Path::parse(path)?))
    }

    /// Does what a row of the [list of operations](crate::api) says, by its name and a map of its arguments, and answers with
    /// the reply's JSON form: how bindings ask. A program in Rust has a method for each.
    ///
    /// Refused with [`Code::NotFound`] for no such operation, [`Code::Usage`] for arguments that do not fit it.
    ///
    /// ```
    /// # fn main() -> confmesh::Result<()> {
    /// use confmesh::Value;
    ///
    /// let mesh = confmesh::MeshOptions::default().start()?;
    /// assert_eq!(mesh.call("force_sync", &Value::Null).wait()?, Value::from(0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call(&self, operation: &str, arguments: &Value) -> Answer<Value> {
        match Call::new(operation, arguments) {
            Ok(call) => self.owner.0.call(call.clone(), None).map(move |reply| call.bare(reply)),
            Err(error) => Answer::refused(error),
        }
    }

    /// Who holds locks of the document, and who grants them: `{"locks": [{"key", "holder", "token", "expires_in_ms"}],
    /// "authority": {"instance_id", "epoch"} or null}`.
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
    /// let mesh = MeshOptions::default().start()?;
    /// let lock = mesh.lock("db.*", "ann", 30_000, 0).wait()?;
    /// assert_eq!(lock.child("key"), Some(&Value::from("db.*")));
    /// assert!(mesh.set("db.host", "a").wait().is_err(), "it is locked");
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock(&self, key: &str, holder: &str, ttl_ms: u64, wait_ms: u64) -> Answer<Value> {
        let arguments = locks::given([
            ("key", key.into()),
            ("holder", holder.into()),
            ("ttl_ms", ttl_ms.into()),
            ("wait_ms", wait_ms.into()),
        ]);
        self.call("lock", &arguments)
    }

    /// Holds a lock for as long again as it was asked for.
    pub fn renew_lock(&self, key: &str, token: &str, session: &str) -> Answer<Value> {
        self.call(
            "renew_lock",
            &locks::given([("key", key.into()), ("token", token.into()), ("session", session.into())]),
        )
    }

    /// Ends a lock.
    pub fn release_lock(&self, key: &str, token: &str, session: &str) -> Answer<Value> {
        self.call(
            "release_lock",
            &locks::given([("key", key.into()), ("token", token.into()), ("session", session.into())]),
        )
    }

    /// Takes a lock from whoever holds it, and writes down why.
    pub fn force_release_lock(&self, key: &str, reason: &str) -> Answer<Value> {
        self.call("force_release_lock", &locks::given([("key", key.into()), ("reason", reason.into())]))
    }

    /// Makes this instance the one that grants the document's locks, where the one that did is gone for good.
    pub fn take_lock_authority(&self) -> Answer<Value> {
        self.call("take_lock_authority", &Value::Null)
    }

    /// How the mesh, its sources and its peers are doing.
    pub fn status(&self) -> Answer<MeshStatus> {
        self.owner.0.status()
    }

    /// The checks that `GET /health` and `/readyz` show: whether requests may be sent here, and what someone should look at.
    pub fn health(&self) -> Answer<Health> {
        self.status().map(|status| status.health())
    }

    /// The addresses that are really listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.owner.0.addresses.get().map_or(&[], Vec::as_slice)
    }

    /// Who this instance is.
    pub fn instance(&self) -> InstanceId {
        self.owner.0.instance
    }

    /// The document's name.
    pub fn document(&self) -> &DocumentName {
        &self.owner.0.document
    }

    /// Closes the mesh: what was asked for before is finished, the store is flushed, peers are told. Blocks until that is
    /// done, at most about five seconds; a second call only waits for the first. The last snapshot can still be read.
    pub fn close(&self) {
        self.owner.0.close();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Mesh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mesh({} as {})", self.document(), self.instance())
    }
}
