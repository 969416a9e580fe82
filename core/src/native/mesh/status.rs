//! How a mesh is doing.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::access::AuthStatus;
use super::actor::Actor;
use super::buses::BusStatus;
use super::notices::NotifyStatus;
use super::remotes::RemoteStatus;
use crate::clock::{MAX_AHEAD_MS, rfc3339};
use crate::engine::{
    Apart, Aside, DocumentStatus, LinkState, Member, PeerClock, SaveConflict, Settling, SourceState, SourceStatus,
    WithheldWrite,
};
use crate::error::Error;
use crate::format::LeftOut;
use crate::id::InstanceId;
use crate::native::http::{Inbound, RateStatus, Verdict};
use crate::path::Path;
use crate::replica::Disagreement;
use crate::secret::secret_paths;
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
    /// The other instances: those that are dialed, in the order of the options, then those who dialed in.
    pub peers: Vec<PeerStatus>,
    /// The buses, in the order of the options.
    pub buses: Vec<BusStatus>,
    /// For how long it is in step with none of the others, in milliseconds: 0 where it is with one; none where there are none.
    pub out_of_step_ms: Option<u64>,
    /// How long that, or a broken source, may last until health says so as well, in milliseconds.
    pub stale_after_ms: Option<u64>,
    /// How many guests are connected.
    pub connected_clients: usize,
    /// While it starts: the sources that it waits for; none once it runs.
    pub starting: Option<Vec<Str>>,
    /// Why the store takes no writes, as far as one was tried; it is tried again.
    pub store_failure: Option<Error>,
    /// How the authentication file stands; none where everybody may do everything.
    pub auth: Option<AuthStatus>,
    /// How the limit of requests stands; none where there is none.
    pub rate_limit: Option<RateStatus>,
    /// How those who are told of what is wrong are doing.
    pub notify: Vec<NotifyStatus>,
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
    /// For how long its stale sources are stale, in milliseconds.
    pub stale_ms: BTreeMap<Str, u64>,
    /// More about the sources that are polled.
    pub remotes: BTreeMap<Str, RemoteStatus>,
    /// For how long the oldest question to the checks of the program has had no answer, in milliseconds.
    pub checking_ms: Option<u64>,
    /// What is odd about the sources, variables that are ignored, scalars that readers take differently; and that the store
    /// was put back.
    pub warnings: Vec<Error>,
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

/// Who made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This instance did.
    Dialed,
    /// The other one did.
    Accepted,
}

/// How another instance, and the connection to it, is doing.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Who made the connection.
    pub direction: Direction,
    /// The address that is dialed, or where the connection comes from.
    pub address: String,
    /// What the connection is doing.
    pub state: PeerState,
    /// Who answered there, once it said so.
    pub instance: Option<InstanceId>,
    /// What the two have come to; none where there is no connection.
    pub link: Option<LinkState>,
    /// What is wrong between the two, until it is over.
    pub problems: Vec<Error>,
    /// Since when the connection stands, in milliseconds since 1970.
    pub since_ms: Option<u64>,
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

impl Direction {
    /// `dialed` or `accepted`.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Dialed => "dialed",
            Direction::Accepted => "accepted",
        }
    }
}

impl MeshStatus {
    /// Whether every check passes: sources are in force as they lie there, so is what others wrote, the store takes writes,
    /// and the other instances are reached and agree.
    pub fn is_healthy(&self) -> bool {
        self.health().verdict() == Verdict::Passed
    }

