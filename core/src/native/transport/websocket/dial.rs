//! The dialling side: connects, and connects again for as long as it lives.
use std::io;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::address::Address;
use super::counted::Counted;
use super::link::{LinkId, Links, Side};
use crate::backoff::Backoff;
use crate::error::{Code, Error};
use crate::native::io_error::reason;
use crate::native::net::{Shown, Stream, tls};

/// However long a server asks us to stay away, we ask again after this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// A little more than a link takes by default.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How a [`Dialer`] behaves.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// How long one attempt may take; default 10 s.
    pub connect_within: Duration,
    /// How long to wait between attempts; default 250 ms doubled up to 10 s, with full jitter.
    pub backoff: Backoff,
    /// A connection that lasted this long makes the waiting start anew; default 5 s.
    pub stable_after: Duration,
    /// Who we say we are, and whom we trust; nobody in particular.
    pub shown: Shown,
}

impl Default for DialOptions {
    fn default() -> DialOptions {
        DialOptions {
            connect_within: Duration::from_secs(10),
            backoff: Backoff { initial_ms: 250, factor: 2.0, max_ms: 10_000 },
            stable_after: Duration::from_secs(5),
            shown: Shown::default(),
        }
    }
}

/// What a [`Dialer`] is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialState {
    /// It tries to connect.
    Connecting,
    /// It is connected; frames go over that link.
    Connected(LinkId),
    /// It waits before it tries again.
    Waiting {
        /// Why the last attempt failed or the last connection ended.
        error: Error,
        /// How long it waits in all.
        retry_in: Duration,
    },
    /// It was closed.
    Stopped,
}

