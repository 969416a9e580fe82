//! The actor: owns the engine, feeds it what happens, and does what it says.
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::access::Guarding;
use super::calls::Reply;
use super::checker::Checker;
use super::clock::Clock;
use super::inputs::{Input, Inputs, Later, Request, Senders};
use super::launch::launch;
use super::log::{LogLevel, log, worded};
use super::metrics::Metrics;
use super::options::Setup;
use super::remotes::Remote;
use super::reports::Report;
use super::sources::LayerFile;
use super::{CLOSE_WITHIN, Mesh, Owner, Shared, adopting, listen};
use crate::canonical::canonical;
use crate::driver::{Action, Driver};
use crate::engine::{
    Audit, AuditEntry, Event, Level, PathVersion, PeerId, Persist, Receipt, RequestId, Snapshot, SourceState,
};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::limits::MAX_AUDIT_ENTRIES;
use crate::native::source::polled::KeptLayers;
use crate::native::store::{self, Writer};
use crate::native::transport::websocket::{DialOptions, Dialer, LinkEvent, LinkId, LinkOptions, LinkSender, Links};
use crate::native::watch::Watcher;
use crate::path::Path;
use crate::replica::Disagreement;
use crate::value::Str;

/// How long the end of the log may take.
const LOG_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
/// How long the end waits for notices that can be sent at once.
const NOTICES_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) driver: Driver,
    pub(super) clock: Clock,
    pub(super) senders: Senders,
    pub(super) watcher: Option<Watcher>,
    pub(super) layers: Vec<LayerFile>,
    /// The directories and patterns that stand for some of them.
    pub(super) listing: Option<super::listing::Listing>,
    /// The sources that are asked again and again.
    pub(super) remotes: Vec<Remote>,
    /// Where their last good documents are kept.
    pub(super) kept: Option<KeptLayers>,
    /// Where the bound files lie.
    pub(super) bound: BTreeMap<DocumentName, PathBuf>,
    /// Whether nobody else could mend an invalid document.
    pub(super) refuses_invalid: bool,
    /// What was last said of each source.
    pub(super) logged: BTreeMap<String, SourceState>,
    /// The sources that are held back, as was last said.
    pub(super) held_back: std::collections::BTreeSet<String>,
    /// What the listeners know of where requests come from; none where nothing listens.
    pub(super) inbound: Option<crate::native::http::Inbound>,
    /// Room for files that were replaced and are looked into again.
    pub(super) looked_after: Arc<tokio::sync::Semaphore>,
    /// Since when sources are stale, on the clock of this mesh.
    pub(super) stale_since: BTreeMap<Str, u64>,
    /// The warnings that were told and still stand.
    pub(super) told_warnings: std::collections::BTreeSet<String>,
    /// The snapshot whose warnings these are.
    pub(super) told_of: Option<Arc<crate::engine::Snapshot>>,
    pub(super) stale_after_ms: Option<u64>,
    /// What is counted for who watches.
    pub(super) metrics: Metrics,
    /// Who is told of what is wrong.
    pub(super) notices: super::notices::Notices,
    /// The authentication file, and what is in force of it.
    pub(super) guarding: Option<Guarding>,
    pub(super) writer: Option<Writer>,
    pub(super) checker: Checker,
    pub(super) waiting: BTreeMap<RequestId, Reply<Receipt>>,
    /// Questions for locks.
    pub(super) locking: BTreeMap<RequestId, super::locks::Locking>,
    /// Documents that the one here is being given up for.
    pub(super) adopting: Vec<(Genesis, Reply<Genesis>)>,
    /// Members that are being expelled.
    pub(super) expelling: Vec<(ReplicaId, Reply<ReplicaId>)>,
    /// What waits until neither the store nor a file owes an answer.
    pub(super) at_rest: Vec<Later>,
    pub(super) links: BTreeMap<LinkId, (PeerId, LinkSender)>,
    /// Where the connections come from that others made.
    pub(super) accepted: BTreeMap<PeerId, String>,
    pub(super) peers: BTreeMap<PeerId, LinkId>,
    pub(super) last_peer: u64,
    pub(super) dialers: Vec<Dialer>,
    pub(super) buses: Vec<super::buses::Bus>,
    /// Where connections get in.
    pub(super) ports: Links,
    pub(super) servers: Vec<JoinHandle<()>>,
    is_closing: bool,
    pub(super) log: LogLevel,
    /// The newest entries of the audit trail.
    pub(super) audit: VecDeque<Audit>,
}

