//! One connection: frames in, frames out, pings, and an orderly end.
use std::fmt;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};

use super::admission::{Admission, admit};
use super::counted::{Counted, Moved};
use crate::error::{Code, Error};
use crate::guard::Who;
use crate::limits::MAX_FRAME_BYTES;
use crate::native::io_error::reason;

/// Several queued frames go out in one flush, up to this many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// What answers to pings may take beside a frame on its way.
const PONGS_BYTES: usize = 1 << 20;
/// What a close frame has room for.
const MAX_REASON_BYTES: usize = 123;

/// Names one connection for as long as the process runs; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// How links behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// How often a ping goes out; default 30 s.
    pub ping_every: Duration,
    /// After how long without a byte from the peer, or without one taken by it, the connection is dead; default 40 s.
    pub dead_after: Duration,
    /// How long an orderly end may take, the frames still queued included; default 1 s.
    pub close_within: Duration,
    /// How long a frame may be, in and out; default [`MAX_FRAME_BYTES`].
    pub max_frame_bytes: usize,
    /// How many frames may wait to be sent; default 1024.
    pub queue_frames: usize,
    /// How many pings and pongs of the peer are answered in a second; default 10, and three times as many at once.
    pub pings_per_second: u32,
    /// How many bytes may wait to be sent; one frame may wait however long it is; default twice [`MAX_FRAME_BYTES`].
    pub queue_bytes: usize,
}

impl Default for LinkOptions {
    fn default() -> LinkOptions {
        LinkOptions {
            ping_every: Duration::from_secs(30),
            dead_after: Duration::from_secs(40),
            close_within: Duration::from_secs(1),
            max_frame_bytes: MAX_FRAME_BYTES,
            queue_frames: 1_024,
            pings_per_second: 10,
            queue_bytes: 2 * MAX_FRAME_BYTES,
        }
    }
}

/// Counts a message of a guest; where it is one too many it says for how many milliseconds nothing is taken.
pub type Count = Box<dyn Fn() -> Result<(), u64> + Send + Sync>;

/// What happens on a link; the first event is `Opened`, the last one `Closed`.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// The connection stands.
    Opened(Link),
    /// A text frame arrived.
    Text(String),
    /// A binary frame arrived.
    Binary(Vec<u8>),
    /// The connection has ended; no event follows.
    Closed {
        /// Why, unless one of the sides wanted it.
        reason: Option<Error>,
    },
}

/// A connection that stands.
#[derive(Clone, Debug)]
pub struct Link {
    /// Sends frames on it; when the last clone is dropped the connection is closed.
    pub sender: LinkSender,
    /// The `ws://` address that we dialled, or where the connection that we accepted comes from.
    pub peer: String,
    /// Whether we dialled.
    pub dialed: bool,
    /// Who it is; nobody in particular where there is no authentication, or where we dialled.
    pub who: Who,
}

/// What a link carries; clones share the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Message);

impl Frame {
    /// A text frame.
    pub fn text(text: impl Into<String>) -> Frame {
        Frame(Message::text(text.into()))
    }

    /// A binary frame.
    pub fn binary(bytes: impl AsRef<[u8]> + Send + 'static) -> Frame {
        Frame(Message::binary(Bytes::from_owner(bytes)))
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it carries nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The peer takes frames more slowly than they are sent; later there may be room.
    QueueFull,
    /// The connection has ended, or is about to.
    Closed,
    /// The frame is longer than [`LinkOptions::max_frame_bytes`].
    TooLarge,
}

/// Queues frames on one link.
#[derive(Clone, Debug)]
pub struct LinkSender {
    queue: mpsc::Sender<Message>,
    queued_bytes: Arc<AtomicUsize>,
    close: watch::Sender<Option<String>>,
    max_frame_bytes: usize,
    max_queued_bytes: usize,
}

impl LinkSender {
    /// Queues a frame; never blocks.
    ///
    /// # Errors
    /// [`NotSent`] says why not; nothing is queued then.
    pub fn try_send(&self, frame: Frame) -> Result<(), NotSent> {
        let bytes = frame.len();
        if bytes > self.max_frame_bytes {
            return Err(NotSent::TooLarge);
        }
        if self.close.borrow().is_some() {
            return Err(NotSent::Closed);
        }
        let limit = self.max_queued_bytes;
        let room = |queued: usize| (queued == 0 || queued + bytes <= limit).then_some(queued + bytes);
        if self.queued_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return Err(if self.queue.is_closed() { NotSent::Closed } else { NotSent::QueueFull });
        }
        self.queue.try_send(frame.0).map_err(|error| {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => NotSent::QueueFull,
                TrySendError::Closed(_) => NotSent::Closed,
            }
        })
    }

    /// Ends the connection once the frames queued so far are sent, within [`LinkOptions::close_within`].
    ///
    /// The peer is told `why`, as far as it fits into 123 bytes.
    pub fn close(&self, why: &str) {
        self.close.send_if_modified(|close| {
            let first = close.is_none();
            close.get_or_insert_with(|| why.to_owned());
            first
        });
    }
}

