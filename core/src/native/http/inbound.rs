//! Where requests come from, and how many one caller may make.
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use ipnet::IpNet;
use tokio::time::Instant;

use super::problem::Problem;
use crate::error::{Code, Error, Result};
use crate::guard::{Limiter, RateCounts, RateKey, RateLimit, Verdict, is_local};

/// The header in which proxies say for whom they ask, the last one last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Hears of callers that near their limit, and of those that are blocked.
pub type Told = Arc<dyn Fn(&str) + Send + Sync>;

/// What all listeners of an instance know of where requests come from.
#[derive(Clone)]
pub struct Inbound {
    trusted: Arc<[IpNet]>,
    limit: Option<RateLimit>,
    limiter: Option<Arc<Mutex<Limiter>>>,
    start: Instant,
    told: Told,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("trusted", &self.trusted).finish_non_exhaustive()
    }
}

/// How the limit of requests stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStatus {
    /// What callers may ask for.
    pub limit: RateLimit,
    /// How many callers are refused now.
    pub blocked: usize,
    /// What happened since the start.
    pub counts: RateCounts,
}

/// The networks of proxies whose word is taken for where a request comes from.
///
/// # Errors
/// [`Code::Usage`] for a text that is neither an address nor a network such as `10.0.0.0/8`.
pub fn trusted_proxies(texts: &[String]) -> Result<Vec<IpNet>> {
    let one = |text: &String| {
        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
            Error::new(Code::Usage, format!("`{text}` is no network"))
                .with_hint("write an address such as `10.0.0.2`, or a network such as `10.0.0.0/8` or `fd00::/8`")
        })
    };
    texts.iter().map(one).collect()
}

impl Inbound {
    /// With these proxies, and this limit where there is one.
    pub fn new(trusted: Vec<IpNet>, limit: Option<RateLimit>, told: Told) -> Inbound {
        let limiter = limit.map(|limit| Arc::new(Mutex::new(Limiter::new(limit))));
        Inbound { trusted: trusted.into(), limit, limiter, start: Instant::now(), told }
    }

    /// How the limit stands; none where there is none.
    pub fn status(&self) -> Option<RateStatus> {
        let now_ms = ms_since(self.start);
        let limit = self.limit?;
        let limiter = self.limiter.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(RateStatus { limit, blocked: limiter.blocked(now_ms), counts: limiter.counts() })
    }

    /// Where a request comes from: the last address that no trusted proxy has, seen from here. What stands before it in the
    /// header anybody can have made up.
    pub(super) fn client(&self, from: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |ip: &IpAddr| self.trusted.iter().any(|network| network.contains(&ip.to_canonical()));
        let mut client = from.ip().to_canonical();
        if !is_trusted(&client) {
            return client;
        }
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let text = text.trim();
            let Some(ip) = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
            else {
                return client; // the proxy says nothing that can be used
            };
            client = IpAddr::to_canonical(&ip);
            if !is_trusted(&client) {
                return client;
            }
        }
        client
    }

    /// How the requests of a caller are counted; none where they are not.
    pub(super) fn counted(&self, principal: Option<&str>, from: IpAddr) -> Option<Counted> {
        let limit = self.limit?;
        let limiter = Arc::clone(self.limiter.as_ref()?);
        if limit.whitelist_local && is_local(from) {
            return None;
        }
        let key = principal.map_or_else(|| RateKey::of(from), |name| RateKey::Principal(name.into()));
        let (start, told) = (self.start, Arc::clone(&self.told));
        Some(Counted { limiter, most: limit.requests_per_minute, key, from, start, told })
    }
}

fn ms_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Counts the requests of one caller.
#[derive(Clone)]
pub struct Counted {
    limiter: Arc<Mutex<Limiter>>,
    most: u32,
    key: RateKey,
    from: IpAddr,
    start: Instant,
    told: Told,
}

impl Counted {
    /// Counts one.
    ///
    /// # Errors
    /// For how many milliseconds nothing is answered, where it is one too many.
    pub fn take(&self) -> Result<(), u64> {
        let now_ms = ms_since(self.start);
        let verdict = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).take(&self.key, now_ms);
        let who = || match &self.key {
            RateKey::Principal(name) => format!("`{name}` at {}", self.from),
            RateKey::Address(_) => self.from.to_string(),
        };
        match verdict {
            Verdict::Allowed => Ok(()),
            Verdict::Nearing => {
                (self.told)(&format!("{} nears the limit of {} requests a minute", who(), self.most));
                Ok(())
            }
            Verdict::Blocked(ms) => {
                let seconds = ms.div_ceil(1_000);
                let line =
                    format!("{} asked more than {} times in a minute: refused for {seconds} s", who(), self.most);
                (self.told)(&line);
                Err(ms)
            }
            Verdict::StillBlocked(ms) => Err(ms),
        }
    }

    /// Counts one that is answered over HTTP.
    pub(super) fn request(&self) -> Result<(), Problem> {
        self.take().map_err(|wait_ms| {
            let seconds = wait_ms.div_ceil(1_000);
            let message = format!("more than {} requests in a minute: nothing is answered for {seconds} s", self.most);
            let error = Error::new(Code::Busy, message).with_hint(
                "ask less often: follow changes (`/events`, WebSocket) instead of asking for the document again",
            );
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, error);
            Problem { retry_after: Some(u32::try_from(seconds).unwrap_or(u32::MAX)), ..problem }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_say_counts_for_where_a_request_comes_from() {
        let trusted = trusted_proxies(&["10.0.0.0/8".to_owned(), "::1".to_owned()]).unwrap();
        let inbound = Inbound::new(trusted, None, Arc::new(|_| {}));
        let client = |from: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
            }
            inbound.client(from.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("203.0.113.7:1", &["198.51.100.1"]), "203.0.113.7", "anybody can say that");
        assert_eq!(client("10.0.0.1:1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("[::ffff:10.0.0.1]:1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(
            client("[::1]:1", &["192.0.2.9, 198.51.100.1, 10.0.0.5"]),
            "198.51.100.1",
            "the last one before ours"
        );
        assert_eq!(client("[::1]:1", &["192.0.2.9", "2001:db8::1", "10.0.0.5"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1:1", &["nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1:1", &[]), "10.0.0.1");
        assert!(trusted_proxies(&["10.0.0.0/33".to_owned()]).unwrap_err().to_string().contains("10.0.0.0/33"));
    }
}
