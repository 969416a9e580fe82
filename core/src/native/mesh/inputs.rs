//! Everything that the world says to the actor, in bounded queues.
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::actor::Actor;
use super::adopting::Adoption;
use super::sources::LayerFile;
use super::status::MeshStatus;
use crate::api::Call;
use crate::engine::{
    Aside, Audit, Command, Conflict, PathVersion, Receipt, Repair, Snapshot, Ticket, WriteTerms, Written,
};
use crate::error::Result;
use crate::guard::Who;
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::native::file::Replaced;
use crate::native::http::Elsewhere;
use crate::native::source::polled::News;
use crate::native::transport::bus::BusEvent;
use crate::native::transport::websocket::{LinkEvent, LinkId};
use crate::native::watch::FileEvent;
use crate::path::Path;
use crate::value::Value;

/// What a handle asks for.
pub(super) enum Request {
    Write(Command, Box<WriteTerms>, oneshot::Sender<Result<Receipt>>),
    Read(Path, oneshot::Sender<Result<(Arc<Snapshot>, PathVersion)>>),
    Written(Path, oneshot::Sender<Result<Vec<Written>>>),
    Conflicts(bool, oneshot::Sender<Result<Vec<Conflict>>>),
    Audit(oneshot::Sender<Result<Vec<Audit>>>),
    ForceSync(oneshot::Sender<Result<usize>>),
    Expel(String, oneshot::Sender<Result<ReplicaId>>),
    Adopt(String, oneshot::Sender<Result<Genesis>>),
    AdoptFrom(Elsewhere, bool, oneshot::Sender<Result<Adoption>>),
    RepairPlan(oneshot::Sender<Result<Repair>>),
    Repair(oneshot::Sender<Result<Genesis>>),
    Kept(oneshot::Sender<Result<Vec<Aside>>>),
    Confirm(u64, oneshot::Sender<Result<()>>),
    Status(oneshot::Sender<Result<MeshStatus>>),
    /// An operation of the list, by name.
    Call(Call, Who, oneshot::Sender<Result<Value>>),
    /// Something to be done where the engine is.
    Later(Later),
    Close,
}

/// One thing that happened.
pub(super) enum Input {
    Request(Request),
    /// A file holds still with another content.
    File(FileEvent),
    /// Directories and patterns stand for these files now.
    Listed(Vec<LayerFile>),
    Link(LinkId, LinkEvent),
    Bus(usize, BusEvent),
    Persisted(Ticket, Result<()>),
    Wrote(Wrote),
    /// A source was asked.
    News(News),
    /// What was begun elsewhere goes on here.
    Later(Later),
    /// Time has passed.
    Due,
}

/// What became of a write of the bound file.
pub(super) struct Wrote {
    /// Whose file.
    pub(super) document: DocumentName,
    /// Whether the old text was to be kept, and still has to be.
    pub(super) keep_as: Option<&'static str>,
    /// The copy that was made.
    pub(super) copy: Option<std::path::PathBuf>,
    /// The file that was replaced.
    pub(super) outgone: Option<crate::native::file::Outgone>,
    pub(super) result: Result<Replaced>,
}

/// What goes on in the actor once work on another thread is done, or once an answer is there.
pub(super) type Later = Box<dyn FnOnce(&mut Actor) + Send>;

/// How many handles' requests may wait.
pub(super) const MAX_REQUESTS: usize = 16_384;

/// The actor's ends of the queues.
pub(super) struct Inputs {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) files: mpsc::Receiver<FileEvent>,
    pub(super) links: mpsc::Receiver<(LinkId, LinkEvent)>,
    pub(super) buses: mpsc::Receiver<(usize, BusEvent)>,
    /// Unbounded, so that the store never waits for the actor that may be waiting for it; the engine bounds them.
    pub(super) persisted: mpsc::UnboundedReceiver<(Ticket, Result<()>)>,
    pub(super) wrote: mpsc::Receiver<Wrote>,
    pub(super) news: mpsc::Receiver<News>,
    pub(super) listed: mpsc::Receiver<Vec<LayerFile>>,
    /// Unbounded, as each of them was asked for through a bounded queue.
    pub(super) later: mpsc::UnboundedReceiver<Later>,
}

/// The world's ends of the queues; the actor holds one of each, so that none of them ever ends by itself.
#[derive(Clone)]
pub(super) struct Senders {
    pub(super) files: mpsc::Sender<FileEvent>,
    pub(super) links: mpsc::Sender<(LinkId, LinkEvent)>,
    pub(super) buses: mpsc::Sender<(usize, BusEvent)>,
    pub(super) persisted: mpsc::UnboundedSender<(Ticket, Result<()>)>,
    pub(super) wrote: mpsc::Sender<Wrote>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) listed: mpsc::Sender<Vec<LayerFile>>,
    pub(super) later: mpsc::UnboundedSender<Later>,
}

impl Inputs {
    pub(super) fn new(requests: mpsc::Receiver<Request>) -> (Senders, Inputs) {
        let (files_in, files) = mpsc::channel(64);
        let (links_in, links) = mpsc::channel(256);
        let (buses_in, buses) = mpsc::channel(256);
        let (persisted_in, persisted) = mpsc::unbounded_channel();
        let (wrote_in, wrote) = mpsc::channel(4);
        let (news_in, news) = mpsc::channel(16);
        let (listed_in, listed) = mpsc::channel(1);
        let (later_in, later) = mpsc::unbounded_channel();
        let senders = Senders {
            files: files_in,
            links: links_in,
            buses: buses_in,
            persisted: persisted_in,
            wrote: wrote_in,
            news: news_in,
            listed: listed_in,
            later: later_in,
        };
        (senders, Inputs { requests, files, links, buses, persisted, wrote, news, listed, later })
    }

    /// The next input, at the latest when something is due.
    pub(super) async fn next(&mut self, due: Option<Instant>) -> Input {
        let due = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            Some(request) = self.requests.recv() => Input::Request(request),
            Some(event) = self.files.recv() => Input::File(event),
            Some((id, event)) = self.links.recv() => Input::Link(id, event),
            Some((number, event)) = self.buses.recv() => Input::Bus(number, event),
            Some((ticket, result)) = self.persisted.recv() => Input::Persisted(ticket, result),
            Some(wrote) = self.wrote.recv() => Input::Wrote(wrote),
            Some(news) = self.news.recv() => Input::News(news),
            Some(found) = self.listed.recv() => Input::Listed(found),
            Some(later) = self.later.recv() => Input::Later(later),
            () = due => Input::Due,
            else => Input::Due,
        }
    }

    /// An input that waits already, if there is one.
    pub(super) fn try_next(&mut self) -> Option<Input> {
        if let Ok((ticket, result)) = self.persisted.try_recv() {
            return Some(Input::Persisted(ticket, result));
        }
        if let Ok(wrote) = self.wrote.try_recv() {
            return Some(Input::Wrote(wrote));
        }
        if let Ok(news) = self.news.try_recv() {
            return Some(Input::News(news));
        }
        if let Ok(later) = self.later.try_recv() {
            return Some(Input::Later(later));
        }
        if let Ok(event) = self.files.try_recv() {
            return Some(Input::File(event));
        }
        if let Ok((id, event)) = self.links.try_recv() {
            return Some(Input::Link(id, event));
        }
        if let Ok((number, event)) = self.buses.try_recv() {
            return Some(Input::Bus(number, event));
        }
        self.requests.try_recv().ok().map(Input::Request)
    }
}