/// Where the links of one owner report to.
#[derive(Clone, Debug)]
pub struct Links {
    events: mpsc::Sender<(LinkId, LinkEvent)>,
    options: LinkOptions,
    next: Arc<AtomicU64>,
}

impl Links {
    /// Links that report to `events`; while it is full, nothing more is read from their peers.
    pub fn new(events: mpsc::Sender<(LinkId, LinkEvent)>, options: LinkOptions) -> Links {
        Links { events, options, next: Arc::new(AtomicU64::new(1)) }
    }

    /// An id that no link had before.
    pub(super) fn next_id(&self) -> LinkId {
        LinkId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The settings of the protocol library.
    pub(super) fn config(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(self.options.max_frame_bytes))
            .max_frame_size(Some(self.options.max_frame_bytes))
            // What a frame of ours may need, and some answers to pings: without it they pile up where nobody reads.
            .max_write_buffer_size(self.options.max_frame_bytes.saturating_add(PONGS_BYTES))
    }

    /// Runs the server's side of a connection that has been upgraded.
    pub(super) async fn serve<S>(&self, id: LinkId, io: S, peer: String, (admission, count): (Admission, Option<Count>))
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut socket = WebSocketStream::from_raw_socket(Counted::new(io), Role::Server, Some(self.config())).await;
        let (gate, pass) = match admission {
            Admission::Anybody => {
                return drop(self.run(id, socket, (peer, None), Side::Accepted(count), pending()).await);
            }
            Admission::Known(gate, pass) => (gate, pass),
            // Who may not come in was told; nobody else hears of it.
            Admission::Stranger(gate) => match admit(&mut socket, &gate).await {
                Ok(pass) => (gate, pass),
                Err(_) => return,
            },
        };
        let who = Some(Arc::clone(&pass.grant));
        let ended = async { Some(gate.ended(&pass).await) };
        self.run(id, socket, (peer, who), Side::Accepted(count), ended).await;
    }

    /// Runs a connection to its end, which `stop` brings about in good order and says why; returns why it ended.
    pub(super) async fn run<S>(
        &self,
        id: LinkId,
        socket: WebSocketStream<Counted<S>>,
        (peer, who): (String, Who),
        side: Side,
        stop: impl Future<Output = Option<String>>,
    ) -> Option<Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (dialed, count) = match side {
            Side::Dialed => (true, None),
            Side::Accepted(count) => (false, count),
        };
        let (queue, frames) = mpsc::channel(self.options.queue_frames.max(1));
        let (close, closing) = watch::channel(None);
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let sender = LinkSender {
            queue,
            queued_bytes: Arc::clone(&queued_bytes),
            close,
            max_frame_bytes: self.options.max_frame_bytes,
            max_queued_bytes: self.options.queue_bytes,
        };
        let moved = socket.get_ref().moved();
        let (sink, stream) = socket.split();
        let links = self;
        let running = Running { id, links, peer: &peer, count, moved, queued_bytes, frames, closing, sink, stream };
        let link = Link { sender, peer: peer.clone(), dialed, who };
        let _ = self.events.send((id, LinkEvent::Opened(link))).await; // fails where the owner is gone, as reading will
        let reason = running.run(stop).await; // the socket is closed before anybody hears of it
        let _ = self.events.send((id, LinkEvent::Closed { reason: reason.clone() })).await; // the owner may be gone
        reason
    }
}

/// On which side of a connection we are.
pub(super) enum Side {
    Dialed,
    Accepted(Option<Count>),
}

/// How the reading or the writing half ended.
enum End {
    /// The peer closed.
    Peer(Option<CloseFrame>),
    /// We close, and that is to be done by then.
    Ours(Instant),
    Failed(WsError),
    /// The peer pings without end.
    Pinged,
    /// A guest says more than it may; for so many milliseconds nothing is taken from it.
    Limited(u64),
    /// Nothing moves any more.
    Dead,
}

