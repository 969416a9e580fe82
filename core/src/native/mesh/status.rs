//! How a mesh is doing.
use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::{MAX_AHEAD_MS, rfc3339};
use crate::engine::{DocumentStatus, PeerClock, SaveConflict, Settling, SourceState, SourceStatus, WithheldWrite};
use crate::error::Error;
use crate::format::LeftOut;
use crate::id::InstanceId;
use crate::native::http::error_value;
use crate::path::Path;
use crate::replica::Disagreement;
use crate::value::{Str, Value};

/// Everything that `GET /status` shows.
#[derive(Clone, Debug)]
pub struct MeshStatus {
    /// Who this is.
    pub instance: InstanceId,
    /// How long it has been running.
    pub uptime: Duration,
    /// What its clock showed, in milliseconds since 1970.
    pub wall_ms: u64,
    /// The addresses that are listened on.
    pub listen: Vec<SocketAddr>,
    /// The instances that are dialed, in the order of the options.
    pub peers: Vec<PeerStatus>,
    /// How many guests are connected.
    pub connected_clients: usize,
    /// The documents.
    pub documents: Vec<DocumentState>,
}

/// How one document is doing.
#[derive(Clone, Debug)]
pub struct DocumentState {
    /// What the engine says of it.
    pub status: DocumentStatus,
    /// How many leaves it has.
    pub keys: usize,
    /// The paths of what must not be shown.
    pub secrets: Vec<Path>,
}

/// What the connection to a peer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// It stands.
    Connected,
    /// An attempt is being made.
    Connecting,
    /// The last attempt failed or the connection was lost; it is tried again.
    Waiting,
}

/// How the connection to a peer is doing.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// The address that is dialed.
    pub url: String,
    /// What the connection is doing.
    pub state: PeerState,
    /// Who answered there, once it said so.
    pub instance: Option<InstanceId>,
    /// Why there is no connection.
    pub last_error: Option<Error>,
    /// How long is waited between the attempts.
    pub retry_in: Option<Duration>,
    /// How its clock stands to the clock here, once it said what time it is.
    pub clock: Option<PeerClock>,
}

