//! Accepting connections: how many at once, and how long each may take to say what it wants.
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::body::Pool;
use super::problem::Problem;
use crate::native::net::{Stream, tls as net_tls};
use crate::value::{Str, Value};

/// How many connections stand at once, of all listeners together.
const MOST_CONNECTIONS: usize = 1_000;
/// How many file descriptors are kept for files, the store and dialed peers.
const KEPT_DESCRIPTORS: usize = 64;
/// How long the head of a request may take, and how long a connection may lie idle before it.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How many header fields a request may have, and how long its head may be.
const MOST_FIELDS: usize = 100;
const HEAD_BYTES: usize = 64 << 10;
/// How long nothing is accepted after that failed, for want of descriptors mostly.
const PAUSE: Duration = Duration::from_millis(100);

const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What all listeners of an instance share.
#[derive(Clone, Debug)]
pub struct Budget {
    connections: Arc<Semaphore>,
    head_within: Duration,
    bodies: Pool,
}

impl Default for Budget {
    fn default() -> Budget {
        let most =
            descriptors().map_or(MOST_CONNECTIONS, |most| MOST_CONNECTIONS.min(most.saturating_sub(KEPT_DESCRIPTORS)));
        Budget { connections: Arc::new(Semaphore::new(most.max(1))), head_within: HEAD_WITHIN, bodies: Pool::default() }
    }
}

impl Budget {
    /// Reads the body of a request.
    pub(super) async fn json(&self, body: Body) -> Result<Value, Problem> {
        self.bodies.json(body).await
    }

    /// Reads the body of a request as it is.
    pub(super) async fn bytes(&self, body: Body, most: usize) -> Result<Vec<u8>, Problem> {
        self.bodies.bytes(body, most).await
    }
}

/// How many files this process may have open.
fn descriptors() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Serves whoever connects, for as long as the future lives; connections that stand go on without it.
pub(super) async fn accept(listener: TcpListener, router: Router, budget: &Budget, tls: Option<TlsAcceptor>) {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_about_one(&error) => continue,
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&budget.connections).try_acquire_owned() {
            Ok(room) => {
                let (router, within, tls) = (router.clone(), budget.head_within, tls.clone());
                drop(tokio::spawn(async move {
                    let _ = stream.set_nodelay(true); // slower without, and no worse
                    if let Some((io, names)) = encrypted(stream, tls, within).await {
                        serve(Held { io, _room: room }, (from, names), router, within).await;
                    }
                }));
            }
            // As far as its buffer takes it: nobody waits for it.
            Err(_) => _ = stream.try_write(NO_ROOM),
        }
    }
}

/// Whether only the connection that was to be accepted is broken.
fn is_about_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The connection under TLS, where that is spoken, and the names of the certificate that was shown. Who makes no handshake in
/// time is left.
async fn encrypted(io: TcpStream, tls: Option<TlsAcceptor>, within: Duration) -> Option<(Stream, Names)> {
    let Some(tls) = tls else { return Some((Stream::Plain(io), Names::default())) };
    let io = timeout(within, tls.accept(io)).await.ok()?.ok()?;
    let names = Names(net_tls::names(&io).into());
    Some((Stream::Tls(Box::new(io.into())), names))
}

/// The names of the certificate that a client showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(pub(super) Arc<[Str]>);

async fn serve(stream: Held, (from, names): (SocketAddr, Names), router: Router, head_within: Duration) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(from));
        request.extensions_mut().insert(names.clone());
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .max_headers(MOST_FIELDS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let _ = connection.await; // it ends however it ends, and its client sees that
}

/// A connection with its place among those that may stand; it keeps the place when it becomes a WebSocket.
struct Held {
    io: Stream,
    _room: OwnedSemaphorePermit,
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::runtime::Builder;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// Runs a test against a server that greets, with room for so many connections.
    fn with_server<F: Future>(room: usize, head_within: Duration, test: impl FnOnce(SocketAddr) -> F) -> F::Output {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let budget = Budget { connections: Arc::new(Semaphore::new(room)), head_within, bodies: Pool::default() };
            let router = Router::new().route("/", get(async || "hello"));
            let server = tokio::spawn(async move { accept(listener, router, &budget, None).await });
            let result = timeout(LONG, test(address)).await.expect("it takes too long");
            server.abort();
            result
        })
    }

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn who_never_finishes_a_request_is_disconnected_and_others_are_served_meanwhile() {
        with_server(10, Duration::from_millis(300), async |address| {
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
            let mut idle = TcpStream::connect(address).await.unwrap();
            assert!(ask(&mut TcpStream::connect(address).await.unwrap()).await.ends_with("hello"));
            for stream in [&mut slow, &mut idle] {
                let mut rest = Vec::new();
                // Closed or reset, with or without a word.
                let _ = stream.read_to_end(&mut rest).await;
            }
        });
    }

    #[test]
    fn a_connection_too_many_is_told_so_and_one_that_ends_makes_room() {
        with_server(1, LONG, async |address| {
            let first = TcpStream::connect(address).await.unwrap();
            loop {
                // The first one is accepted in its own time.
                let mut second = TcpStream::connect(address).await.unwrap();
                let mut answer = String::new();
                match timeout(Duration::from_millis(200), second.read_to_string(&mut answer)).await {
                    Ok(Ok(_)) if answer.starts_with("HTTP/1.1 503") => break,
                    _ => continue,
                }
            }
            drop(first);
            loop {
                let mut again = TcpStream::connect(address).await.unwrap();
                let _ = again.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
                let mut answer = String::new();
                if again.read_to_string(&mut answer).await.is_ok() && answer.ends_with("hello") {
                    break;
                }
            }
        });
    }
}
