//! How many requests somebody may make in a minute, and for how long it is refused after more.
//!
//! A [`Limiter`] is told who asks and when, and answers. Nothing here reads a clock.
use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;

use crate::value::Str;

/// How many callers are remembered; beyond them those that were heard of longest ago are forgotten.
pub const MAX_CALLERS: usize = 16_384;
/// From which part of its limit on a caller is told of: four fifths.
const WARN_AT: (u32, u32) = (4, 5);
const SECONDS: usize = 60;

/// What a caller may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests in any 60 seconds.
    pub requests_per_minute: u32,
    /// How many more it may make now and then; the allowance is whole again after a minute in which it was not needed.
    pub burst: u32,
    /// For how long it is refused after one request too many, in milliseconds.
    pub block_ms: u64,
    /// Whether addresses of this machine and of private networks are never limited.
    pub whitelist_local: bool,
}

impl RateLimit {
    /// So many requests a minute, no burst, refused for two minutes after more, private networks never.
    pub fn per_minute(requests: u32) -> RateLimit {
        RateLimit { requests_per_minute: requests, burst: 0, block_ms: 120_000, whitelist_local: true }
    }
}

/// Who is counted: a principal where there is one, else where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateKey {
    /// A principal, from wherever it comes.
    Principal(Str),
    /// An address of IPv4, or the network of 64 bits that one of IPv6 is in.
    Address(IpAddr),
}

impl RateKey {
    /// The key of an address.
    pub fn of(address: IpAddr) -> RateKey {
        RateKey::Address(match address.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Whether an address is of this machine or of a private network: loopback, RFC 1918, link-local, unique local.
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered.
    Allowed,
    /// It is answered, and the caller nears its limit: told once a minute.
    Nearing,
    /// One too many: refused, as everything of this caller for so many milliseconds.
    Blocked(u64),
    /// Refused, since the caller is blocked for so many more milliseconds.
    StillBlocked(u64),
}

/// What a limiter has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateCounts {
    /// How many requests it was asked about.
    pub requests: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// How often somebody was blocked.
    pub blocks: u64,
}

/// Counts who asks how often.
#[derive(Debug)]
pub struct Limiter {
    limit: RateLimit,
    callers: BTreeMap<RateKey, Caller>,
    counts: RateCounts,
}

/// One who asks. Counted by the second, so a minute is 60 whole seconds and the one that runs.
#[derive(Debug)]
struct Caller {
    by_second: [u16; SECONDS],
    /// The sum of `by_second`.
    recent: u32,
    /// The second of the newest request.
    second: u64,
    blocked_until_ms: u64,
    burst_left: u32,
    /// When the burst was drawn on last, and when the caller was told of, in milliseconds.
    burst_at_ms: u64,
    told_at_ms: Option<u64>,
}

impl Limiter {
    /// One that has seen nobody.
    pub fn new(limit: RateLimit) -> Limiter {
        Limiter { limit, callers: BTreeMap::new(), counts: RateCounts::default() }
    }

    /// What it has done.
    pub fn counts(&self) -> RateCounts {
        self.counts
    }

    /// How many are refused now.
    pub fn blocked(&self, now_ms: u64) -> usize {
        self.callers.values().filter(|caller| caller.blocked_until_ms > now_ms).count()
    }

    /// Counts a request, and says whether it is answered. Times only grow; one that goes back counts as the newest.
    pub fn take(&mut self, key: &RateKey, now_ms: u64) -> Verdict {
        self.counts.requests += 1;
        if !self.callers.contains_key(key) {
            self.make_room(now_ms);
            self.callers.insert(key.clone(), Caller::new(self.limit.burst, now_ms));
        }
        let Some(caller) = self.callers.get_mut(key) else { return Verdict::Allowed }; // it was put there
        let verdict = caller.take(&self.limit, now_ms);
        match verdict {
            Verdict::Allowed | Verdict::Nearing => {}
            Verdict::Blocked(_) => {
                self.counts.blocks += 1;
                self.counts.refused += 1;
            }
            Verdict::StillBlocked(_) => self.counts.refused += 1,
        }
        verdict
    }

    /// Forgets callers: those that have nothing to remember, or where there are none those that asked longest ago, an
    /// eighth at once. Nobody gets out of a block by it while others have asked longer ago.
    fn make_room(&mut self, now_ms: u64) {
        if self.callers.len() < MAX_CALLERS {
            return;
        }
        let second = now_ms / 1_000;
        self.callers.retain(|_, caller| {
            caller.blocked_until_ms > now_ms || second.saturating_sub(caller.second) < SECONDS as u64
        });
        if self.callers.len() < MAX_CALLERS {
            return;
        }
        let mut ages: Vec<(u64, u64)> =
            self.callers.values().map(|caller| (caller.blocked_until_ms, caller.second)).collect();
        let (_, last, _) = ages.select_nth_unstable(MAX_CALLERS / 8);
        let last = *last;
        self.callers.retain(|_, caller| (caller.blocked_until_ms, caller.second) > last);
    }
}

impl Caller {
    fn new(burst: u32, now_ms: u64) -> Caller {
        Caller {
            by_second: [0; SECONDS],
            recent: 0,
            second: now_ms / 1_000,
            blocked_until_ms: 0,
            burst_left: burst,
            burst_at_ms: now_ms,
            told_at_ms: None,
        }
    }

