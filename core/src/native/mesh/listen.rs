//! Listeners: bound before anything else happens, and only where that is safe.
use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::{TcpListener, lookup_host};

use crate::error::{Code, Error, Result};
use crate::native::io_error::reason;

/// Binds an address such as `127.0.0.1:8765`; without `insecure` one that only this machine can reach.
pub(super) async fn bind(address: &str, insecure: bool) -> Result<(TcpListener, SocketAddr)> {
    let fail = |error: &std::io::Error| {
        let failure = Error::new(Code::Listen, format!("cannot listen on {address}: {}", reason(error)));
        match error.kind() {
            ErrorKind::AddrInUse => failure.with_hint(
                "another process listens there: stop it, or choose another port with `--listen` (port 0 takes a free one)",
            ),
            ErrorKind::PermissionDenied => failure.with_hint("choose a port above 1023"),
            ErrorKind::AddrNotAvailable => failure.with_hint("this machine has no such address: use one of its own"),
            _ => failure.with_hint("write `host:port`, for example `127.0.0.1:8765`"),
        }
    };
    let found: Vec<SocketAddr> = lookup_host(address).await.map_err(|error| fail(&error))?.collect();
    if !insecure && found.iter().any(|address| !address.ip().is_loopback()) {
        let message = format!("cannot listen on {address}: anybody who reaches it could read and change everything");
        return Err(Error::new(Code::Listen, message)
            .with_hint("listen on 127.0.0.1, or allow it with `insecure` in a network that you trust"));
    }
    let listener = TcpListener::bind(found.as_slice()).await.map_err(|error| fail(&error))?;
    let bound = listener.local_addr().map_err(|error| fail(&error))?;
    Ok((listener, bound))
}