/// Starts the thread and waits until it says that everything runs.
pub(super) fn start(setup: Setup) -> Result<Mesh> {
    let (started, report) = sync_channel(1);
    let body = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let error = Error::new(Code::Internal, format!("cannot start a runtime: {error}"));
                return drop(started.send(Err(error)));
            }
        };
        let _end = runtime.block_on(async {
            match prepare(setup).await {
                Ok((actor, inputs)) => {
                    let end = End(Arc::clone(&actor.shared));
                    let _ = started.send(Ok(Arc::clone(&actor.shared)));
                    actor.run(inputs).await;
                    Some(end)
                }
                Err(error) => {
                    super::log_writer::flush(LOG_WITHIN);
                    let _ = started.send(Err(error));
                    None
                }
            }
        });
        // What still runs, a name being looked up for instance, is not waited for; sockets are closed before the end is
        // told.
        runtime.shutdown_background();
    };
    thread::Builder::new()
        .name("confmesh".to_owned())
        .spawn(body)
        .map_err(|error| Error::new(Code::Internal, format!("cannot start a thread: {error}")))?;
    let shared = report.recv().map_err(|_| Error::new(Code::Internal, "the thread of the mesh has ended"))??;
    Ok(Mesh { owner: Arc::new(Owner(shared)) })
}

/// Tells the handles when the thread ends, whatever ends it.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.set_ended();
    }
}

async fn prepare(mut setup: Setup) -> Result<(Actor, Inputs)> {
    let mut listeners = Vec::new();
    for address in &setup.listen {
        listeners.push(listen::bind(address, &setup.access).await?);
    }
    let (mut actor, mut inputs) = launch(&mut setup, listeners).await?;
    actor.drain();
    // A new document is on the disk, and its file written, before anybody is told that it runs.
    let until = Instant::now() + CLOSE_WITHIN;
    while actor.driver.is_busy() && Instant::now() < until {
        let input = inputs.next(Some(until)).await;
        actor.handle(input);
        actor.drain();
    }
    while actor.driver.is_checking() {
        let input = inputs.next(actor.due()).await;
        actor.handle(input);
        actor.drain();
    }
    actor.refuse_start()?;
    let _ = actor.shared.started.set(()); // the only place that sets it
    let shown = actor.shared.shown.clone();
    let options = || DialOptions { shown: shown.clone(), ..DialOptions::default() };
    let dial = |address| Dialer::spawn(&actor.ports, address, options());
    let dialers = std::mem::take(&mut setup.peers).into_iter().map(dial).collect();
    actor.dialers = dialers;
    actor.start_buses()?;
    Ok((actor, inputs))
}

impl Actor {
    pub(super) fn new(
        shared: Arc<Shared>,
        driver: Driver,
        clock: Clock,
        writer: Option<Writer>,
        senders: Senders,
        log: LogLevel,
    ) -> Actor {
        let ports = Links::new(senders.links.clone(), LinkOptions::default());
        let checker = Checker::new(senders.later.clone(), shared.address());
        Actor {
            ports,
            shared,
            checker,
            driver,
            clock,
            senders,
            watcher: None,
            layers: Vec::new(),
            listing: None,
            remotes: Vec::new(),
            kept: None,
            bound: BTreeMap::new(),
            refuses_invalid: false,
            logged: BTreeMap::new(),
            held_back: std::collections::BTreeSet::new(),
            inbound: None,
            looked_after: Arc::new(tokio::sync::Semaphore::new(super::files::MOST_LOOKED_AFTER)),
            stale_since: BTreeMap::new(),
            told_warnings: std::collections::BTreeSet::new(),
            told_of: None,
            stale_after_ms: None,
            metrics: Metrics::new(),
            notices: super::notices::Notices::new(Str::default()),
            guarding: None,
            writer,
            waiting: BTreeMap::new(),
            locking: BTreeMap::new(),
            adopting: Vec::new(),
            expelling: Vec::new(),
            at_rest: Vec::new(),
            links: BTreeMap::new(),
            accepted: BTreeMap::new(),
            peers: BTreeMap::new(),
            last_peer: 0,
            dialers: Vec::new(),
            buses: Vec::new(),
            servers: Vec::new(),
            is_closing: false,
            log,
            audit: VecDeque::new(),
        }
    }

