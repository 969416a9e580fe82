//! Numbers to watch: what happened since the start, and how things stand, in OpenMetrics' text form.
//!
//! Labels have few values: kinds and outcomes, never a path, an address or a value.
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::status::{MeshStatus, PeerState};
use crate::engine::{Audit, AuditEntry, RequestId};
use crate::error::Result;
use crate::native::http::Verdict;

type One = [(&'static str, &'static str); 1];
type Named = [(&'static str, String); 1];
type Number = Gauge<f64, AtomicU64>;

/// How many writes without an answer are timed.
const MAX_BEGUN: usize = 65_536;

/// What changes of the document are brought by.
const CAUSES: [&str; 9] = ["shared", "runtime", "guest", "env", "dotenv", "file", "http", "exec", "other"];

/// How long writes and batches take, from 100 µs to 10 s.
fn seconds() -> Histogram {
    Histogram::new([0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0])
}

/// What an instance counts.
pub(super) struct Metrics {
    registry: Registry,
    writes: Family<One, Counter>,
    write_seconds: Histogram,
    changes: Family<One, Counter>,
    stored: Family<One, Counter>,
    store_seconds: Histogram,
    frames: Family<One, Counter>,
    frame_bytes: Family<One, Counter>,
    /// Those of frames that are sent, which is counted for every guest.
    sent: [Counter; 2],
    decided: Counter,
    audit: Family<One, Counter>,
    uptime: Number,
    links: Family<One, Gauge>,
    peers: Family<One, Gauge>,
    buses: Family<One, Gauge>,
    sources: Family<One, Gauge>,
    documents: Family<Named, Gauge>,
    keys: Family<Named, Gauge>,
    conflicts: Family<Named, Gauge>,
    withheld: Family<Named, Gauge>,
    waiting: Gauge,
    verdicts: Family<One, Gauge>,
    /// When writes that wait for their answer were asked for.
    begun: BTreeMap<RequestId, Instant>,
    /// When batches went to the store.
    storing: BTreeMap<u64, Instant>,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("confmesh");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        let mut metrics = Metrics {
            registry,
            writes: Family::default(),
            write_seconds: seconds(),
            changes: Family::default(),
            stored: Family::default(),
            store_seconds: seconds(),
            frames: Family::default(),
            frame_bytes: Family::default(),
            sent: [Counter::default(), Counter::default()],
            decided: Counter::default(),
            audit: Family::default(),
            uptime: Number::default(),
            links: Family::default(),
            peers: Family::default(),
            buses: Family::default(),
            sources: Family::default(),
            documents: Family::default(),
            keys: Family::default(),
            conflicts: Family::default(),
            withheld: Family::default(),
            waiting: Gauge::default(),
            verdicts: Family::default(),
            begun: BTreeMap::new(),
            storing: BTreeMap::new(),
        };
        metrics.register();
        metrics.begin();
        let sent = [("direction", "sent")];
        metrics.sent = [&metrics.frames, &metrics.frame_bytes].map(|family| family.get_or_create(&sent).clone());
        metrics
    }

    fn register(&mut self) {
        let all = &mut self.registry;
        all.register("writes", "Writes that were answered, by outcome", self.writes.clone());
        let about = "From asking for a write here to its answer, once it is on the disk";
        all.register_with_unit("write_duration", about, Unit::Seconds, self.write_seconds.clone());
        all.register("changes", "Changes of the document, by what brought them", self.changes.clone());
        all.register("store_batches", "Batches that went to the store, by outcome", self.stored.clone());
        let about = "From handing a batch to the store to its being on the disk";
        all.register_with_unit("store_duration", about, Unit::Seconds, self.store_seconds.clone());
        all.register("frames", "Frames between instances and guests, by direction", self.frames.clone());
        let about = "The size of frames between instances and guests, by direction";
        all.register_with_unit("frames", about, Unit::Bytes, self.frame_bytes.clone());
        all.register("conflicts_decided", "Conflicts that ended", self.decided.clone());
        all.register("audit_entries", "Entries of the audit trail, by kind", self.audit.clone());
        all.register_with_unit("uptime", "How long the instance runs", Unit::Seconds, self.uptime.clone());
        all.register("connections", "Connections that stand, by who is at the other end", self.links.clone());
        all.register("peers", "Instances that are dialed, by what the connection does", self.peers.clone());
        all.register("buses", "Brokers that instances meet on, by what the connection does", self.buses.clone());
        all.register("sources", "Sources of the document, by how they are", self.sources.clone());
        all.register("document_revision", "How often the document changed", self.documents.clone());
        all.register("document_keys", "How many leaves the document has", self.keys.clone());
        all.register("conflicts_open", "Conflicts that wait for somebody to decide", self.conflicts.clone());
        all.register("withheld_paths", "Paths with writes that are not in force here", self.withheld.clone());
        all.register("writes_waiting", "Writes that are not answered yet", self.waiting.clone());
        let about = "1 beside the verdict of all health checks: passed, degraded or failed";
        all.register("health", about, self.verdicts.clone());
    }

    /// What can be counted is there from the start: who looks for an increase would miss the first one else.
    fn begin(&self) {
        for outcome in ["accepted", "refused"] {
            drop(self.writes.get_or_create(&[("outcome", outcome)]));
        }
        for outcome in ["stored", "failed"] {
            drop(self.stored.get_or_create(&[("outcome", outcome)]));
        }
        for direction in ["sent", "received"] {
            drop(self.frames.get_or_create(&[("direction", direction)]));
            drop(self.frame_bytes.get_or_create(&[("direction", direction)]));
        }
        for cause in CAUSES {
            drop(self.changes.get_or_create(&[("cause", cause)]));
        }
    }

    /// Somebody asked for a write.
    pub(super) fn asked(&mut self, request: RequestId) {
        self.begun.insert(request, Instant::now());
        if self.begun.len() > MAX_BEGUN {
            // Nobody waits for its answer any more.
            self.begun.pop_first();
        }
    }

    /// A write was answered.
    pub(super) fn answered<T>(&mut self, request: RequestId, result: &Result<T>) {
        let outcome = if result.is_ok() { "accepted" } else { "refused" };
        self.writes.get_or_create(&[("outcome", outcome)]).inc();
        if let Some(begun) = self.begun.remove(&request) {
            self.write_seconds.observe(begun.elapsed().as_secs_f64());
        }
    }

    /// The document changed.
    pub(super) fn changed(&self, cause: &str) {
        // Causes name files, variables and addresses: only their kind is a label.
        let kind = match cause.split(':').next().unwrap_or_default() {
            "https" => "http",
            kind => CAUSES.into_iter().find(|known| *known == kind).unwrap_or("other"),
        };
        self.changes.get_or_create(&[("cause", kind)]).inc();
    }

    /// A batch went to the store.
    pub(super) fn storing(&mut self, ticket: u64) {
        self.storing.insert(ticket, Instant::now());
    }

    /// What became of it.
    pub(super) fn stored(&mut self, ticket: u64, result: &Result<()>) {
        let outcome = if result.is_ok() { "stored" } else { "failed" };
        self.stored.get_or_create(&[("outcome", outcome)]).inc();
        if let Some(begun) = self.storing.remove(&ticket) {
            self.store_seconds.observe(begun.elapsed().as_secs_f64());
        }
    }

    /// A frame went out.
    pub(super) fn sent(&self, bytes: usize) {
        let [frames, frame_bytes] = &self.sent;
        frames.inc();
        frame_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A frame came in.
    pub(super) fn received(&self, bytes: usize) {
        let direction = "received";
        self.frames.get_or_create(&[("direction", direction)]).inc();
        self.frame_bytes.get_or_create(&[("direction", direction)]).inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Something was written into the audit trail; that is told of every conflict that ends.
    pub(super) fn audited(&self, audit: &Audit) {
        if matches!(audit.entry, AuditEntry::ConflictResolved { .. }) {
            self.decided.inc();
        }
        self.audit.get_or_create(&[("kind", audit.entry.kind())]).inc();
    }

    /// All of it, and how things stand now.
    pub(super) fn text(&self, status: &MeshStatus, waiting: usize) -> String {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.uptime.set(status.uptime.as_secs_f64());
        let connected = status.peers.iter().filter(|peer| peer.state == PeerState::Connected).count();
        self.links.get_or_create(&[("kind", "peer")]).set(count(connected));
        self.links.get_or_create(&[("kind", "guest")]).set(count(status.connected_clients));
        for state in [PeerState::Connected, PeerState::Connecting, PeerState::Waiting] {
            let peers = status.peers.iter().filter(|peer| peer.state == state).count();
            self.peers.get_or_create(&[("state", state.as_str())]).set(count(peers));
        }
        for state in ["connected", "connecting", "waiting"] {
            let buses = status.buses.iter().filter(|bus| bus.state == state).count();
            self.buses.get_or_create(&[("state", state)]).set(count(buses));
        }
        let sources = || status.documents.iter().flat_map(|document| &document.status.sources);
        for state in ["fresh", "missing", "stale"] {
            let of = sources().filter(|source| source.state.as_str() == state).count();
            self.sources.get_or_create(&[("state", state)]).set(count(of));
        }
        for document in &status.documents {
            let name = [("document", document.status.document.to_string())];
            let revision = i64::try_from(document.status.revision).unwrap_or(i64::MAX);
            self.documents.get_or_create(&name).set(revision);
            self.keys.get_or_create(&name).set(count(document.keys));
            self.conflicts.get_or_create(&name).set(count(document.status.disagreements.len()));
            self.withheld.get_or_create(&name).set(count(document.status.withheld.len()));
        }
        self.waiting.set(count(waiting));
        let verdict = status.health().verdict();
        for (name, of) in [("passed", Verdict::Passed), ("degraded", Verdict::Degraded), ("failed", Verdict::Failed)] {
            self.verdicts.get_or_create(&[("verdict", name)]).set(i64::from(verdict == of));
        }
        let mut text = String::new();
        // A string takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