    /// What `GET /status` answers.
    pub fn to_value(&self) -> Value {
        let listen: Vec<Value> = self.listen.iter().map(|address| address.to_string().into()).collect();
        let peers: Vec<Value> = self.peers.iter().map(PeerStatus::to_value).collect();
        let documents: Vec<Value> = self.documents.iter().map(|document| document.to_value(self.wall_ms)).collect();
        let mut fields = vec![
            ("instance_id", self.instance.to_string().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("uptime_seconds", self.uptime.as_secs().into()),
            ("health", self.health().to_value()),
            ("listen", listen.into()),
            ("peers", peers.into()),
            ("connected_clients", count(self.connected_clients)),
            ("documents", documents.into()),
        ];
        if !self.buses.is_empty() {
            fields.push(("buses", self.buses.iter().map(BusStatus::to_value).collect::<Vec<Value>>().into()));
        }
        fields.extend(self.out_of_step_ms.map(|ms| ("out_of_step_ms", ms.into())));
        fields.extend(self.auth.as_ref().map(|auth| ("auth", auth.to_value())));
        if !self.notify.is_empty() {
            fields.push(("notify", self.notify.iter().map(NotifyStatus::to_value).collect::<Vec<Value>>().into()));
        }
        fields.extend(self.rate_limit.map(|rate| ("rate_limit", rate_value(&rate))));
        map(fields)
    }

    /// What `GET /health` answers besides the checks.
    pub(super) fn about(&self, timestamp: String) -> Value {
        map([
            ("instance_id", self.instance.to_string().into()),
            ("connected_clients", count(self.connected_clients)),
            ("timestamp", timestamp.into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ])
    }
}

/// `{"requests_per_minute", "burst", "block_ms", "whitelist_local", "blocked", "requests", "refused", "blocks"}`.
fn rate_value(rate: &RateStatus) -> Value {
    let (limit, counts) = (rate.limit, rate.counts);
    map([
        ("requests_per_minute", u64::from(limit.requests_per_minute).into()),
        ("burst", u64::from(limit.burst).into()),
        ("block_ms", limit.block_ms.into()),
        ("whitelist_local", limit.whitelist_local.into()),
        ("blocked", count(rate.blocked)),
        ("requests", counts.requests.into()),
        ("refused", counts.refused.into()),
        ("blocks", counts.blocks.into()),
    ])
}

fn count(number: usize) -> Value {
    u64::try_from(number).unwrap_or(u64::MAX).into()
}

impl PeerStatus {
    fn to_value(&self) -> Value {
        let mut fields = vec![
            ("direction", self.direction.as_str().into()),
            ("address", self.address.as_str().into()),
            ("state", self.state.as_str().into()),
        ];
        if self.direction == Direction::Dialed {
            fields.push(("url", self.address.as_str().into()));
        }
        fields.extend(self.link.map(|link| ("link", link.as_str().into())));
        if !self.problems.is_empty() {
            fields.push(("problems", self.problems.iter().map(Error::to_value).collect::<Vec<Value>>().into()));
        }
        fields.extend(self.since_ms.map(|since| ("connected_since", rfc3339(since).into())));
        fields.extend(self.instance.map(|instance| ("instance_id", instance.to_string().into())));
        fields.extend(self.last_error.as_ref().map(|error| ("last_error", error.to_value())));
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
        let sources: Vec<Value> = status.sources.iter().map(|source| self.source_value(source)).collect();
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
            let errors: Vec<Value> = rejection.errors.iter().map(Error::to_value).collect();
            ("rejected", map([("cause", rejection.cause.clone().into()), ("errors", errors.into())]))
        }));
        if !status.withheld.is_empty() {
            let withheld = status.withheld.iter().map(WithheldWrite::to_value);
            fields.push(("withheld", withheld.collect::<Vec<Value>>().into()));
        }
        fields.extend(status.checking.as_ref().zip(self.checking_ms).map(|(checking, for_ms)| {
            let mut fields = vec![
                ("for_ms", for_ms.into()),
                ("within_ms", checking.within_ms.into()),
                ("writes", count(checking.writes)),
                ("late", count(checking.late)),
            ];
            fields.extend(checking.cause.clone().map(|cause| ("cause", cause.into())));
            ("checking", map(fields))
        }));
        fields.extend(ahead.filter(|ahead| *ahead > MAX_AHEAD_MS).map(|ahead| ("stamps_ahead_ms", ahead.into())));
        let list = |name, values: Vec<Value>| (!values.is_empty()).then(|| (name, values.into()));
        fields.extend(
            status.standing.as_ref().map(|standing| ("age", if standing.old { "old" } else { "young" }.into())),
        );
        fields.extend(list("apart", status.apart.iter().map(Apart::to_value).collect()));
        fields.extend(list("kept", status.kept.iter().map(Aside::to_value).collect()));
        fields.extend(list("left_out", status.left_out.iter().map(LeftOut::to_value).collect()));
        fields.extend(list("warnings", self.warnings.iter().map(Error::to_value).collect()));
        fields.extend(list("save_conflicts", status.save_conflicts.iter().map(SaveConflict::to_value).collect()));
        fields.extend(status.settling.as_ref().map(|settling| ("settling", settling_value(settling))));
        fields.extend(status.file.as_ref().map(|file: &Str| ("bound_file", file.clone().into())));
        map(fields)
    }

    fn source_value(&self, source: &SourceStatus) -> Value {
        let error = match &source.state {
            SourceState::Stale(error) => Some(error),
            SourceState::Fresh | SourceState::Missing => None,
        };
        let mut fields = vec![
            ("id", source.id.clone().into()),
            ("priority", source.priority.into()),
            ("state", source.state.as_str().into()),
        ];
        fields.extend(self.stale_ms.get(&source.id).map(|ms| ("stale_ms", (*ms).into())));
        fields.extend(error.map(|error| ("error", error.to_value())));
        fields.extend(self.remotes.get(&source.id).into_iter().flat_map(RemoteStatus::fields));
        map(fields)
    }
}

