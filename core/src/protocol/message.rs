//! Every message, as values of this program; the codec knows their wire form.

use super::part::Part;
use super::standing::Standing;
use super::wire::Offer;
use crate::clock::VersionVector;
use crate::diff::Change;
use crate::format::LeftOut;
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::identity::Introduction;
use crate::merge::Withheld;
use crate::replica::{Delta, MadeOn};
use crate::value::Value;

/// What one replica says of a document when it meets another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Which document.
    pub document: DocumentName,
    /// Its birth; `None` while unfounded, or when the sender gives up its own birth to adopt the receiver's.
    pub genesis: Option<Genesis>,
    /// What it weighs where it meets another one.
    pub standing: Standing,
    /// What the sender has seen, durably.
    pub seen: VersionVector,
    /// The name under which the sender writes, or will once it has the document.
    pub replica: Option<ReplicaId>,
    /// The name under which it wrote before, where it starts anew: nothing of that name is to be expected any more.
    pub former: Option<ReplicaId>,
    /// A short name of the rules by which the sender's writes settle conflicts; instances from before it was told say none.
    pub rules: Option<u64>,
}

/// What one replica says of a document from time to time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Which document.
    pub document: DocumentName,
    /// Its birth.
    pub genesis: Genesis,
    /// What the sender has seen, durably.
    pub seen: VersionVector,
    /// What the sender has settled to; nothing where it keeps its history.
    pub floor: VersionVector,
    /// The digest of its view: equal `seen` with different views is a defect, and said aloud.
    pub view_digest: String,
}

/// Somebody holds a lock, or no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockNews {
    /// Of which document.
    pub document: DocumentName,
    /// The paths that it covers, as a pattern.
    pub key: String,
    /// Who holds it, or did.
    pub holder: String,
    /// Its token.
    pub token: u64,
    /// Whether it is held from now on.
    pub is_locked: bool,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Opens a session between replicas, and again whenever what it says of a document changes.
    Hello {
        /// What the sender can read.
        offer: Offer,
        /// What it holds.
        documents: Vec<Greeting>,
        /// Who it is.
        introduction: Option<Introduction>,
    },
    /// Writes that the receiver lacks; a live write is the delta of one write.
    Delta {
        /// Which document.
        document: DocumentName,
        /// Its birth.
        genesis: Genesis,
        /// The writes.
        delta: Delta,
    },
    /// Part of the writes that the receiver lacks, where one frame would get too long.
    Part {
        /// Which document.
        document: DocumentName,
        /// Its birth.
        genesis: Genesis,
        /// Which part.
        part: Part,
        /// The range of the whole delta, and the writes of this part.
        delta: Delta,
    },
    /// Asks for everything after `seen`.
    Pull {
        /// Which document.
        document: DocumentName,
        /// What the sender has seen.
        seen: VersionVector,
    },
    /// Says what is now safe on the sender's disk.
    Ack {
        /// Which document.
        document: DocumentName,
        /// What the sender has seen, durably.
        seen: VersionVector,
    },
    /// Sent from time to time; closes every gap.
    Heartbeat {
        /// What the sender holds.
        documents: Vec<Pulse>,
    },
    /// The first message to whoever connects.
    ConnectionEstablished {
        /// Unique name of the connection.
        connection_id: String,
    },
    /// A guest names the patterns that it wants `config_sync` for; none means nothing.
    Subscribe {
        /// Pattern texts.
        patterns: Vec<String>,
    },
    /// A guest asks for the document and, with `follow`, for every change list after it.
    ConfigRequest {
        /// Which document.
        document: DocumentName,
        /// Whether to send `config_update` from now on, in place of `config_sync`.
        follow: bool,
        /// Whether each of them says the content hash, which costs the host the whole document each time.
        hash: bool,
    },
    /// The effective document.
    ConfigResponse {
        /// Which document.
        document: DocumentName,
        /// Its revision at the sender.
        revision: u64,
        /// Its content hash.
        hash: String,
        /// The document.
        value: Value,
        /// The shared writes that it shows.
        seen: Option<VersionVector>,
    },
    /// What changed from one revision to the next.
    ConfigUpdate {
        /// Which document.
        document: DocumentName,
        /// The revision that the changes apply to.
        base: u64,
        /// The revision after them.
        revision: u64,
        /// The content hash after them, for guests that asked for it.
        hash: Option<String>,
        /// The changes.
        changes: Vec<Change>,
        /// The shared writes that the revision shows.
        seen: Option<VersionVector>,
    },
    /// A guest asks for a write.
    ConfigChange {
        /// Which document.
        document: DocumentName,
        /// The dotted path.
        key: String,
        /// The value; `None` removes the path.
        value: Option<Value>,
        /// Who, for the record.
        user: Option<String>,
        /// Comes back in the answer; a repeated id is answered, not written again.
        request_id: Option<String>,
        /// What it was made on. Without, it is made on what the host has.
        made_on: Option<MadeOn>,
        /// The id of the request that the guest made before this one: it has seen that, too.
        after: Option<String>,
    },
    /// A guest asks for the whole document to become this one: a `config_update` with `config_data`.
    ConfigReplace {
        /// Which document.
        document: DocumentName,
        /// What it shall be.
        value: Value,
        /// The content hash of that, where the guest says one.
        hash: Option<String>,
        /// The content hash of the document that it was made on, where the guest says one.
        base_hash: Option<String>,
        /// Who, for the record.
        user: Option<String>,
        /// Comes back in the answer; a repeated id is answered, not written again.
        request_id: Option<String>,
    },
    /// The answer to `config_change`, and with the key of the whole document to a `config_update`.
    ConfigChangeResponse {
        /// The dotted path of the question.
        key: String,
        /// The revision that shows it, or what was wrong.
        result: Result<u64, crate::Error>,
        /// Nothing is otherwise than before: what was asked for stood there.
        unchanged: bool,
        /// The source that hides the new value, if one does.
        shadowed_by: Option<String>,
        /// What of it is not in force at the host, because it would make the document invalid.
        withheld: Vec<Withheld>,
        /// What of it the host's bound file cannot hold.
        left_out: Vec<LeftOut>,
        /// From the question.
        request_id: Option<String>,
    },
    /// One changed key, for guests that subscribed by pattern.
    ConfigSync {
        /// Which document.
        document: DocumentName,
        /// The revision that shows it.
        revision: u64,
        /// The change.
        change: Change,
        /// The shared writes that the revision shows.
        seen: Option<VersionVector>,
    },
    /// A guest asks for an operation of the list, by name.
    Call {
        /// Of which document.
        document: DocumentName,
        /// What.
        operation: String,
        /// A map of arguments.
        arguments: Value,
        /// Comes back in the answer.
        request_id: String,
    },
    /// The answer to a `call`.
    Answer {
        /// From the question.
        request_id: String,
        /// The reply, or what was wrong.
        result: Result<Value, crate::Error>,
    },
    /// Tells a guest of a lock.
    Lock(LockNews),
    /// Asks for a `pong`.
    Ping,
    /// Answers a `ping`.
    Pong,
    /// Something was wrong with a message.
    Error {
        /// What.
        error: crate::Error,
        /// From the message, where it had one.
        request_id: Option<String>,
    },
}