    async fn run(mut self, mut inputs: Inputs) {
        while !self.is_closing {
            let input = inputs.next(self.due()).await;
            self.handle(input);
            while !self.driver.is_full()
                && let Some(input) = inputs.try_next()
            {
                self.handle(input);
            }
            self.drain();
        }
        self.close(inputs).await;
    }

    /// When time itself is the next input.
    fn due(&self) -> Option<Instant> {
        let due = self.driver.poll_timeout().into_iter().chain(self.notices.due_ms()).min();
        due.map(|at| self.clock.moment(at))
    }

    pub(super) fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        if !matches!(input, Input::Due) {
            self.notices.happened();
        }
        match input {
            Input::Request(Request::Write(command, terms, reply)) => {
                let request = self.driver.engine_mut().write(&self.shared.document, command, *terms, now);
                self.metrics.asked(request);
                self.waiting.insert(request, Reply::to(reply));
            }
            Input::Request(Request::Read(path, reply)) => drop(reply.send(self.read(&path))),
            Input::Request(Request::Written(path, reply)) => {
                drop(reply.send(Ok(self.driver.engine().written(&self.shared.document, &path))));
            }
            Input::Request(Request::Conflicts(all, reply)) => {
                drop(reply.send(Ok(self.driver.engine().conflicts(&self.shared.document, all))));
            }
            Input::Request(Request::Audit(reply)) => drop(reply.send(Ok(self.audit.iter().cloned().collect()))),
            Input::Request(Request::ForceSync(reply)) => drop(reply.send(Ok(self.driver.force_sync(now)))),
            Input::Request(Request::Expel(prefix, reply)) => match self.expel(&prefix) {
                Ok(replica) => self.expelling.push((replica, Reply::to(reply))),
                Err(error) => drop(reply.send(Err(error))),
            },
            Input::Request(Request::Adopt(prefix, reply)) => {
                match self.driver.engine_mut().give_up_for(&self.shared.document, &prefix, now) {
                    Ok(genesis) => self.adopting.push((genesis, Reply::to(reply))),
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            Input::Request(Request::AdoptFrom(other, yes, reply)) => {
                adopting::begin(Arc::clone(&self.shared), other, yes, reply);
            }
            Input::Request(Request::RepairPlan(reply)) => {
                drop(reply.send(self.driver.engine().repair_plan(&self.shared.document)));
            }
            Input::Request(Request::Repair(reply)) => {
                match self.driver.engine_mut().repair(&self.shared.document, now) {
                    Ok(genesis) => self.adopting.push((genesis, Reply::to(reply))),
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
            Input::Request(Request::Kept(reply)) => {
                drop(reply.send(Ok(self.driver.engine().kept(&self.shared.document).to_vec())));
            }
            Input::Request(Request::Confirm(id, reply)) => {
                drop(reply.send(self.driver.engine_mut().confirm_kept(&self.shared.document, id)));
            }
            Input::Request(Request::Status(reply)) => drop(reply.send(Ok(self.status()))),
            Input::Request(Request::Call(call, who, reply)) => self.call(&call, (who, None), Reply::to(reply)),
            Input::Request(Request::Later(later)) => later(self),
            Input::Request(Request::Close) => self.is_closing = true,
            Input::File(event) => self.file_changed(event),
            Input::Listed(found) => self.take_listing(found),
            Input::Link(id, event) => self.handle_link(id, event),
            Input::Bus(number, event) => self.handle_bus(number, event, now),
            Input::Wrote(wrote) => self.wrote_bound(wrote),
            Input::News(news) => self.handle_news(news),
            Input::Later(later) => later(self),
            Input::Persisted(ticket, result) => {
                self.metrics.stored(ticket.0, &result);
                self.driver.handle_stored(ticket, result, now);
            }
            Input::Due => self.driver.handle_timeout(now),
        }
    }

    fn expel(&mut self, prefix: &str) -> Result<ReplicaId> {
        let name = &self.shared.document;
        let replica = self.driver.engine().find_member(name, prefix)?;
        self.driver.engine_mut().expel(name, replica, self.clock.now())?;
        Ok(replica)
    }

    /// Answers who asked to give the document up or to expel a member, once that is on the disk or failed.
    fn answer_expelled(&mut self) {
        for (genesis, reply) in std::mem::take(&mut self.adopting) {
            match self.driver.engine().is_given_up_for(&self.shared.document, genesis) {
                None => self.adopting.push((genesis, reply)),
                Some(true) => drop(reply.send(Ok(genesis))),
                Some(false) => {
                    let error = Error::new(Code::Store, "the document was not given up: the store failed");
                    let _ = reply.send(Err(error.with_hint("the log says why; try it again")));
                }
            }
        }
        for (replica, reply) in std::mem::take(&mut self.expelling) {
            match self.driver.engine().is_expelled(&self.shared.document, replica) {
                None => self.expelling.push((replica, reply)),
                Some(true) => drop(reply.send(Ok(replica))),
                Some(false) => {
                    let error = Error::new(Code::Store, format!("`{replica}` is still a member: the store failed"));
                    let _ = reply.send(Err(error.with_hint("the log says why; try it again")));
                }
            }
        }
    }

    fn read(&self, path: &Path) -> Result<(Arc<Snapshot>, PathVersion)> {
        let name = &self.shared.document;
        let found = self.driver.engine().snapshot(name).zip(self.driver.engine().version(name, path));
        found.ok_or_else(|| Error::new(Code::UnknownDocument, format!("there is no document `{name}` here")))
    }

    /// Does everything that the driver wants done, in its order.
    pub(super) fn drain(&mut self) {
        let now = self.clock.now();
        self.decide();
        // A change goes to many peers as one and the same frame: its bytes are shared too.
        let mut last = None;
        while let Some(action) = self.driver.poll() {
            match action {
                Action::Store(batch) => self.store(batch),
                Action::Resume(ticket) => {
                    if let Some(writer) = &self.writer {
                        writer.resume(ticket.0);
                    }
                }
                Action::Transmit(transmit) => self.transmit(transmit, &mut last),
                Action::Publish(publish) => self.publish_on_bus(publish),
                Action::Say(saying) => self.say_value(saying),
                Action::Check(request) => self.check(request),
                Action::Look(look) => self.look_at_bound(look, now),
                Action::Edit(edit) => self.edit_bound(edit),
                Action::Keep(copy) => self.keep_beside(&copy),
                Action::Write(write) => self.write_bound(write),
                Action::Event(event) => {
                    self.publish(); // before anybody hears of it
                    self.answer_expelled();
                    self.pass_on(event);
                }
            }
        }
        self.publish();
        self.log_warnings();
        self.tell_reported();
        self.answer_expelled();
        self.look_for_problems();
        if !self.driver.is_busy() && !self.driver.is_checking() && !self.awaits_remotes() {
            std::mem::take(&mut self.at_rest).into_iter().for_each(|later| later(self));
        }
    }

    /// Hands a batch to the store; where there is none, it is as good as stored.
    fn store(&mut self, batch: Persist) {
        let ticket = batch.ticket;
        self.metrics.storing(ticket.0);
        let submitted = match &self.writer {
            Some(writer) => match writer.submit(ticket.0, batch.writes.into_iter().map(store_write).collect()) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
            None => Ok(()),
        };
        self.metrics.stored(ticket.0, &submitted);
        self.driver.handle_stored(ticket, submitted, self.clock.now());
    }

    /// Shows everybody the newest snapshot.
    fn publish(&self) {
        if let Some(snapshot) = self.driver.engine().snapshot(&self.shared.document)
            && !Arc::ptr_eq(&snapshot, &self.shared.snapshot.load())
        {
            self.shared.snapshot.store(snapshot);
        }
    }

    fn pass_on(&mut self, event: Event) {
        self.notices.happened();
        match event {
            Event::Changed(change) => {
                self.metrics.changed(&change.cause);
                self.shared.subscribers.publish(&change);
            }
            Event::Written { request, result } => {
                self.metrics.answered(request, &result);
                // A guest's write has nobody here, and a program may have dropped its answer.
                if let Some(reply) = self.waiting.remove(&request) {
                    let _ = reply.send(result);
                }
            }
            Event::Source { source, state, .. } => self.log_source(&source, state),
            Event::Notice { level, error } => self.tell(level, None, error),
            Event::Lock { request, result } => self.lock_answered(request, result, self.clock.now()),
            Event::Called(called) => self.called(*called),
            Event::Audit(audit) => self.keep(*audit),
            Event::Settled { decided, .. } => self.log_decided(&decided),
            Event::Connection { .. } => {} // only guests hear of it, and a mesh is none
        }
    }

    /// Writes an entry of the audit trail to the log, and keeps it for those who ask.
    fn keep(&mut self, audit: Audit) {
        self.metrics.audited(&audit);
        let level = match audit.entry {
            AuditEntry::RemoteRejected { .. } => Level::Warning,
            _ => Level::Info,
        };
        if LogLevel::from(level) <= self.log {
            self.log_line(level, &format!("audit {}", canonical(&audit.to_value())));
        }
        self.audit.push_back(audit);
        if self.audit.len() > MAX_AUDIT_ENTRIES {
            self.audit.pop_front();
        }
    }

    /// Writes down what lost a disagreement, before nothing remembers it.
    fn log_decided(&self, decided: &[Disagreement]) {
        for disagreement in decided {
            for side in disagreement.sides.iter().filter(|side| !side.in_force) {
                let lost = side.value.as_ref().map_or_else(|| "a removal".to_owned(), canonical);
                self.log_line(Level::Info, &format!("`{}`: {lost} of {:?} lost for good", disagreement.path, side.dot));
            }
        }
    }

    /// Finishes what was begun, tells the peers, and closes the store; bounded by [`CLOSE_WITHIN`].
    async fn close(mut self, mut inputs: Inputs) {
        let until = Instant::now() + CLOSE_WITHIN;
        for server in self.servers.drain(..) {
            server.abort();
        }
        self.watcher = None;
        self.end_remotes(&mut inputs).await;
        inputs.requests.close(); // what waits in it is still done
        while let Ok(request) = inputs.requests.try_recv() {
            self.handle(Input::Request(request));
        }
        if self.writer.is_none() {
            // Nothing of this replica remains: it must not hold up the settling of the others.
            self.driver.engine_mut().leave(&self.shared.document, self.clock.now());
        }
        self.drain();
        while self.driver.is_busy() && Instant::now() < until {
            let input = inputs.next(Some(until)).await;
            self.handle(input);
            self.drain();
        }
        self.close_notices(until.saturating_duration_since(Instant::now()).min(NOTICES_WITHIN)).await;
        self.expelling.clear();
        self.at_rest.clear();
        self.adopting.clear();
        self.locking.clear();
        self.waiting.clear(); // what nobody could answer is answered by that
        for (_, sender) in self.links.values() {
            sender.close("the instance is stopping");
        }
        let lines: Vec<_> = self.buses.drain(..).flat_map(super::buses::Bus::close).collect();
        let dialers: Vec<_> = self.dialers.drain(..).map(|dialer| tokio::spawn(dialer.close())).collect();
        while !self.links.is_empty() {
            // Only ends matter any more, and taking events lets the links get there.
            match timeout_at(until.into(), inputs.links.recv()).await {
                Ok(Some((id, LinkEvent::Closed { .. }))) => drop(self.links.remove(&id)),
                Ok(Some((_, LinkEvent::Opened(link)))) => link.sender.close("the instance is stopping"),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        drop(inputs);
        for dialer in dialers.into_iter().chain(lines) {
            let _ = timeout_at(until.into(), dialer).await; // cut off by the end of the runtime where it is late
        }
        self.writer = None; // commits what is left, and closes the store
        self.log_line(Level::Info, "closed");
        super::log_writer::flush(LOG_WITHIN);
    }

    pub(super) fn log_line(&self, level: Level, message: &str) {
        self.report(Report::line(level, message));
    }

    /// Tells the log and every reader of reports what is wrong, and with which source.
    pub(super) fn tell(&self, level: Level, source: Option<(Str, SourceState)>, error: Error) {
        let prefix = match &source {
            Some((source, _)) if error.origin().is_none() => format!("{source}: "),
            _ => String::new(),
        };
        self.report(Report { level, message: format!("{prefix}{}", worded(&error)), source, error: Some(error) });
    }

    pub(super) fn report(&self, report: Report) {
        log(self.log, report.level, &report.message);
        self.shared.journal.push(report);
    }
}

pub(super) fn store_write(write: crate::engine::StoreWrite) -> store::Write {
    match write {
        crate::engine::StoreWrite::Put { key, bytes } => store::Write::Put { key, bytes },
        crate::engine::StoreWrite::Delete { key } => store::Write::Delete { key },
    }
}