impl PeerState {
    /// `connected`, `connecting` or `waiting`.
    pub fn as_str(self) -> &'static str {
        match self {
            PeerState::Connected => "connected",
            PeerState::Connecting => "connecting",
            PeerState::Waiting => "waiting",
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn map(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    fields.into_iter().collect()
}

impl MeshStatus {
    /// Whether every source is in force as it lies there, and so is what others wrote.
    pub fn is_healthy(&self) -> bool {
        let sources = self.documents.iter().flat_map(|document| &document.status.sources);
        let is_rejected = self.documents.iter().any(|document| document.status.rejected.is_some());
        !is_rejected && sources.into_iter().all(|source| !matches!(source.state, SourceState::Stale(_)))
    }

    /// What `GET /status` answers.
    pub fn to_value(&self) -> Value {
        let listen: Vec<Value> = self.listen.iter().map(|address| address.to_string().into()).collect();
        let peers: Vec<Value> = self.peers.iter().map(PeerStatus::to_value).collect();
        let documents: Vec<Value> = self.documents.iter().map(|document| document.to_value(self.wall_ms)).collect();
        map([
            ("instance_id", self.instance.to_string().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("uptime_seconds", self.uptime.as_secs().into()),
            ("listen", listen.into()),
            ("peers", peers.into()),
            ("connected_clients", count(self.connected_clients)),
            ("documents", documents.into()),
        ])
    }

    /// What `GET /health` answers.
    pub fn to_health(&self, timestamp: String) -> Value {
        map([
            ("status", if self.is_healthy() { "healthy" } else { "degraded" }.into()),
            ("instance_id", self.instance.to_string().into()),
            ("connected_clients", count(self.connected_clients)),
            ("timestamp", timestamp.into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ])
    }
}

fn count(number: usize) -> Value {
    u64::try_from(number).unwrap_or(u64::MAX).into()
}

impl PeerStatus {
    fn to_value(&self) -> Value {
        let mut fields = vec![("url", self.url.as_str().into()), ("state", self.state.as_str().into())];
        fields.extend(self.instance.map(|instance| ("instance_id", instance.to_string().into())));
        fields.extend(self.last_error.as_ref().map(|error| ("last_error", error_value(error))));
        fields.extend(self.clock.map(|clock| ("clock_offset_ms", clock.offset_ms.into())));
        let stamps = self.clock.map(|clock| clock.stamps_ahead_ms).filter(|ahead| *ahead > 0);
        fields.extend(stamps.map(|ahead| ("stamps_ahead_ms", ahead.into())));
        fields.extend(self.retry_in.map(|wait| ("retry_in_ms", milliseconds(wait).into())));
        map(fields)
    }
}

impl DocumentState {
    fn to_value(&self, wall_ms: u64) -> Value {
        let status = &self.status;
        let ahead = status.stamped_ms.map(|stamped| stamped.saturating_sub(wall_ms));
        let sources: Vec<Value> = status.sources.iter().map(source_value).collect();
        let mut fields = vec![
            ("name", status.document.to_string().into()),
            ("revision", status.revision.into()),
            ("hash", status.hash.to_string().into()),
            ("founded", status.genesis.is_some().into()),
            ("genesis", status.genesis.as_deref().map_or(Value::Null, Value::from)),
            ("sources", sources.into()),
            ("view_hash", status.shared_hash.map_or(Value::Null, |hash| hash.to_string().into())),
            ("keys", count(self.keys)),
            ("secrets", self.secrets.iter().map(|path| path.to_string().into()).collect::<Vec<Value>>().into()),
            ("conflicts", status.disagreements.iter().map(conflict_value).collect::<Vec<_>>().into()),
        ];
        fields.extend(status.rejected.as_ref().map(|rejection| {
            let errors: Vec<Value> = rejection.errors.iter().map(error_value).collect();
            ("rejected", map([("cause", rejection.cause.clone().into()), ("errors", errors.into())]))
        }));
        if !status.withheld.is_empty() {
            let withheld = status.withheld.iter().map(WithheldWrite::to_value);
            fields.push(("withheld", withheld.collect::<Vec<Value>>().into()));
        }
        fields.extend(ahead.filter(|ahead| *ahead > MAX_AHEAD_MS).map(|ahead| ("stamps_ahead_ms", ahead.into())));
        let list = |name, values: Vec<Value>| (!values.is_empty()).then(|| (name, values.into()));
        fields.extend(list("left_out", status.left_out.iter().map(LeftOut::to_value).collect()));
        fields.extend(list("save_conflicts", status.save_conflicts.iter().map(SaveConflict::to_value).collect()));
        fields.extend(status.settling.as_ref().map(|settling| ("settling", settling_value(settling))));
        fields.extend(status.file.as_ref().map(|file: &Str| ("bound_file", file.clone().into())));
        map(fields)
    }
}

/// Whether history is dropped, and whom that waits for.
fn settling_value(settling: &Settling) -> Value {
    let members = settling.members.iter().map(|member| {
        let mut fields = vec![
            ("replica", member.replica.to_string().into()),
            ("own", member.is_own.into()),
            ("connected", (member.is_own || member.is_connected).into()),
            ("blocks", member.blocks.into()),
        ];
        fields.extend(member.instance.map(|instance| ("instance_id", instance.to_string().into())));
        fields.extend(member.acknowledged_ms.map(|at| ("acknowledged", rfc3339(at).into())));
        map(fields)
    });
    map([
        ("members", members.collect::<Vec<_>>().into()),
        ("held_writes", count(settling.held)),
        ("last_dropped", settling.dropped_ms.map_or(Value::Null, |at| rfc3339(at).into())),
    ])
}

/// A path that was written at the same time in different ways: what is in force and what lost.
fn conflict_value(disagreement: &Disagreement) -> Value {
    let sides = disagreement.sides.iter().map(|side| {
        let mut fields = vec![
            ("in_force", side.in_force.into()),
            ("timestamp", rfc3339(side.stamp.wall_ms()).into()),
            ("author", side.dot.replica.to_string().into()),
        ];
        fields.extend(side.value.clone().map(|value| ("value", value)));
        map(fields)
    });
    map([
        ("id", disagreement.id().to_string().into()),
        ("path", disagreement.path.to_string().into()),
        ("sides", sides.collect::<Vec<_>>().into()),
    ])
}

fn source_value(source: &SourceStatus) -> Value {
    let error = match &source.state {
        SourceState::Stale(error) => Some(error),
        SourceState::Fresh | SourceState::Missing => None,
    };
    let mut fields = vec![
        ("id", source.id.clone().into()),
        ("priority", source.priority.into()),
        ("state", source.state.as_str().into()),
    ];
    fields.extend(error.map(|error| ("error", error_value(error))));
    map(fields)
}
