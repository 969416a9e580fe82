//! Which requests a browser may not make on behalf of a page from elsewhere.
//!
//! Two tricks are known. A page of another site may post to this machine: its `Origin` gives it away. And a page whose name
//! was made to point to this machine after it was loaded (DNS rebinding) is of the same origin as we are: its `Host` is a
//! name that nobody gave us.
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};

use super::problem::Problem;
use crate::error::{Code, Error};

/// Decides from the headers alone.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The addresses, where only this machine can reach them; else anybody may call us by any name.
    loopback: Option<Arc<[IpAddr]>>,
}

impl Guard {
    /// A guard for what listens on these addresses.
    pub fn new(addresses: &[SocketAddr]) -> Guard {
        let ips: Arc<[IpAddr]> = addresses.iter().map(SocketAddr::ip).collect();
        Guard { loopback: ips.iter().all(IpAddr::is_loopback).then_some(ips) }
    }

    /// Refuses what calls us by a name that is not ours.
    pub(super) fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(ips) = &self.loopback else { return Ok(()) };
        let host = text(headers, header::HOST).unwrap_or_default();
        let name = host.parse::<Authority>().ok().map(|authority| authority.host().to_ascii_lowercase());
        let is_ours = name.as_deref().is_some_and(|name| {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ips.contains(&ip))
        });
        if is_ours {
            return Ok(());
        }
        let error = Error::new(Code::Usage, format!("`{host}` is no name of this machine"))
            .with_hint("use 127.0.0.1 or localhost in the address");
        Err(Problem::new(StatusCode::FORBIDDEN, error))
    }

    /// Refuses what a page from elsewhere asks for; for everything that changes something or stays open.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let host = text(headers, header::HOST).unwrap_or_default();
        let origin = origin.to_str().unwrap_or("?");
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        if !authority.is_empty() && authority.eq_ignore_ascii_case(host) {
            return Ok(());
        }
        let error = Error::new(Code::Usage, format!("a page of `{origin}` may not do this"))
            .with_hint("open the page that this instance serves");
        Err(Problem::new(StatusCode::FORBIDDEN, error))
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.extend(origin.map(|origin| (header::ORIGIN, origin.parse().unwrap())));
        headers
    }

    fn guard(address: &str) -> Guard {
        Guard::new(&[address.parse().unwrap()])
    }

    #[test]
    fn only_names_of_this_machine_pass_where_only_it_can_reach_us() {
        let local = guard("127.0.0.1:8765");
        for host in ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765", "127.0.0.1"] {
            assert!(local.check_host(&headers(host, None)).is_ok(), "{host}");
        }
        for host in ["evil.example:8765", "localhost.evil.example", "10.0.0.1:8765", "127.0.0.1.evil.example", ""] {
            assert_eq!(local.check_host(&headers(host, None)).unwrap_err().status, StatusCode::FORBIDDEN, "{host}");
        }
        assert!(guard("10.0.0.1:8765").check_host(&headers("config.example", None)).is_ok());
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        let local = guard("127.0.0.1:8765");
        for origin in [None, Some("http://127.0.0.1:8765")] {
            assert!(local.check_origin(&headers("127.0.0.1:8765", origin)).is_ok(), "{origin:?}");
        }
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9000", "http://localhost:8765", "://"] {
            let refused = local.check_origin(&headers("127.0.0.1:8765", Some(origin)));
            assert_eq!(refused.unwrap_err().status, StatusCode::FORBIDDEN, "{origin}");
        }
    }
}