    fn take(&mut self, limit: &RateLimit, now_ms: u64) -> Verdict {
        if self.blocked_until_ms > now_ms {
            return Verdict::StillBlocked(self.blocked_until_ms - now_ms);
        }
        self.pass(now_ms / 1_000);
        if now_ms.saturating_sub(self.burst_at_ms) >= 60_000 {
            self.burst_left = limit.burst;
        }
        if self.recent >= limit.requests_per_minute {
            if self.burst_left == 0 {
                // What it did until now is paid for by the block.
                *self = Caller { blocked_until_ms: now_ms.saturating_add(limit.block_ms), ..Caller::new(0, now_ms) };
                return Verdict::Blocked(limit.block_ms);
            }
            self.burst_left -= 1;
            self.burst_at_ms = now_ms;
        }
        if let Some(count) = self.by_second.get_mut((self.second % SECONDS as u64) as usize) {
            self.recent += u32::from(*count < u16::MAX);
            *count = count.saturating_add(1);
        }
        let nears = u64::from(self.recent) * u64::from(WARN_AT.1)
            >= u64::from(limit.requests_per_minute) * u64::from(WARN_AT.0);
        let was_told = self.told_at_ms.is_some_and(|at| now_ms.saturating_sub(at) < 60_000);
        if nears && !was_told {
            self.told_at_ms = Some(now_ms);
            return Verdict::Nearing;
        }
        Verdict::Allowed
    }

    /// Forgets the seconds that are more than a minute old.
    fn pass(&mut self, second: u64) {
        let passed = second.saturating_sub(self.second);
        for after in 1..=passed.min(SECONDS as u64) {
            if let Some(count) = self.by_second.get_mut(((self.second + after) % SECONDS as u64) as usize) {
                self.recent -= u32::from(*count);
                *count = 0;
            }
        }
        self.second = self.second.max(second);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> RateKey {
        RateKey::of(text.parse().unwrap())
    }

    #[test]
    fn the_request_beyond_the_limit_is_refused_and_all_for_the_time_of_the_block() {
        let mut limiter = Limiter::new(RateLimit::per_minute(60));
        let who = key("203.0.113.7");
        for at in 0..60 {
            let expected = if at == 47 { Verdict::Nearing } else { Verdict::Allowed };
            assert_eq!(limiter.take(&who, 500_000 + at * 100), expected, "{at}");
        }
        assert_eq!(limiter.take(&who, 506_000), Verdict::Blocked(120_000));
        assert_eq!(limiter.take(&who, 507_000), Verdict::StillBlocked(119_000));
        assert_eq!(limiter.take(&key("203.0.113.8"), 507_000), Verdict::Allowed, "somebody else");
        assert_eq!((limiter.blocked(507_000), limiter.blocked(626_000)), (1, 0));
        assert_eq!(limiter.take(&who, 626_000), Verdict::Allowed);
        assert_eq!(limiter.counts(), RateCounts { requests: 64, refused: 2, blocks: 1 });
    }

    #[test]
    fn a_burst_is_had_again_after_a_minute_without_it() {
        let limit = RateLimit { burst: 2, block_ms: 1_000, ..RateLimit::per_minute(3) };
        let mut limiter = Limiter::new(limit);
        let who = RateKey::Principal("ci".into());
        let mut allowed =
            |from: u64| (0..).take_while(|at| !matches!(limiter.take(&who, from + at), Verdict::Blocked(_))).count();
        assert_eq!(allowed(0), 5);
        assert_eq!(allowed(2_000), 3, "just blocked: no burst");
        assert_eq!(allowed(70_000), 5);
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_count_together_and_mapped_ones_as_those_of_ipv4() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:203.0.113.7"), key("203.0.113.7"));
        let local = |text: &str| is_local(text.parse().unwrap());
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(local(text), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!local(text), "{text}");
        }
    }

    #[test]
    fn a_flood_of_callers_takes_bounded_memory_and_frees_nobody_who_is_blocked_while_others_can_go() {
        let mut limiter = Limiter::new(RateLimit::per_minute(1));
        let bad = RateKey::Principal("bad".into());
        limiter.take(&bad, 0);
        limiter.take(&bad, 0);
        for number in 0..3 * MAX_CALLERS as u32 {
            limiter.take(&RateKey::Address(IpAddr::V4(number.into())), u64::from(number % 1_000));
            assert!(limiter.callers.len() <= MAX_CALLERS);
        }
        assert!(matches!(limiter.take(&bad, 1_000), Verdict::StillBlocked(_)));
    }

    proptest! {
        /// Whatever comes when: no window of a minute holds more than the limit and its bursts.
        #[test]
        fn no_minute_holds_more_than_the_limit(gaps in prop::collection::vec(0_u64..20_000, 1..300), most in 1_u32..20) {
            let mut limiter = Limiter::new(RateLimit { block_ms: 60_000, ..RateLimit::per_minute(most) });
            let who = key("203.0.113.7");
            let (mut now, mut answered) = (0, Vec::<u64>::new());
            for gap in gaps {
                now += gap;
                if matches!(limiter.take(&who, now), Verdict::Allowed | Verdict::Nearing) {
                    answered.push(now);
                }
            }
            // Seconds are whole, so a minute is one of 59 s at least.
            let window = 59_000;
            for (first, at) in answered.iter().enumerate() {
                let within = answered.iter().skip(first).take_while(|other| **other < at + window).count();
                prop_assert!(within <= most as usize, "{within} in a minute");
            }
        }
    }
}
