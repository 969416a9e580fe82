//! The accepting side.
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::admission::Admission;
use super::link::{Count, LinkId, Links};

/// Runs the server's side of a WebSocket on a connection that has been upgraded, in a task of its own.
///
/// `peer` is where it comes from, for people. Must be called inside a tokio runtime.
pub fn accept<S>(links: &Links, io: S, peer: impl Into<String>, admission: Admission) -> LinkId
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (id, links, peer) = (links.next_id(), links.clone(), peer.into());
    tokio::spawn(async move { links.serve(id, io, peer, (admission, None)).await });
    id
}

/// Like [`accept`], for a request that is about to be answered with [`upgrade`](super::handshake::upgrade)'s headers.
///
/// Take `upgrade` with `hyper::upgrade::on(&mut request)`. Where the client is gone before the answer reaches it, the
/// link never opens and no event tells of it.
///
/// `count` is asked for every message of a guest.
pub fn accept_upgrade(
    links: &Links,
    upgrade: OnUpgrade,
    peer: impl Into<String>,
    (admission, count): (Admission, Option<Count>),
) -> LinkId {
    let (id, links, peer) = (links.next_id(), links.clone(), peer.into());
    tokio::spawn(async move {
        if let Ok(io) = upgrade.await {
            links.serve(id, TokioIo::new(io), peer, (admission, count)).await;
        }
    });
    id
}