/// Keeps a connection to one address; dropping it closes the connection in the background.
#[derive(Debug)]
pub struct Dialer {
    address: Address,
    state: watch::Receiver<DialState>,
    /// Its end is the signal to stop.
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Dialer {
    /// Starts a task that connects; must be called inside a tokio runtime.
    pub fn spawn(links: &Links, address: Address, options: DialOptions) -> Dialer {
        let (states, state) = watch::channel(DialState::Connecting);
        let (stop, stopped) = watch::channel(());
        let dialing = Dialing { links: links.clone(), address: address.clone(), options, states, stopped };
        Dialer { address, state, stop, task: tokio::spawn(dialing.run()) }
    }

    /// Where it connects to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it is doing, now and as it changes; states that follow quickly on each other may be skipped.
    pub fn state(&self) -> watch::Receiver<DialState> {
        self.state.clone()
    }

    /// Closes the connection in good order and returns when that is done, within about two seconds.
    ///
    /// The events of the link should be taken meanwhile; where they are not, the connection is cut off in the end.
    pub async fn close(self) {
        let Dialer { stop, mut task, .. } = self;
        drop(stop);
        if timeout(CLOSE_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Dialing {
    links: Links,
    address: Address,
    options: DialOptions,
    states: watch::Sender<DialState>,
    stopped: watch::Receiver<()>,
}

/// Why there is no connection, and how long the server wants us to stay away.
struct Failure {
    error: Error,
    retry_after: Option<Duration>,
}

impl Dialing {
    async fn run(mut self) {
        let mut attempt = 0;
        loop {
            self.states.send_replace(DialState::Connecting);
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = ended(self.stopped.clone()) => break,
            };
            let failure = match connected {
                Ok(socket) => {
                    let id = self.links.next_id();
                    self.states.send_replace(DialState::Connected(id));
                    let start = Instant::now();
                    let stopped = self.stopped.clone();
                    let stop = async {
                        ended(stopped).await;
                        None
                    };
                    let reason = self.links.run(id, socket, (self.address.to_string(), None), Side::Dialed, stop).await;
                    if start.elapsed() >= self.options.stable_after {
                        attempt = 0;
                    }
                    let closed = || Error::new(Code::Unreachable, format!("`{}` closed the connection", self.address));
                    Failure { error: reason.unwrap_or_else(closed), retry_after: None }
                }
                Err(failure) => failure,
            };
            // Without entropy the wait is the longest of its range: slow, but never a storm.
            let entropy = getrandom::u64().unwrap_or(u64::MAX);
            let wait = Duration::from_millis(self.options.backoff.delay(attempt, entropy));
            let wait = failure.retry_after.map_or(wait, |asked| wait + asked.min(MAX_RETRY_AFTER));
            attempt = attempt.saturating_add(1);
            self.states.send_replace(DialState::Waiting { error: failure.error, retry_in: wait });
            tokio::select! {
                () = sleep(wait) => {}
                _ = self.stopped.changed() => break,
            }
        }
        self.states.send_replace(DialState::Stopped);
    }

    async fn connect(&self) -> Result<WebSocketStream<Counted<Stream>>, Failure> {
        let within = self.options.connect_within;
        timeout(within, self.open()).await.unwrap_or_else(|_| {
            let seconds = within.as_secs_f32();
            Err(self.unreachable(
                &format!("no answer within {seconds} s"),
                "is the address right, and no firewall between?",
            ))
        })
    }

    async fn open(&self) -> Result<WebSocketStream<Counted<Stream>>, Failure> {
        let (host, port) = self.address.host_and_port();
        let found: Vec<_> = match lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(_) => return Err(self.unreachable(&format!("no host is named `{host}`"), "is the name spelled right?")),
        };
        if !self.address.is_secure() && found.iter().any(|address| !address.ip().is_loopback()) {
            return Err(self.unreachable(
                "everybody on the way could read and change what goes over `ws://`",
                "write `wss://`, and give the other instance a certificate (`--tls-cert`, `--tls-key`)",
            ));
        }
        let io = TcpStream::connect(found.as_slice()).await.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::ConnectionRefused => "is an instance listening there?",
                _ => "is the address right, and the network up?",
            };
            self.unreachable(&reason(&error), hint)
        })?;
        let _ = io.set_nodelay(true); // only costs speed
        let io = if self.address.is_secure() {
            let tls = self.options.shown.tls().map_err(|error| Failure { error, retry_after: None })?;
            tls::connect(&tls, host, io).await.map_err(|(what, hint)| self.unreachable(&what, hint))?
        } else {
            Stream::Plain(io)
        };
        let shown = self.options.shown.token.read().map_err(|error| Failure { error, retry_after: None })?;
        let request = request(self.address.as_str(), shown.as_deref());
        let request = request.map_err(|why| self.unreachable(&why, "what does the token's file hold?"))?;
        let config = Some(self.links.config());
        match client_async_with_config(request, Counted::new(io), config).await {
            Ok((socket, _)) => Ok(socket),
            Err(WsError::Http(response)) => {
                let status = response.status();
                let seconds =
                    response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
                let hint = match status {
                    StatusCode::UNAUTHORIZED => {
                        "show it a token: `confmesh token new NAME --role peer` there, `--token-file FILE` here"
                    }
                    StatusCode::FORBIDDEN => "is the address one of that instance's names (`--allow-host`)?",
                    StatusCode::NOT_FOUND => "is it confmesh that listens there? its path is `/sync`",
                    StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "it is busy; we try again",
                    _ => "is it confmesh that listens there?",
                };
                let failure = self.unreachable(&format!("it answered `{status}`"), hint);
                Err(Failure { retry_after: seconds.map(Duration::from_secs), ..failure })
            }
            Err(WsError::Io(error)) => Err(self
                .unreachable(&reason(&error), "it hung up during the handshake; is it confmesh that listens there?")),
            Err(_) => Err(self.unreachable("it does not speak WebSocket", "is it confmesh that listens there?")),
        }
    }

    fn unreachable(&self, why: &str, hint: &str) -> Failure {
        let error = Error::new(Code::Unreachable, format!("cannot reach `{}`: {why}", self.address)).with_hint(hint);
        Failure { error, retry_after: None }
    }
}

/// The request that asks for a WebSocket.
fn request(url: &str, token: Option<&str>) -> Result<Request, String> {
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| "the token holds what no header can".to_owned())?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// Waits until the owner of the other end lets go.
async fn ended(mut signal: watch::Receiver<()>) {
    while signal.changed().await.is_ok() {}
}
