//! Which requests a browser may not make on behalf of a page from elsewhere.
//!
//! Two tricks are known. A page of another site may post to this machine: its `Origin` gives it away. And a page whose name
//! was made to point to this machine after it was loaded (DNS rebinding) is of the same origin as we are: its `Host` is a
//! name that nobody gave us. Both are decided from lists, on every listener by itself.
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::origins::{AllowedHost, AllowedOrigin, Origin};
use super::problem::Problem;
use crate::error::{Code, Error, Result};

/// Of how many refused origins and hosts a line is logged; pages can make up any number of them.
const MOST_TOLD: usize = 64;

/// What may call an instance besides its own page and names, as the options say it.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    origins: Vec<AllowedOrigin>,
    hosts: Vec<AllowedHost>,
}

impl Allowed {
    /// Reads the lists.
    ///
    /// # Errors
    /// [`Code::Usage`] for an entry that is no origin (`https://app.example`, `http://localhost:*`) or no host name
    /// (`config.example`, `*.example`).
    pub fn parse(origins: &[String], hosts: &[String]) -> Result<Allowed> {
        Ok(Allowed {
            origins: origins.iter().map(|origin| AllowedOrigin::parse(origin)).collect::<Result<_>>()?,
            hosts: hosts.iter().map(|host| AllowedHost::parse(host)).collect::<Result<_>>()?,
        })
    }
}

/// Hears of what was refused, once for each origin and host.
pub type Refused = Arc<dyn Fn(&Error) + Send + Sync>;

/// Decides from the headers alone, for one listener.
#[derive(Clone)]
pub struct Guard {
    is_loopback: bool,
    /// The addresses of all listeners.
    ips: Arc<[IpAddr]>,
    allowed: Arc<Allowed>,
    told: Arc<Mutex<BTreeSet<String>>>,
    refused: Refused,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("is_loopback", &self.is_loopback).field("allowed", &self.allowed).finish()
    }
}

impl Guard {
    /// A guard for what listens on these addresses; [`Guard::of`] is it for one of them.
    pub fn new(addresses: &[SocketAddr], allowed: Allowed, refused: Refused) -> Guard {
        Guard {
            is_loopback: addresses.iter().all(|address| address.ip().is_loopback()),
            ips: addresses.iter().map(SocketAddr::ip).collect(),
            allowed: Arc::new(allowed),
            told: Arc::default(),
            refused,
        }
    }

    /// The guard of the listener at an address.
    #[must_use]
    pub fn of(&self, address: SocketAddr) -> Guard {
        Guard { is_loopback: address.ip().is_loopback(), ..self.clone() }
    }

    /// Refuses what calls us by a name that is not ours.
    pub(super) fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = text(headers, header::HOST).unwrap_or_default();
        let name = host.parse::<Authority>().ok().map(|authority| authority.host().to_ascii_lowercase());
        if name.as_deref().is_some_and(|name| self.is_ours(name)) {
            return Ok(());
        }
        let error = Error::new(Code::Usage, format!("`{}` is no name of this instance", shown(host)));
        let error = match (&name, self.is_loopback) {
            (None, _) => error.with_hint("send a `Host` header such as `127.0.0.1:8765`"),
            (Some(_), true) => error.with_hint(
                "use 127.0.0.1 or localhost in the address, or allow the name where the instance is started: \
                 `--allow-host NAME`, `allow_hosts`",
            ),
            (Some(_), false) => error.with_hint(
                "use its IP address, or allow the name where the instance is started: `--allow-host NAME`, `allow_hosts`",
            ),
        };
        self.tell(host, &error);
        Err(Problem::new(StatusCode::FORBIDDEN, error))
    }

    /// Only a name that somebody else can make point here is dangerous: neither an address nor a name without a domain is
    /// one of those, but where only this machine can reach us it has no other reason either.
    fn is_ours(&self, name: &str) -> bool {
        if name == "localhost" || self.allowed.hosts.iter().any(|host| host.matches(name)) {
            return true;
        }
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => !self.is_loopback || ip.is_loopback() || self.ips.contains(&ip),
            Err(_) => !self.is_loopback && !name.is_empty() && !name.contains('.'),
        }
    }

    /// Refuses what a page from elsewhere asks for; for everything that changes something or stays open.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or("?");
        if self.is_own(origin, headers) || self.allows(origin) {
            return Ok(());
        }
        let error = Error::new(Code::Usage, format!("a page of `{}` may not do this", shown(origin))).with_hint(
            "open the page that this instance serves, or allow the page's origin where the instance is started: \
             `--allow-origin ORIGIN`, `allow_origins`",
        );
        self.tell(origin, &error);
        Err(Problem::new(StatusCode::FORBIDDEN, error))
    }

    fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        let host = text(headers, header::HOST).unwrap_or_default();
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        !authority.is_empty() && authority.eq_ignore_ascii_case(host)
    }

    fn allows(&self, origin: &str) -> bool {
        Origin::parse(origin).is_some_and(|origin| self.allowed.origins.iter().any(|allowed| allowed.matches(&origin)))
    }

    /// The origin that an answer may be read by, where the request comes from an allowed page of another origin.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?;
        (self.allows(text) && !self.is_own(text, headers)).then(|| origin.clone())
    }

    fn tell(&self, who: &str, error: &Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_TOLD && told.insert(shown(who).to_owned()) {
            drop(told);
            (self.refused)(error);
        }
    }
}

