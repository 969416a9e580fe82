//! Counts bytes on their way, so that a slow connection can be told from a dead one.
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes went each way.
#[derive(Debug, Default)]
pub(super) struct Moved {
    received: AtomicU64,
    sent: AtomicU64,
    /// How many may come; all where it is 0.
    allowed: AtomicU64,
}

impl Moved {
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted<S> {
    io: S,
    moved: Arc<Moved>,
}

impl<S> Counted<S> {
    pub(super) fn new(io: S) -> Counted<S> {
        Counted { io, moved: Arc::default() }
    }

    /// Lets no more than that many bytes come in.
    pub(super) fn allow(&self, bytes: u64) {
        self.moved.allowed.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn moved(&self) -> Arc<Moved> {
        Arc::clone(&self.moved)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let bytes = buf.filled().len().saturating_sub(before);
        let received = self.moved.received.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let allowed = self.moved.allowed.load(Ordering::Relaxed);
        if allowed > 0 && received > allowed {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "more came than a stranger may send")));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.moved.sent.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