struct Running<'a, S> {
    id: LinkId,
    links: &'a Links,
    peer: &'a str,
    count: Option<Count>,
    moved: Arc<Moved>,
    queued_bytes: Arc<AtomicUsize>,
    frames: mpsc::Receiver<Message>,
    closing: watch::Receiver<Option<String>>,
    sink: SplitSink<WebSocketStream<Counted<S>>, Message>,
    stream: SplitStream<WebSocketStream<Counted<S>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Running<'_, S> {
    async fn run(mut self, stop: impl Future<Output = Option<String>>) -> Option<Error> {
        let mut why = None;
        // Side by side: two peers that both wait until what they write is read would wait for ever.
        let end = {
            let Running { id, links, count, moved, queued_bytes, frames, closing, sink, stream, .. } = &mut self;
            let asked = async {
                tokio::select! {
                    _ = closing.changed() => {}
                    told = stop => why = told,
                }
            };
            tokio::select! {
                end = read(stream, *id, links, (moved, count.as_ref())) => end,
                end = write(sink, frames, asked, queued_bytes, moved, &links.options) => end,
            }
        };
        let peer = self.peer;
        let lost = |words: String| Some(Error::new(Code::Unreachable, words));
        match end {
            End::Ours(until) => {
                self.close(until, why).await;
                None
            }
            End::Peer(frame) => {
                self.finish().await;
                let frame = frame?;
                let what =
                    if frame.reason.is_empty() { format!("code {}", frame.code) } else { frame.reason.to_string() };
                let orderly = matches!(frame.code, CloseCode::Normal | CloseCode::Away | CloseCode::Status);
                if orderly { None } else { lost(format!("`{peer}` closed the connection: {what}")) }
            }
            End::Failed(WsError::Capacity(CapacityError::MessageTooLong { size, max_size })) => {
                self.refuse(CloseCode::Size, "the frame is too large").await;
                let words = format!("`{peer}` sent a frame of {size} bytes, more than the {max_size} that are allowed");
                Some(Error::new(Code::TooLarge, words).with_hint("make the document smaller"))
            }
            End::Failed(WsError::Protocol(problem)) if problem != ProtocolError::ResetWithoutClosingHandshake => {
                self.refuse(CloseCode::Protocol, "this is no WebSocket frame").await;
                Some(Error::new(Code::Message, format!("`{peer}` broke the WebSocket protocol: {problem}")))
            }
            End::Failed(WsError::Utf8(_)) => {
                self.refuse(CloseCode::Invalid, "a text frame is not UTF-8").await;
                Some(Error::new(Code::Message, format!("`{peer}` sent a text frame that is not UTF-8")))
            }
            End::Failed(WsError::Io(error)) => lost(format!("lost the connection to `{peer}`: {}", reason(&error))),
            End::Failed(_) => lost(format!("lost the connection to `{peer}`: it ended without a goodbye")),
            End::Pinged => {
                let most = self.links.options.pings_per_second;
                self.refuse(CloseCode::Policy, "too many pings").await;
                let words = format!("`{peer}` sends more than {most} pings a second");
                Some(Error::new(Code::Message, words))
            }
            End::Limited(wait_ms) => {
                let seconds = wait_ms.div_ceil(1_000);
                self.refuse(CloseCode::Policy, &format!("too many messages: come back in {seconds} s")).await;
                Some(Error::new(
                    Code::Message,
                    format!("`{peer}` sends more messages than the limit of requests allows"),
                ))
            }
            End::Dead => {
                let seconds = self.links.options.dead_after.as_secs_f32();
                lost(format!("lost the connection to `{peer}`: nothing moved for {seconds} s"))
            }
        }
    }

    /// Sends what is queued and a goodbye, and waits for the answer.
    async fn close(&mut self, until: Instant, why: Option<String>) {
        let Running { frames, closing, sink, stream, .. } = self;
        // Who is sent away hears that it is no accident.
        let code = if why.is_some() { CloseCode::Policy } else { CloseCode::Normal };
        let why = why.or_else(|| closing.borrow().clone());
        let why = why.as_deref().unwrap_or("the instance is stopping");
        let goodbye = Message::Close(Some(CloseFrame { code, reason: shortened(why).into() }));
        frames.close();
        let send = async {
            while let Some(frame) = frames.recv().await {
                sink.feed(frame).await?;
            }
            sink.send(goodbye).await
        };
        // Read on meanwhile: the peer may be waiting for that before it reads.
        let drain = async { while let Some(Ok(_)) = stream.next().await {} };
        let _ = timeout_at(until, futures_util::future::join(send, drain)).await;
    }

    /// Answers the goodbye of the peer.
    async fn finish(&mut self) {
        let Running { sink, stream, .. } = self;
        let end = async {
            let _ = sink.flush().await;
            while let Some(Ok(_)) = stream.next().await {}
        };
        let _ = timeout(self.links.options.close_within, end).await;
    }

    /// Tells the peer what it did wrong.
    async fn refuse(self, code: CloseCode, why: &str) {
        let until = Instant::now() + self.links.options.close_within;
        let Ok(mut socket) = self.sink.reunite(self.stream) else { return };
        let goodbye = Message::Close(Some(CloseFrame { code, reason: why.to_owned().into() }));
        let end = async {
            socket.send(goodbye).await?;
            // Its bytes are swallowed for a moment: closing at once would discard our words before they are read.
            let mut swallowed = vec![0; 16 << 10];
            while socket.get_mut().read(&mut swallowed).await? > 0 {}
            Ok::<_, WsError>(())
        };
        let _ = timeout_at(until, end).await;
    }
}

