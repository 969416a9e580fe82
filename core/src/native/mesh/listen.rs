//! Listeners: bound before anything else happens, and only where that is safe.
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, lookup_host};

use super::access::Access;
use super::actor::Actor;
use super::hosting::Hosting;
use super::log::{log, worded};
use crate::engine::Level;
use crate::error::{Code, Error, Result};
use crate::native::http::{self, Allowed};
use crate::native::io_error::reason;

/// A listener, and where it really listens.
pub(super) type Listening = (TcpListener, SocketAddr);

impl Actor {
    /// Answers on the listeners; until the start is done only how it is doing.
    pub(super) fn serve(&mut self, listeners: Vec<Listening>, allowed: Allowed, access: &Access) {
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let _ = self.shared.addresses.set(addresses.clone()); // the only place that sets it
        let host = Arc::new(Hosting(Arc::clone(&self.shared)));
        let level = self.log;
        let refused = move |error: &Error| log(level, Level::Warning, &worded(error));
        let guard = http::Guard::new(&addresses, allowed, Arc::new(refused));
        let budget = http::Budget::default();
        let told: http::Told = Arc::new(move |line: &str| log(level, Level::Warning, line));
        let inbound = http::Inbound::new(access.trusted_proxies.clone(), access.rate_limit, told);
        if access.behind_proxy && access.rate_limit.is_some() && access.trusted_proxies.is_empty() {
            let line = "a proxy is in front and none is trusted: all requests count as those of the proxy\nhint: name it with `--trusted-proxy ADDRESS`";
            self.log_line(Level::Warning, line);
        }
        self.inbound = Some(inbound.clone());
        for (listener, address) in listeners {
            let scheme = if access.tls.is_some() { "https" } else { "http" };
            let line = format!("listening on {scheme}://{address} as instance {}", self.shared.instance);
            self.log_line(Level::Info, &line);
            let shared = (budget.clone(), inbound.clone(), access.tls.clone());
            let serving = http::serve(listener, host.clone(), self.ports.clone(), guard.of(address), shared);
            self.servers.push(tokio::spawn(serving));
        }
    }
}

/// Binds an address such as `127.0.0.1:8765`; where other machines can reach it, only with TLS and authentication.
pub(super) async fn bind(address: &str, access: &Access) -> Result<Listening> {
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
    if found.iter().any(|address| !address.ip().is_loopback()) {
        refuse_open(address, access)?;
    }
    let listener = TcpListener::bind(found.as_slice()).await.map_err(|error| fail(&error))?;
    let bound = listener.local_addr().map_err(|error| fail(&error))?;
    Ok((listener, bound))
}

/// Refuses an address that other machines can reach, unless who comes is known and nobody listens in; no option changes that.
fn refuse_open(address: &str, access: &Access) -> Result<()> {
    let has_tls = access.tls.is_some() || access.behind_proxy;
    let (lacks, way) = match (has_tls, access.gate.is_some()) {
        (true, true) => return Ok(()),
        (false, true) => ("TLS", "add `--tls-cert FILE --tls-key FILE`, or `--behind-proxy` where a proxy speaks TLS"),
        (true, false) => (
            "authentication",
            "make a token with `confmesh token new NAME --role admin --auth auth.toml`, and add `--auth auth.toml`",
        ),
        (false, false) => (
            "TLS and authentication",
            "make a token with `confmesh token new NAME --role admin --auth auth.toml`, and add `--auth auth.toml` and \
             `--tls-cert FILE --tls-key FILE` (or `--behind-proxy` where a proxy speaks TLS); or listen on 127.0.0.1",
        ),
    };
    let message = format!("cannot listen on {address}: other machines can reach it, and there is no {lacks}");
    Err(Error::new(Code::Listen, message).with_hint(way))
}