/// Whether history is dropped, and whom that waits for.
fn settling_value(settling: &Settling) -> Value {
    let members = settling.members.iter().map(Member::to_value);
    map([
        ("orphaned", settling.is_orphaned.into()),
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
        fields.extend(side.lost().fields());
        map(fields)
    });
    map([
        ("id", disagreement.id().to_string().into()),
        ("path", disagreement.path.to_string().into()),
        ("sides", sides.collect::<Vec<_>>().into()),
    ])
}

impl Actor {
    /// The sources that the start waits for; none once it is done.
    fn awaited(&self) -> Option<Vec<Str>> {
        let is_starting = self.shared.started.get().is_none();
        let silent = self.remotes.iter().filter(|remote| remote.is_silent()).map(|remote| remote.id.clone());
        is_starting.then(|| silent.collect())
    }

    pub(super) fn status(&self) -> MeshStatus {
        let now = self.clock.now();
        let documents = self.driver.engine().status().into_iter().map(|status| {
            let (mut keys, mut secrets, mut warnings) = (0, Vec::new(), Vec::new());
            if let Some(snapshot) = self.driver.engine().snapshot(&status.document) {
                snapshot.value.for_each_leaf(&mut |_, _| keys += 1);
                secrets = secret_paths(snapshot.policy(), &snapshot.value);
                warnings = snapshot.warnings().to_vec();
            }
            warnings.extend(status.put_back.clone());
            let stale_ms = |source: &SourceStatus| {
                let since = self.stale_since.get(&source.id)?;
                Some((source.id.clone(), now.mono_ms.saturating_sub(*since)))
            };
            let stale_ms = status.sources.iter().filter_map(stale_ms).collect();
            let remotes = self.remotes.iter().map(|remote| (remote.id.clone(), remote.status(now))).collect();
            let checking_ms = status.checking.as_ref().map(|checking| now.mono_ms.saturating_sub(checking.since_ms));
            DocumentState { checking_ms, status, keys, secrets, stale_ms, remotes, warnings }
        });
        let peers = self.peer_statuses();
        MeshStatus {
            instance: self.shared.instance,
            uptime: self.clock.uptime(),
            wall_ms: now.wall_ms,
            listen: self.shared.addresses.get().cloned().unwrap_or_default(),
            out_of_step_ms: self.out_of_step_ms(&peers, now),
            stale_after_ms: self.stale_after_ms,
            peers,
            buses: self.bus_statuses(now),
            connected_clients: self.driver.engine().guest_count(),
            starting: self.awaited(),
            store_failure: self.driver.store_failure().cloned(),
            auth: self.auth_status(),
            rate_limit: self.inbound.as_ref().and_then(Inbound::status),
            notify: self.notices.status(),
            documents: documents.collect(),
        }
    }
}