/// Passes frames on until the connection ends.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<Counted<S>>>,
    id: LinkId,
    links: &Links,
    (moved, count): (&Moved, Option<&Count>),
) -> End {
    let mut pings = Pings::new(links.options.pings_per_second);
    loop {
        let before = moved.received();
        let event = match timeout(links.options.dead_after, stream.next()).await {
            Err(_) if moved.received() != before => continue, // a large frame on a slow line
            Err(_) => return End::Dead,
            Ok(None) => return End::Failed(WsError::ConnectionClosed),
            Ok(Some(Err(error))) => return End::Failed(error),
            Ok(Some(Ok(Message::Text(text)))) => match count.map_or(Ok(()), |count| count()) {
                Ok(()) => LinkEvent::Text(text.as_str().to_owned()),
                Err(wait_ms) => return End::Limited(wait_ms),
            },
            Ok(Some(Ok(Message::Binary(bytes)))) => LinkEvent::Binary(bytes.into()),
            Ok(Some(Ok(Message::Close(frame)))) => return End::Peer(frame),
            Ok(Some(Ok(_))) if pings.take(Instant::now()) => continue, // pings are answered below us
            Ok(Some(Ok(_))) => return End::Pinged,
        };
        if links.events.send((id, event)).await.is_err() {
            return End::Ours(Instant::now() + links.options.close_within);
        }
    }
}

/// How many more pings a peer may send: a bucket that fills again with time.
struct Pings {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Pings {
    fn new(per_second: u32) -> Pings {
        let per_second = f64::from(per_second);
        Pings { per_second, left: 3.0 * per_second, at: Instant::now() }
    }

    fn take(&mut self, now: Instant) -> bool {
        let filled = self.left + now.duration_since(self.at).as_secs_f64() * self.per_second;
        (self.left, self.at) = (filled.min(3.0 * self.per_second) - 1.0, now);
        self.left >= 0.0
    }
}

/// Sends queued frames and pings until somebody wants the connection closed.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<Counted<S>>, Message>,
    frames: &mut mpsc::Receiver<Message>,
    asked: impl Future<Output = ()>,
    queued_bytes: &AtomicUsize,
    moved: &Moved,
    options: &LinkOptions,
) -> End {
    let mut pings = interval_at(Instant::now() + options.ping_every, options.ping_every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = pin!(asked);
    loop {
        let first = tokio::select! {
            frame = frames.recv() => frame,
            _ = pings.tick() => Some(Message::Ping(Default::default())),
            () = &mut asked => None,
        };
        let Some(first) = first else {
            return End::Ours(Instant::now() + options.close_within);
        };
        let batch = async {
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(frame) = next {
                let length = frame.len(); // of a ping it is none
                bytes += length;
                sink.feed(frame).await?;
                queued_bytes.fetch_sub(length, Ordering::Relaxed);
                next = if bytes < BATCH_BYTES { frames.try_recv().ok() } else { None };
            }
            sink.flush().await
        };
        let mut batch = pin!(batch);
        loop {
            let before = moved.sent();
            tokio::select! {
                biased; // what goes out at once, as nearly all does, needs no timer
                sent = &mut batch => match sent {
                    Ok(()) => break,
                    Err(error) => return End::Failed(error),
                },
                () = &mut asked => {
                    let until = Instant::now() + options.close_within;
                    let _ = timeout_at(until, batch).await;
                    return End::Ours(until);
                }
                () = sleep(options.dead_after) => {
                    if moved.sent() == before {
                        return End::Dead;
                    }
                }
            }
        }
    }
}

/// As much of a text as a close frame holds.
fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_REASON_BYTES)).unwrap_or_default()
}