/// As much of a header as is worth to be repeated.
fn shown(text: &str) -> &str {
    text.get(..text.floor_char_boundary(200)).unwrap_or_default()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.extend(origin.map(|origin| (header::ORIGIN, origin.parse().unwrap())));
        headers
    }

    fn guard_of(addresses: &[&str], origins: &[&str], hosts: &[&str]) -> Guard {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let allowed = Allowed::parse(&texts(origins), &texts(hosts)).unwrap();
        Guard::new(&addresses, allowed, Arc::new(|_| {})).of(addresses[0])
    }

    fn guard(address: &str) -> Guard {
        guard_of(&[address], &[], &[])
    }

    #[test]
    fn only_names_of_this_machine_pass_where_only_it_can_reach_us() {
        let local = guard("127.0.0.1:8765");
        for host in ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765", "127.0.0.1"] {
            assert!(local.check_host(&headers(host, None)).is_ok(), "{host}");
        }
        for host in
            ["evil.example:8765", "localhost.evil.example", "10.0.0.1:8765", "127.0.0.1.evil.example", "", "hub"]
        {
            assert_eq!(local.check_host(&headers(host, None)).unwrap_err().status, StatusCode::FORBIDDEN, "{host}");
        }
    }

    #[test]
    fn a_listener_of_the_network_takes_addresses_and_names_without_a_domain_and_allowed_ones() {
        let open = guard_of(&["10.0.0.1:8765"], &[], &["config.example", "*.lan.example"]);
        for host in
            ["10.0.0.1:8765", "192.0.2.7", "[2001:db8::1]:80", "hub:8765", "config.example:8765", "a.lan.example"]
        {
            assert!(open.check_host(&headers(host, None)).is_ok(), "{host}");
        }
        for host in ["evil.example:8765", "lan.example", "xconfig.example", "config.example.evil", ""] {
            assert_eq!(open.check_host(&headers(host, None)).unwrap_err().status, StatusCode::FORBIDDEN, "{host}");
        }
    }

    #[test]
    fn a_listener_for_this_machine_stays_strict_beside_one_for_the_network() {
        let both = guard_of(&["127.0.0.1:8765", "10.0.0.1:8766"], &[], &[]);
        assert!(both.check_host(&headers("evil.example:8765", None)).is_err());
        assert!(both.check_host(&headers("hub:8765", None)).is_err());
        assert!(both.check_host(&headers("10.0.0.1:8765", None)).is_ok());
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

    #[test]
    fn allowed_pages_may_read_and_write_and_others_beside_them_not() {
        let local = guard_of(&["127.0.0.1:8765"], &["https://app.example", "http://localhost:*"], &[]);
        let of = |origin| headers("127.0.0.1:8765", Some(origin));
        for origin in ["https://app.example", "https://app.example:443", "http://localhost:5173", "http://localhost"] {
            assert!(local.check_origin(&of(origin)).is_ok(), "{origin}");
            assert_eq!(local.reader(&of(origin)).unwrap(), origin);
        }
        for origin in ["http://app.example", "https://app.example:8443", "https://app.example.evil", "null"] {
            assert!(local.check_origin(&of(origin)).is_err(), "{origin}");
            assert_eq!(local.reader(&of(origin)), None, "{origin}");
        }
        assert_eq!(local.reader(&of("http://127.0.0.1:8765")), None, "its own page needs no leave");
    }

    #[test]
    fn each_refused_origin_is_told_once_and_not_without_end() {
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let hear: Refused = Arc::new(move |_| _ = count.fetch_add(1, Ordering::Relaxed));
        let guard = Guard::new(&["127.0.0.1:8765".parse().unwrap()], Allowed::default(), hear);
        for _ in 0..3 {
            assert!(guard.check_origin(&headers("127.0.0.1:8765", Some("http://evil.example"))).is_err());
        }
        assert_eq!(told.load(Ordering::Relaxed), 1);
        for number in 0..1_000 {
            let origin = format!("http://evil{number}.example");
            assert!(guard.check_origin(&headers("127.0.0.1:8765", Some(&origin))).is_err());
        }
        assert_eq!(told.load(Ordering::Relaxed), MOST_TOLD);
    }
}
